#include "core/passes/pipeline.h"

#include "core/ir/editor.h"
#include "core/ir/parser.h"
#include "core/ir/printer.h"
#include "core/ir/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace tenon::passes {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<ir::Graph> parsed(const std::string& text) {
    auto graph = ir::parseGraph(text);
    EXPECT_TRUE(graph.ok()) << graph.status().toString();
    EXPECT_TRUE(ops::inferGraph(ops::OpRegistry::builtin(), **graph).ok());
    return std::move(graph).value();
}

// Negates, and refuses everything else.
class Negator final : public Evaluator {
public:
    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node) override {
        ++calls;
        if (node.op() != "unary.neg") {
            return support::unsupported("only unary.neg");
        }
        const ir::ConstantPtr x = node.input(0)->constant();
        std::vector<float> values;
        for (int64_t i = 0; i < x->elements(); ++i) {
            values.push_back(-static_cast<float>(x->numberAt(i)));
        }
        if (wrongType) {
            return std::vector<ir::ConstantPtr>{ir::makeConstantF32({1}, {0})};
        }
        return std::vector<ir::ConstantPtr>{ir::makeConstantF32(x->dims, values)};
    }
    int calls = 0;
    bool wrongType = false;
};

TEST(PassManagerTest, PassesHaveNames) {
    std::set<std::string_view> names;
    for (const Pass& pass : allPasses()) {
        EXPECT_TRUE(names.insert(pass.name).second) << pass.name;
        EXPECT_EQ(findPass(pass.name), &pass);
        EXPECT_FALSE(pass.doc.empty());
    }
    EXPECT_EQ(findPass("no_such_pass"), nullptr);
}

TEST(PassManagerTest, ABrokenGraphIsNoticedAfterThePass) {
    const auto graph =
        parsed("graph @g(%x: f32[2]) { %a = unary.exp(%x) : f32[2] %y = unary.neg(%a) : f32[2] return %y }");
    PassContext context{*graph, ops::OpRegistry::builtin()};
    const Pass breaks{"breaks", "", [](PassContext& c) -> support::Result<bool> {
                          ir::TensorType type = c.graph.findValue("a")->type();
                          type.dtype = ir::DataType::kI32;
                          ir::GraphEditor(c.graph).setType(c.graph.findValue("a"), type);
                          return true;
                      }};
    const auto result = runPass(context, breaks, Verify::kAfterEach);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.status().toString(), HasSubstr("after pass breaks"));
    EXPECT_THAT(result.status().toString(), HasSubstr("'a'"));
    const Pass fails{"fails", "",
                     [](PassContext&) -> support::Result<bool> { return support::internalError("broken"); }};
    EXPECT_THAT(runPass(context, fails, Verify::kAfterEach).status().toString(), HasSubstr("in pass fails"));
}

TEST(PipelineTest, WeightsKeepWhatConstantsComeFrom) {
    const auto graph = parsed(R"(graph @g(%x: f32[2]) {
        %w = const f32[2] [1, 2] weights("w")
        %a = unary.neg(%w) : f32[2]
        %b = unary.neg(%a) : f32[2]
        %unused = unary.neg(%a) : f32[2]
        %y = binary.add(%x, %b) : f32[2]
        %z = binary.mul(%y, %a) : f32[2]
        return %z })");
    ir::Graph weights("weights", graph->poolPtr());
    Negator evaluator;
    PassContext context{*graph, ops::OpRegistry::builtin(), &weights, &evaluator};
    ASSERT_TRUE(runPipeline(context, Verify::kAfterEach).ok());
    EXPECT_EQ(ir::print(*graph), R"(graph @g(%x: f32[2]) {
  %a = const f32[2] [-1, -2] from("a", "w")
  %b = const f32[2] [1, 2] from("a", "b", "w")
  %y = binary.add(%x, %b) : f32[2]
  %z = binary.mul(%y, %a) : f32[2]
  return %z
}
)");
    // The copy of %a has its name, what nobody uses is gone.
    EXPECT_EQ(ir::print(weights), R"(graph @weights() {
  %w = const f32[2] [1, 2] weights("w")
  %a = unary.neg(%w) : f32[2]
  %b = unary.neg(%a) : f32[2]
  return %a, %b
}
)");
    EXPECT_TRUE(ir::verify(weights).ok());
}

