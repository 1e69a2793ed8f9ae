#include "tests/conformance/case_reader.h"

#include "tenon/module/format.hpp"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace tenon::conformance {

namespace {

// Errors inside the parser; they end at parseCases.
class ParseError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::optional<TnDataType> typeOf(std::string_view name) {
    for (TnDataType type = 0; type < TN_DATA_TYPE_COUNT; ++type) {
        if (module::nameOf(type) == name) {
            return type;
        }
    }
    return std::nullopt;
}

class Parser {
public:
    explicit Parser(std::string_view text) : mText(text) {}

    Case parse() {
        Case result;
        const std::string head = name();
        if (head == "fused") {
            parseRegion(result);
            parseInputs(result);
        } else {
            StatementText statement;
            statement.op = head;
            parseInputs(result);
            for (size_t i = 0; i < result.inputs.size(); ++i) {
                const InputText& input = result.inputs[i];
                statement.operands.push_back(!input.present      ? -1
                                             : input.sameAs >= 0 ? input.sameAs
                                                                 : static_cast<int32_t>(i));
            }
            statement.attributes = attributes();
            result.statements.push_back(std::move(statement));
        }
        expect("->");
        do {
            result.outputs.push_back(output());
        } while (accept(","));
        if (result.statements.size() > 1 && result.outputs.size() > result.statements.size()) {
            fail("a region with more outputs than statements");
        }
        if (accept(";")) {
            parseOptions(result);
        }
        if (!atEnd()) {
            fail("nothing more was expected");
        }
        return result;
    }

private:
    [[noreturn]] void fail(const std::string& what) {
        throw ParseError(what + " before '" + std::string(mText.substr(std::min(mAt, mText.size()), 24)) + "'");
    }
    void skip() {
        while (mAt < mText.size() && std::isspace(static_cast<unsigned char>(mText[mAt])) != 0) {
            ++mAt;
        }
    }
    bool atEnd() {
        skip();
        return mAt >= mText.size();
    }
    bool peek(std::string_view token) {
        skip();
        return mText.substr(mAt).starts_with(token);
    }
    bool accept(std::string_view token) {
        if (!peek(token)) {
            return false;
        }
        mAt += token.size();
        return true;
    }
    void expect(std::string_view token) {
        if (!accept(token)) {
            fail("expected '" + std::string(token) + "'");
        }
    }
    std::string name() {
        skip();
        const size_t begin = mAt;
        while (mAt < mText.size() &&
               (std::isalnum(static_cast<unsigned char>(mText[mAt])) != 0 || mText[mAt] == '_' || mText[mAt] == '.')) {
            ++mAt;
        }
        if (begin == mAt) {
            fail("expected a name");
        }
        return std::string(mText.substr(begin, mAt - begin));
    }
    std::string quoted() {
        expect("\"");
        const size_t end = mText.find('"', mAt);
        if (end == std::string_view::npos) {
            fail("a string without its end");
        }
        std::string text(mText.substr(mAt, end - mAt));
        mAt = end + 1;
        return text;
    }
    struct Number {
        double value = 0;
        int64_t integer = 0;
        bool isInteger = false;
    };
    Number number() {
        skip();
        size_t end = mAt;
        while (end < mText.size() && (std::isalnum(static_cast<unsigned char>(mText[end])) != 0 || mText[end] == '.' ||
                                      mText[end] == '+' || mText[end] == '-')) {
            ++end;
        }
        const std::string text(mText.substr(mAt, end - mAt));
        char* stop = nullptr;
        Number result;
        result.value = std::strtod(text.c_str(), &stop);
        if (text.empty() || *stop != '\0') {
            fail("expected a number");
        }
        if (text.find_first_of(".eEnN") == std::string::npos) {
            result.isInteger = true;
            // u64 values above the middle wrap into the sign, as the bits do.
            result.integer = text[0] == '-' ? static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10))
                                            : static_cast<int64_t>(std::strtoull(text.c_str(), nullptr, 10));
        } else {
            result.integer = std::isfinite(result.value) ? static_cast<int64_t>(result.value) : 0;
        }
        mAt = end;
        return result;
    }
    void numberList(std::string_view close, std::vector<double>& values, std::vector<int64_t>& integers) {
        while (!accept(close)) {
            const Number each = number();
            values.push_back(each.value);
            integers.push_back(each.integer);
            if (!peek(close)) {
                expect(",");
            }
        }
    }

    TensorText tensor() {
        TensorText result;
        const std::string type = name();
        const std::optional<TnDataType> dtype = typeOf(type);
        if (!dtype) {
            fail("'" + type + "' is no element type");
        }
        result.dtype = *dtype;
        expect("[");
        std::vector<double> ignored;
        numberList("]", ignored, result.dims);
        if (result.dims.size() > TN_MAX_DIMS) {
            fail("a tensor of too many dimensions");
        }
        return result;
    }

    void parseInputs(Case& result) {
        expect("(");
        while (!accept(")")) {
            result.inputs.push_back(input(result));
            if (!peek(")")) {
                expect(",");
            }
        }
    }
    InputText input(const Case& result) {
        InputText input;
        if (peek("-")) {
            accept("-");
            input.present = false;
            return input;
        }
        if (accept("@")) {
            input.sameAs = static_cast<int32_t>(number().integer);
            if (input.sameAs < 0 || static_cast<size_t>(input.sameAs) >= result.inputs.size()) {
                fail("'@' must name an earlier input");
            }
            input.type = result.inputs[static_cast<size_t>(input.sameAs)].type;
            return input;
        }
        if (peek("const ")) {
            accept("const ");
            input.isConstant = true;
        }
        input.type = tensor();
        if (accept(":")) {
            const std::string kind = name();
            if (kind == "seq") {
                input.fill = FillKind::kSequence;
                return input;
            }
            input.fill = kind == "u" ? FillKind::kUniform : kind == "i" ? FillKind::kWhole : FillKind::kValues;
            if (kind != "u" && kind != "i" && kind != "v") {
                fail("'" + kind + "' is no way to fill a tensor");
            }
            expect("(");
            numberList(")", input.numbers, input.integers);
            if (input.numbers.size() < (kind == "v" ? 1U : 2U)) {
                fail("too few numbers to fill a tensor with");
            }
        }
        return input;
    }

    OutputText output() {
        OutputText output;
        if (accept("-")) {
            output.present = false;
            return output;
        }
        output.type = tensor();
        if (accept("=")) {
            output.hasExpected = true;
            expect("(");
            numberList(")", output.expected, output.expectedIntegers);
        }
        return output;
    }

    AttributeTexts attributes() {
        AttributeTexts result;
        if (!accept("{")) {
            return result;
        }
        while (!accept("}")) {
            const std::string key = name();
            expect("=");
            result[key] = attribute();
            if (!peek("}")) {
                expect(",");
            }
        }
        return result;
    }
    AttributeText attribute() {
        AttributeText result;
        if (peek("\"")) {
            result.kind = TN_ATTR_STRING;
            result.s = quoted();
            return result;
        }
        if (accept("dims[")) {
            result.kind = TN_ATTR_DIMS;
            numberList("]", result.floats, result.ints);
            return result;
        }
        if (accept("[")) {
            if (peek("\"")) {
                result.kind = TN_ATTR_STRINGS;
                while (!accept("]")) {
                    result.strings.push_back(quoted());
                    accept(",");
                }
                return result;
            }
            const size_t close = mText.find(']', mAt);
            const bool isFloat = mText.substr(mAt, close - mAt).find_first_of(".en") != std::string_view::npos;
            result.kind = isFloat ? TN_ATTR_FLOATS : TN_ATTR_INTS;
            numberList("]", result.floats, result.ints);
            return result;
        }
        const size_t before = mAt;
        if (std::isalpha(static_cast<unsigned char>(mText[mAt])) != 0) {
            const std::string word = name();
            if (const std::optional<TnDataType> dtype = typeOf(word)) {
                result.kind = TN_ATTR_DTYPE;
                result.i = *dtype;
                if (accept("{")) {
                    result.kind = TN_ATTR_TENSOR;
                    result.tensor = {*dtype, {1}};
                    const Number value = number();
                    result.f = value.value;
                    result.i = value.integer;
                    expect("}");
                }
                return result;
            }
            mAt = before;
        }
        const Number value = number();
        result.kind = value.isInteger ? TN_ATTR_INT : TN_ATTR_FLOAT;
        result.i = value.integer;
        result.f = value.value;
        return result;
    }

    void parseRegion(Case& result) {
        expect("[");
        std::map<std::string, int32_t> names;
        while (!accept("]")) {
            StatementText statement;
            expect("%");
            const std::string resultName = name();
            expect("=");
            statement.op = name();
            expect("(");
            while (!accept(")")) {
                if (accept("-")) {
                    statement.operands.push_back(-1);
                } else {
                    expect("%");
                    const std::string operand = name();
                    const auto found = names.find(operand);
                    statement.operands.push_back(
                        found != names.end() ? found->second : static_cast<int32_t>(std::atoi(operand.c_str())));
                }
                accept(",");
            }
            statement.attributes = attributes();
            expect(":");
            statement.results.push_back(tensor());
            names[resultName] = StatementText::kStatementBase + static_cast<int32_t>(result.statements.size());
            result.statements.push_back(std::move(statement));
            accept(";");
        }
        if (result.statements.empty()) {
            fail("a region without statements");
        }
    }

    void parseOptions(Case& result) {
        while (!atEnd()) {
            const std::string key = name();
            expect("=");
            if (key == "rtol") {
                result.rtol = number().value;
            } else if (key == "atol") {
                result.atol = number().value;
            } else if (key == "seed") {
                result.seed = static_cast<uint64_t>(number().integer);
            } else if (key == "from") {
                result.from = quoted();
            } else if (key == "to") {
                result.to = quoted();
            } else if (key == "note") {
                quoted();
            } else {
                fail("'" + key + "' is no option");
            }
        }
    }

    std::string_view mText;
    size_t mAt = 0;
};

} // namespace

