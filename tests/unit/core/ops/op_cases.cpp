#include "tests/unit/core/ops/op_cases.h"

#include "core/ir/attribute_text.h"
#include "core/ir/expr_text.h"
#include "core/ir/parser.h"
#include "core/ir/type_text.h"
#include "core/ops/op_registry.h"
#include "core/ops/verify.h"
#include "core/support/lexer.h"

#include <gtest/gtest.h>

#include <memory>

namespace tenon::ops::testing {
namespace {

std::string asText(const ir::ExprPool& pool, const ir::TensorType& type,
                   const std::optional<std::vector<ir::DimExpr>>& contents) {
    std::string text = ir::typeText(type, pool);
    if (contents) {
        text += " =";
        for (size_t i = 0; i < contents->size(); ++i) {
            support::append(text, i == 0 ? " " : ", ", pool.toText((*contents)[i]));
        }
    }
    return text;
}

InferInput parseInput(std::string_view text, ir::ExprPool& pool, ir::ConstantReader& constants) {
    InferInput input;
    if (text == "-") {
        return input;
    }
    input.present = true;
    support::Lexer lexer(text);
    if (lexer.take("const")) {
        input.constant = constants.read(lexer).value();
        input.type.dtype = input.constant->dtype;
        for (const int64_t extent : input.constant->dims) {
            input.type.dims.push_back(pool.constant(extent));
        }
        return input;
    }
    input.type = ir::parseType(lexer, pool).value();
    if (lexer.take("=")) {
        input.contents.emplace();
        while (!lexer.atEnd()) {
            input.contents->push_back(ir::parseExpr(lexer, pool).value());
            lexer.take(",");
        }
    }
    EXPECT_TRUE(lexer.atEnd()) << text;
    return input;
}

} // namespace

namespace {

// What a case says, in a pool of its own.
struct Parsed {
    ir::ExprPool pool;
    ir::AttributeMap attributes;
    std::vector<InferInput> inputs;
    size_t outputs = 1;
    const OpDef* def = nullptr;
};

std::unique_ptr<Parsed> parse(const OpCase& testCase) {
    auto parsed = std::make_unique<Parsed>();
    for (const char* name : {"B", "C", "H", "N", "S", "W"}) {
        parsed->pool.symbol({name});
    }
    for (const char* name : {"E", "F"}) {
        ir::Symbol symbol{name};
        symbol.source = ir::SymbolSource::kInputElement;
        parsed->pool.symbol(symbol);
    }
    const size_t slash = testCase.op.find('/');
    parsed->outputs = slash == std::string_view::npos ? 1 : static_cast<size_t>(testCase.op[slash + 1] - '0');
    parsed->def = OpRegistry::builtin().find(testCase.op.substr(0, slash));
    EXPECT_NE(parsed->def, nullptr) << testCase.op;
    ir::ConstantReader constants({}, 1 << 20);
    if (!testCase.attributes.empty()) {
        support::Lexer lexer(testCase.attributes);
        parsed->attributes = ir::parseAttributes(lexer, parsed->pool, constants).value();
    }
    for (const std::string_view text : testCase.inputs) {
        parsed->inputs.push_back(parseInput(text, parsed->pool, constants));
    }
    return parsed;
}

// Puts values in place of symbols.
void substitute(Parsed& parsed, const std::vector<int64_t>& values) {
    const auto replace = [&](std::vector<ir::DimExpr>& exprs) {
        for (ir::DimExpr& e : exprs) {
            e = e.valid() ? parsed.pool.constant(parsed.pool.evaluate(e, values)) : e;
        }
    };
    for (InferInput& input : parsed.inputs) {
        replace(input.type.dims);
        if (input.contents) {
            replace(*input.contents);
        }
    }
    ir::AttributeMap attributes;
    for (const auto& [name, value] : parsed.attributes) {
        ir::AttributeValue replaced = value;
        if (auto* list = std::get_if<ir::DimList>(&replaced)) {
            replace(list->dims);
        }
        attributes.set(name, std::move(replaced));
    }
    parsed.attributes = std::move(attributes);
}

} // namespace

std::string inferAsText(const OpCase& testCase) {
    const auto parsed = parse(testCase);
    InferContext context(parsed->attributes, parsed->inputs, parsed->outputs, parsed->pool);
    const support::Status status = OpRegistry::builtin().infer(*parsed->def, context);
    if (!status.ok()) {
        return "error: " + status.message();
    }
    std::string text;
    for (const InferOutput& output : context.outputs()) {
        text += (text.empty() ? "" : "; ") + asText(parsed->pool, output.type, output.contents);
    }
    return text;
}

std::string symbolicDiffersFromConstant(const OpCase& testCase, const std::vector<int64_t>& values) {
    const OpRegistry& registry = OpRegistry::builtin();
    const auto symbolic = parse(testCase);
    const auto constant = parse(testCase);
    substitute(*constant, values);
    InferContext general(symbolic->attributes, symbolic->inputs, symbolic->outputs, symbolic->pool);
    InferContext special(constant->attributes, constant->inputs, constant->outputs, constant->pool);
    if (!registry.infer(*constant->def, special).ok()) {
        return "";
    }
    if (const support::Status status = registry.infer(*symbolic->def, general); !status.ok()) {
        return status.message();
    }
    for (size_t i = 0; i < symbolic->outputs; ++i) {
        const auto& expressions = general.outputs()[i].type.dims;
        const auto& numbers = special.outputs()[i].type.dims;
        if (expressions.size() != numbers.size()) {
            return "ranks differ";
        }
        const auto compare = [&](std::string_view what, size_t d, ir::DimExpr expression,
                                 ir::DimExpr number) -> std::string {
            if (!expression.valid() || !constant->pool.isConstant(number)) {
                return "";
            }
            const int64_t evaluated = symbolic->pool.evaluate(expression, values);
            const int64_t expected = constant->pool.constantValue(number);
            return evaluated == expected
                       ? ""
                       : support::cat("output ", i, " ", what, " ", d, " is ", symbolic->pool.toText(expression), " = ",
                                      evaluated, ", but with constants ", expected);
        };
        std::string difference;
        for (size_t d = 0; d < numbers.size() && difference.empty(); ++d) {
            difference = compare("dim", d, expressions[d], numbers[d]);
        }
        const auto& contents = general.outputs()[i].contents;
        const auto& known = special.outputs()[i].contents;
        for (size_t d = 0; contents && known && d < contents->size() && difference.empty(); ++d) {
            difference = compare("element", d, (*contents)[d], (*known)[d]);
        }
        if (!difference.empty()) {
            return difference;
        }
    }
    return "";
}

void expectCases(const std::vector<OpCase>& cases) {
    for (const OpCase& testCase : cases) {
        EXPECT_EQ(inferAsText(testCase), testCase.expected)
            << testCase.op << testCase.attributes << "(" << support::join(testCase.inputs, ", ") << ")";
    }
}

std::string inferredInGraph(std::string_view text, std::string_view wanted) {
    auto graph = ir::parseGraph(text);
    if (!graph.ok()) {
        return "bad graph: " + graph.status().toString();
    }
    ir::Graph& g = **graph;
    for (int round = 0; round < 2; ++round) { // the second time nothing may change
        if (const support::Status status = inferGraph(OpRegistry::builtin(), g); !status.ok()) {
            return "error: " + status.toString();
        }
    }
    if (const support::Status status = verifyOps(OpRegistry::builtin(), g); !status.ok()) {
        return "error: " + status.toString();
    }
    for (const ir::Node* node : g.nodes()) {
        for (const ir::Value* value : node->outputs()) {
            if (value->name() == wanted) {
                return asText(g.pool(), value->type(), value->contents());
            }
        }
    }
    return "no such value";
}

} // namespace tenon::ops::testing
