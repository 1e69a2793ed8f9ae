// The problems of a model, collected in one pass: what, where, why, what to try.
// Used by every part of the parser. Knows no protobuf.
#pragma once

#include "tenon/onnx_parser.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::onnx {

// One problem, as IParserError shows it.
class Problem final : public nvonnxparser::IParserError {
public:
    nvonnxparser::ErrorCode kind = nvonnxparser::ErrorCode::kINTERNAL_ERROR;
    std::string text;
    int32_t nodeIndex = -1;
    std::string nodeTitle;
    std::string nodeOp;
    std::vector<std::string> functions; // model-local functions around the node, outermost first

    nvonnxparser::ErrorCode code() const noexcept override { return kind; }
    char const* desc() const noexcept override { return text.c_str(); }
    char const* file() const noexcept override { return "parsers/onnx"; }
    int line() const noexcept override { return 0; }
    char const* func() const noexcept override { return nodeOp.c_str(); }
    int node() const noexcept override { return nodeIndex; }
    char const* nodeName() const noexcept override { return nodeTitle.c_str(); }
    char const* nodeOperator() const noexcept override { return nodeOp.c_str(); }
    char const* const* localFunctionStack() const noexcept override;
    int32_t localFunctionStackSize() const noexcept override { return static_cast<int32_t>(functions.size()); }

private:
    mutable std::vector<char const*> mStack;
};

// Outcome of a step that reports its own reason.
class [[nodiscard]] Outcome {
public:
    Outcome() = default;
    static Outcome failure(nvonnxparser::ErrorCode code, std::string reason) {
        Outcome outcome;
        outcome.mCode = code;
        outcome.mReason = std::move(reason);
        return outcome;
    }
    bool ok() const { return mCode == nvonnxparser::ErrorCode::kSUCCESS; }
    nvonnxparser::ErrorCode code() const { return mCode; }
    const std::string& reason() const { return mReason; }

private:
    nvonnxparser::ErrorCode mCode = nvonnxparser::ErrorCode::kSUCCESS;
    std::string mReason;
};

} // namespace tenon::onnx
