#include "tests/unit/core/ops/op_cases.h"

#include "core/ir/attribute_text.h"
#include "core/ir/expr_text.h"
#include "core/ir/parser.h"
#include "core/ir/type_text.h"
#include "core/ops/op_registry.h"
#include "core/ops/verify.h"
#include "core/support/lexer.h"

#include <gtest/gtest.h>

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

std::string inferAsText(const OpCase& testCase) {
    ir::ExprPool pool;
    for (const char* name : {"B", "C", "H", "N", "S", "W"}) {
        pool.symbol({name});
    }
    for (const char* name : {"E", "F"}) {
        ir::Symbol symbol{name};
        symbol.source = ir::SymbolSource::kInputElement;
        pool.symbol(symbol);
    }
    const size_t slash = testCase.op.find('/');
    const size_t outputs = slash == std::string_view::npos ? 1 : static_cast<size_t>(testCase.op[slash + 1] - '0');
    const OpRegistry& registry = OpRegistry::builtin();
    const OpDef* def = registry.find(testCase.op.substr(0, slash));
    if (def == nullptr) {
        return "no such op";
    }
    ir::ConstantReader constants({}, 1 << 20);
    ir::AttributeMap attributes;
    if (!testCase.attributes.empty()) {
        support::Lexer lexer(testCase.attributes);
        auto parsed = ir::parseAttributes(lexer, pool, constants);
        if (!parsed.ok()) {
            return "bad case: " + parsed.status().toString();
        }
        attributes = std::move(parsed).value();
    }
    std::vector<InferInput> inputs;
    for (const std::string_view text : testCase.inputs) {
        inputs.push_back(parseInput(text, pool, constants));
    }
    InferContext context(attributes, std::move(inputs), outputs, pool);
    const support::Status status = registry.infer(*def, context);
    if (!status.ok()) {
        return "error: " + status.message();
    }
    std::string text;
    for (const InferOutput& output : context.outputs()) {
        text += (text.empty() ? "" : "; ") + asText(pool, output.type, output.contents);
    }
    return text;
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
