// Conformance cases: the table's lines as data.
//
// Who uses it: the conformance test and `tenon modules --test`. README.md beside this file is the format's specification.
// What it must not know: core headers, any module.
#pragma once

#include "tenon/module/abi.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::conformance {

struct TensorText {
    TnDataType dtype = TN_F32;
    std::vector<int64_t> dims;
};

enum class FillKind { kDefault, kUniform, kWhole, kValues, kSequence };

struct InputText {
    bool present = true;
    int32_t sameAs = -1; // input n again
    bool isConstant = false;
    TensorText type;
    FillKind fill = FillKind::kDefault;
    std::vector<double> numbers;   // bounds, or values
    std::vector<int64_t> integers; // the values again, exact where they are integers
};

struct OutputText {
    bool present = true;
    TensorText type;
    bool hasExpected = false;
    std::vector<double> expected;
    std::vector<int64_t> expectedIntegers;
};

struct AttributeText {
    TnAttributeKind kind = TN_ATTR_INT;
    int64_t i = 0;
    double f = 0;
    std::string s;
    std::vector<int64_t> ints; // of ints and dims
    std::vector<double> floats;
    std::vector<std::string> strings;
    TensorText tensor; // of a tensor: one element, `f` and `i`
};

using AttributeTexts = std::map<std::string, AttributeText>;

// One op of a case: operands are inputs of the case (0..) or, offset by kStatementBase, results of earlier statements.
struct StatementText {
    static constexpr int32_t kStatementBase = 1000;
    std::string op;
    std::vector<int32_t> operands; // -1: left out
    AttributeTexts attributes;
    std::vector<TensorText> results; // of a region's statement; a plain case has its types in `outputs`
};

struct Case {
    std::string name; // "conv#3:f32"
    std::string line;
    int lineNumber = 0;
    std::vector<StatementText> statements; // one, or a region's
    std::vector<InputText> inputs;
    std::vector<OutputText> outputs;
    double rtol = -1; // -1: the element type's own
    double atol = -1;
    uint64_t seed = 0;
    std::string from; // layouts of a convert
    std::string to;
};

struct CaseFile {
    std::string path;
    std::vector<Case> cases;
    std::string error; // empty, or "path:line: what is wrong"
};

CaseFile readCases(const std::string& path);
CaseFile parseCases(std::string_view text, const std::string& path);

} // namespace tenon::conformance
