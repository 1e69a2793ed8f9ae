// CUDA C++ source of a kernel: the common texts, the element types and switches of one task.
//
// Who uses it: the print functions of ops. What it must not know: NVRTC, shapes at run time.
#pragma once

#include "backends/common/call.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::cuda {

using namespace tenon::kernels;

// The name of an element type in device code.
std::string_view cudaName(TnDataType type);
// The unsigned type of the same size: for what only moves.
std::string_view cudaBytesName(TnDataType type);
// A double as a literal, infinities included.
std::string literal(double value);

// What a print function knows of its node: element types as the tactic's ports have them, by operand and result.
struct NodeTypes {
    module::NodeView node;
    std::vector<TnDataType> inputs; // -1: left out
    std::vector<TnDataType> outputs;
    bool wideIndex = false; // some tensor of the task may have 2^31 elements or more

    TnDataType in(size_t i) const { return i < inputs.size() ? inputs[i] : TnDataType{-1}; }
    TnDataType out(size_t i = 0) const { return i < outputs.size() ? outputs[i] : TnDataType{-1}; }
};

class Source {
public:
    explicit Source(bool wideIndex) : mWideIndex(wideIndex) {}
    Source& define(std::string_view name, std::string_view value = "1");
    // A type, or any other declaration, after the prelude.
    Source& type(std::string_view name, std::string_view is);
    Source& declare(std::string_view text);
    // The whole: switches, arguments, prelude, declarations, then the family's text.
    std::string text(std::initializer_list<std::string_view> families) const;

private:
    bool mWideIndex;
    std::string mDefines;
    std::string mDeclarations;
};

} // namespace tenon::cuda
