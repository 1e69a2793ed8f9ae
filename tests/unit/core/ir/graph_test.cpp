#include "core/ir/editor.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tenon::ir {
namespace {

class GraphTest : public ::testing::Test {
protected:
    TensorType type(std::vector<int64_t> dims) {
        TensorType result;
        for (const int64_t extent : dims) {
            result.dims.push_back(graph.pool().constant(extent));
        }
        return result;
    }
    Node* node(GraphEditor& editor, const std::string& op, std::vector<Value*> inputs, Node* before = nullptr) {
        NodeSpec spec;
        spec.op = op;
        spec.inputs = std::move(inputs);
        spec.outputTypes = {type({2})};
        spec.source = SourceSet(op);
        return editor.addNode(std::move(spec), before);
    }
    std::vector<std::string> order() const {
        std::vector<std::string> names;
        for (const Node* each : graph.nodes()) {
            names.push_back(each->name());
        }
        return names;
    }

    Graph graph{"g"};
};

TEST_F(GraphTest, NamesAreUniqueAndDerived) {
    GraphEditor editor(graph);
    Value* const x = editor.addInput("x", type({2}));
    Node* const a = node(editor, "unary.exp", {x});
    Node* const b = node(editor, "unary.exp", {x});
    EXPECT_EQ(a->name(), "exp");
    EXPECT_EQ(b->name(), "exp_1");
    EXPECT_EQ(a->output(0)->name(), "exp");
    NodeSpec spec;
    spec.op = "split";
    spec.name = "x";
    spec.inputs = {x};
    spec.outputTypes = {type({1}), type({1})};
    spec.source = SourceSet("s");
    Node* const split = editor.addNode(std::move(spec));
    EXPECT_EQ(split->name(), "x") << "nodes and values have separate names";
    EXPECT_EQ(split->output(1)->name(), "x.1");
    EXPECT_EQ(graph.findValue("x.0"), split->output(0));
    EXPECT_EQ(graph.findNode("exp_1"), b);
    editor.renameValue(x, "exp");
    EXPECT_EQ(x->name(), "exp_2");
    EXPECT_EQ(graph.findValue("x"), nullptr);
}

TEST_F(GraphTest, ReplaceAllUsesMovesOutputsAndSources) {
    GraphEditor editor(graph);
    Value* const x = editor.addInput("x", type({2}));
    Node* const a = node(editor, "unary.exp", {x});
    Node* const b = node(editor, "unary.log", {a->output(0)});
    editor.addOutput(a->output(0));
    Node* const behind = node(editor, "unary.abs", {a->output(0)});
    editor.replaceAllUses(a->output(0), behind->output(0));
    EXPECT_EQ(behind->input(0), a->output(0)) << "a node put behind keeps its input";
    EXPECT_EQ(b->input(0), behind->output(0));
    EXPECT_EQ(graph.outputs()[0], behind->output(0));
    EXPECT_TRUE(behind->output(0)->isGraphOutput());
    EXPECT_FALSE(a->output(0)->isGraphOutput());
    EXPECT_EQ(behind->source().joined(), "unary.abs + unary.exp");
    // A graph input has no producer to inherit: its new readers do.
    editor.replaceAllUses(behind->output(0), x);
    EXPECT_EQ(b->source().joined(), "unary.abs + unary.exp + unary.log");
    EXPECT_EQ(editor.eraseDead([](const Node&) { return false; }), 3);
    EXPECT_EQ(graph.nodes().size(), 0u);
    EXPECT_TRUE(x->uses().empty());
    EXPECT_EQ(graph.outputs()[0], x);
}

TEST_F(GraphTest, OrderIsRepairedAndStable) {
    Value* x = nullptr;
    {
        GraphEditor editor(graph);
        x = editor.addInput("x", type({2}));
        Node* const a = node(editor, "a", {x});
        Node* const b = node(editor, "b", {x});
        Node* const c = node(editor, "c", {x});
        EXPECT_EQ(order(), (std::vector<std::string>{"a", "b", "c"}));
        Node* const d = node(editor, "d", {c->output(0)}, a); // before what it needs
        editor.setInput(b, 0, d->output(0));
    }
    EXPECT_EQ(order(), (std::vector<std::string>{"c", "d", "a", "b"}));
}

TEST_F(GraphTest, LeftOutInputsAtTheEndAreDropped) {
    GraphEditor editor(graph);
    Value* const x = editor.addInput("x", type({2}));
    Node* const a = node(editor, "a", {x, nullptr, x, nullptr});
    EXPECT_EQ(a->inputs().size(), 3u);
    editor.setInput(a, 2, nullptr);
    EXPECT_EQ(a->inputs().size(), 1u);
    EXPECT_EQ(x->uses().size(), 1u);
    editor.setInput(a, 3, x);
    EXPECT_EQ(a->inputs().size(), 4u);
    EXPECT_EQ(a->input(9), nullptr);
    editor.setInput(a, 7, nullptr);
    EXPECT_EQ(a->inputs().size(), 4u);
}

TEST_F(GraphTest, EraseDeadKeepsWhatMustStay) {
    GraphEditor editor(graph);
    Value* const x = editor.addInput("x", type({2}));
    Node* const a = node(editor, "a", {x});
    Node* const effect = node(editor, "effect", {a->output(0)});
    node(editor, "b", {effect->output(0)});
    EXPECT_EQ(editor.eraseDead([](const Node& each) { return each.op() == "effect"; }), 1);
    EXPECT_EQ(order(), (std::vector<std::string>{"a", "effect"}));
}

TEST_F(GraphTest, CloneIsDeepAndKeepsIds) {
    GraphEditor editor(graph);
    Value* const x = editor.addInput("x", type({2}));
    Node* const dead = node(editor, "dead", {x});
    editor.erase(dead);
    Node* const outer = node(editor, "outer", {x});
    Graph* const region = editor.addRegion(outer, "body");
    {
        GraphEditor inner(*region);
        Value* const arg = inner.addInput("arg", type({2}));
        NodeSpec spec;
        spec.op = "inner";
        spec.inputs = {arg};
        spec.outputTypes = {type({2})};
        spec.source = SourceSet("i");
        inner.addOutput(inner.addNode(std::move(spec))->output(0));
    }
    Value* const constant = editor.addConstant(makeConstantF32({2}, {1, 2}), "c", SourceSet("c"));
    editor.setContents(x, std::vector<DimExpr>{graph.pool().constant(4)});
    editor.addOutput(outer->output(0));

    const auto copy = graph.clone();
    ASSERT_EQ(copy->nodes().size(), 2u);
    const Node* const twin = copy->nodes()[0];
    EXPECT_NE(twin, outer);
    EXPECT_EQ(twin->id(), outer->id());
    EXPECT_EQ(twin->graph(), copy.get());
    EXPECT_EQ(twin->input(0), copy->inputs()[0]);
    EXPECT_EQ(copy->inputs()[0]->uses(), (std::vector<Use>{{copy->findNode("outer"), 0}}));
    EXPECT_EQ(copy->outputs()[0]->producer(), twin);
    EXPECT_EQ(copy->findValue("c")->constant(), constant->constant()) << "constants are shared";
    EXPECT_EQ(copy->inputs()[0]->contents()->size(), 1u);
    ASSERT_EQ(twin->regions().size(), 1u);
    EXPECT_NE(twin->regions()[0].get(), region);
    EXPECT_EQ(&twin->regions()[0]->pool(), &copy->pool());
    EXPECT_NE(&copy->pool(), &graph.pool());
    EXPECT_EQ(twin->regions()[0]->nodes()[0]->op(), "inner");
}

TEST_F(GraphTest, ConstantsWiden) {
    const int8_t packed[] = {0x7f, static_cast<int8_t>(0x80)};
    const auto fours = makeConstant(DataType::kI4, {4}, packed);
    EXPECT_EQ(fours->bytes, 2);
    EXPECT_EQ(fours->integerAt(0), -1);
    EXPECT_EQ(fours->integerAt(1), 7);
    EXPECT_EQ(fours->integerAt(2), 0);
    EXPECT_EQ(fours->integerAt(3), -8);
    const uint16_t halves[] = {0x3c00, 0xc000};
    EXPECT_EQ(makeConstant(DataType::kF16, {2}, halves)->numberAt(1), -2.0);
    EXPECT_EQ(makeConstant(DataType::kBF16, {2}, halves)->numberAt(1), -2.0);
    EXPECT_EQ(makeConstantI64({2}, {1, INT64_MIN})->integerAt(1), INT64_MIN);
    EXPECT_EQ(makeConstantF32({0, 3}, {})->elements(), 0);
    EXPECT_NE(makeConstantF32({0, 3}, {})->data, nullptr);
    const uint64_t large[] = {UINT64_MAX};
    EXPECT_EQ(makeConstant(DataType::kU64, {}, large)->numberAt(0), 18446744073709551616.0);
}

TEST_F(GraphTest, SourceSetsAreSortedAndUnique) {
    SourceSet set("b");
    set.add("a");
    set.add("b");
    SourceSet other("c");
    other.merge(set);
    other.merge(other);
    EXPECT_EQ(other.names(), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(set.joined(), "a + b");
    EXPECT_TRUE(SourceSet().empty());
}

} // namespace
} // namespace tenon::ir