CaseFile parseCases(std::string_view text, const std::string& path) {
    CaseFile file;
    file.path = path;
    std::map<std::string, int> counts;
    std::istringstream lines{std::string(text)};
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        const size_t comment = line.find('#');
        const std::string code = comment == std::string::npos ? line : line.substr(0, comment);
        if (code.find_first_not_of(" \t\r") == std::string::npos) {
            continue;
        }
        try {
            Case parsed = Parser(code).parse();
            parsed.line = code;
            parsed.lineNumber = number;
            const std::string op = parsed.statements.size() == 1 ? parsed.statements[0].op : "fused";
            const TnDataType type = !parsed.inputs.empty() && parsed.inputs[0].present ? parsed.inputs[0].type.dtype
                                                                                       : parsed.outputs[0].type.dtype;
            parsed.name = module::text(op, '#', ++counts[op], ':', module::nameOf(type));
            file.cases.push_back(std::move(parsed));
        } catch (const ParseError& error) {
            file.error = module::text(path, ':', number, ": ", error.what());
            return file;
        }
    }
    return file;
}

CaseFile readCases(const std::string& path) {
    std::ifstream stream(path);
    if (!stream) {
        CaseFile file;
        file.path = path;
        file.error = path + ": the file cannot be read";
        return file;
    }
    std::ostringstream text;
    text << stream.rdbuf();
    return parseCases(text.str(), path);
}

} // namespace tenon::conformance
