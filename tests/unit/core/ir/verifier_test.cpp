#include "core/ir/verifier.h"

#include "core/ir/editor.h"
#include "core/ir/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::ir {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Graph> parsed(const char* text) {
    auto graph = parseGraph(text);
    EXPECT_TRUE(graph.ok()) << graph.status().toString();
    return std::move(graph).value();
}

std::string faultOf(const Graph& graph) {
    const support::Status status = verify(graph);
    return status.ok() ? "none" : status.toString();
}

TEST(VerifierTest, CyclesAreReported) {
    const auto graph = parsed("graph @g(%x: f32[2]) { %a = f(%x): f32[2] %b = f(%a): f32[2] return %b }");
    {
        GraphEditor editor(*graph);
        editor.setInput(graph->findNode("a"), 0, graph->findValue("b"));
    }
    EXPECT_THAT(faultOf(*graph), HasSubstr("is not defined before the node"));
}

TEST(VerifierTest, WhatTheEditorCannotKnowIsReported) {
    const auto graph = parsed("graph @g(%x: i64[2]) { %a = f(%x): f32[2] return %a }");
    EXPECT_EQ(faultOf(*graph), "none");
    GraphEditor editor(*graph);
    Value* const x = graph->findValue("x");
    Value* const a = graph->findValue("a");
    const DimExpr one = graph->pool().constant(1);

    editor.setContents(x, std::vector<DimExpr>{one});
    EXPECT_THAT(faultOf(*graph), HasSubstr("has 1 elements of contents, but not so many of its own"));
    editor.setContents(x, std::vector<DimExpr>{one, DimExpr{999}});
    EXPECT_THAT(faultOf(*graph), HasSubstr("not of the graph's pool"));
    editor.setContents(x, std::nullopt);
    TensorType text = a->type();
    text.dtype = DataType::kString;
    editor.setType(a, text);
    editor.setContents(a, std::vector<DimExpr>{one, one});
    EXPECT_THAT(faultOf(*graph), HasSubstr("only tensors of numbers"));
    editor.setContents(a, std::nullopt);
    editor.setQuantization(a, Quantization{});
    EXPECT_THAT(faultOf(*graph), HasSubstr("without scale"));
    editor.setQuantization(a, std::nullopt);
    editor.setAttribute(a->producer(), "w", ConstantPtr());
    EXPECT_THAT(faultOf(*graph), HasSubstr("'w' is an empty constant"));
    editor.eraseAttribute(a->producer(), "w");
    TensorType type;
    type.dims = {graph->pool().constant(-1)};
    editor.setType(a, type);
    EXPECT_THAT(faultOf(*graph), HasSubstr("negative extent"));
}

TEST(VerifierTest, RegionsAreClosed) {
    const auto graph = parsed(
        "graph @g(%x: f32[2]) { %a = f(%x) region @r(%p: f32[2]) { %q = h(%p): f32[2] return %q }: f32[2] return %a }");
    EXPECT_EQ(faultOf(*graph), "none");
    Graph& region = *graph->nodes()[0]->regions()[0];
    {
        GraphEditor editor(region);
        editor.setInput(region.findNode("q"), 0, graph->findValue("x"));
    }
    EXPECT_THAT(faultOf(*graph), HasSubstr("not in this graph"));
}

TEST(VerifierTest, ConstantsNeedTheirValue) {
    const auto graph = parsed("graph @g() { %a = const() : f32[2] return %a }");
    EXPECT_THAT(faultOf(*graph), HasSubstr("a const has an attribute 'value'"));
}

} // namespace
} // namespace tenon::ir