TEST(PipelineTest, NamesOfTheWeightGraphNeverMeanOtherValuesOfTheGraph) {
    const auto graph = parsed(R"(graph @g(%x: f32[2]) {
        %w = const f32[2] [1, 2] weights("w")
        %a = unary.neg(%w) : f32[2]
        %y = binary.add(%x, %a) : f32[2]
        return %y })");
    ir::Graph weights("weights", graph->poolPtr());
    Negator evaluator;
    PassContext context{*graph, ops::OpRegistry::builtin(), &weights, &evaluator};
    ASSERT_TRUE(runPass(context, *findPass("constant_fold"), Verify::kAfterEach).ok());
    {
        // The name of the source, which is gone from the graph, is taken by something else.
        ir::GraphEditor editor(*graph);
        editor.renameValue(graph->findValue("y"), "w");
    }
    ASSERT_TRUE(runPipeline(context, Verify::kAfterEach).ok());
    EXPECT_EQ(weights.findValue("w"), nullptr);
    EXPECT_NE(weights.findValue("w.source"), nullptr);
    EXPECT_NE(weights.findValue("a"), nullptr);
}

TEST(PipelineTest, WhatCannotBeEvaluatedStays) {
    const char* const text = R"(graph @g() {
        %w = const f32[2] [1.5, 2] weights("w")
        %a = unary.exp(%w) : f32[2]
        %b = unary.neg(%w) : f32[2]
        return %a, %b })";
    auto graph = parsed(text);
    Negator evaluator;
    PassContext context{*graph, ops::OpRegistry::builtin(), nullptr, &evaluator};
    ASSERT_TRUE(runPipeline(context, Verify::kAfterEach).ok());
    EXPECT_EQ(graph->outputs()[0]->producer()->op(), "unary.exp");
    EXPECT_EQ(graph->outputs()[1]->producer()->op(), "const");

    // A kernel that disagrees with inference is not believed.
    graph = parsed(text);
    evaluator.wrongType = true;
    PassContext again{*graph, ops::OpRegistry::builtin(), nullptr, &evaluator};
    ASSERT_TRUE(runPipeline(again, Verify::kAfterEach).ok());
    EXPECT_EQ(graph->outputs()[1]->producer()->op(), "unary.neg");
}

TEST(PipelineTest, TwoRunsGiveTheSameText) {
    const char* const text = R"(graph @g(%x: f32[N,2,3]) {
        %w = const f32[3,2] [1, 2, 3, 4, 5, 6] weights("w")
        %n = unary.neg(%w) : f32[3,2]
        %a = transpose(%x) {perm=[0, 2, 1]} : f32[N,3,2]
        %b = binary.add(%a, %n) : f32[N,3,2]
        %c = binary.mul(%b, %b) : f32[N,3,2]
        %d = transpose(%c) {perm=[0, 2, 1]} : f32[N,2,3]
        %e = flatten(%d) : f32[N,6]
        return %e })";
    std::string first;
    for (int run = 0; run < 2; ++run) {
        const auto graph = parsed(text);
        Negator evaluator;
        PassContext context{*graph, ops::OpRegistry::builtin(), nullptr, &evaluator};
        ASSERT_TRUE(runPipeline(context, Verify::kAfterEach).ok());
        const std::string printed = ir::print(*graph);
        EXPECT_TRUE(run == 0 || printed == first);
        first = printed;
    }
}

TEST(PipelineTest, WithoutEvaluatorNothingNewIsComputedAtRunTime) {
    const auto graph = parsed(R"(graph @g(%x: f32[N,2,3]) {
        %s = const f32[2] [1, 2]
        %c = const f32[] [3]
        %n = batch_norm(%x, %s, %s, %s, %s) : f32[N,2,3]
        %y = binary.sub(%n, %c) : f32[N,2,3]
        return %y })");
    PassContext context{*graph, ops::OpRegistry::builtin()};
    ASSERT_TRUE(runPipeline(context, Verify::kAfterEach).ok());
    std::vector<std::string> names;
    for (const ir::Node* node : graph->nodes()) {
        if (node->op() != "const") {
            names.push_back(node->op());
        }
    }
    EXPECT_EQ(names, (std::vector<std::string>{"batch_norm", "binary.sub"}));
}

} // namespace
} // namespace tenon::passes
