// A case as the ABI's task: body, types, attributes, offered layouts; and its inputs' elements.
// Used by the conformance runner. Knows no core header.
#pragma once

#include "tests/conformance/case_reader.h"

#include "tenon/module/module.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace tenon::conformance {

struct BuiltTask {
    module::OwnedGraph graph;
    std::vector<int32_t> inputPorts;  // of each port: the case's input
    std::vector<int32_t> outputPorts; // of each port: the case's output
    std::vector<int64_t> offeredBegin;
    std::vector<TnPortFormat> offered;
    TnPortFormat convertTo{};
    std::vector<int64_t> scalars;
    TnTask task{};
};

// Elements of an input, linear: by its fill.
std::vector<std::byte> fillInput(const Case& from, size_t input);
// `data` per input of the case, for constants that are shown. Dynamic: extents above 1 are given as intervals around the case's own.
// The result must stay where it is: its task points into it.
void buildTask(const Case& from, const std::vector<std::vector<std::byte>>& data, bool dynamic, BuiltTask& to);
// A statement of a region as a task of its own, given the types of its operands.
Case statementAlone(const Case& region, size_t statement);

} // namespace tenon::conformance
