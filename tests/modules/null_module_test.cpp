// The template loads, refuses everything with a reason, and what it shows behind the refusal works.
#include "module_folder.h"

#include "core/ir/editor.h"
#include "registry/graph_bridge.h"
#include "registry/target_description.h"
#include "registry/text_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry::test {
namespace {

TEST(NullModule, RefusesEverythingWithAReason) {
    LogLines lines;
    ModuleRegistry registry(optionsFor({}, lines));
    const support::Status status = registry.load(TENON_TEST_NULL_MODULE);
    ASSERT_TRUE(status.ok()) << status.toString();
    const auto snapshot = registry.snapshot();
    const ProviderEntry* provider = snapshot->provider("null");
    ASSERT_NE(provider, nullptr);
    EXPECT_NE(snapshot->runtime("null", 1), nullptr);

    ir::Graph graph("g");
    ir::GraphEditor editor(graph);
    const ir::TensorType type{ir::ValueKind::kTensor, ir::DataType::kF32, true, {graph.pool().constant(4)}};
    const TargetDescription description = hostTarget(1);
    const TnTarget target = description.toTn();
    ir::Value* input = editor.addInput("x", type);
    const std::pair<const char*, const char*> cases[] = {
        {"identity", "the null backend is a template and computes nothing"},
        {"unary.exp", "op 'unary.exp' is not one of this backend's (identity)"}};
    for (const auto& [op, why] : cases) {
        ir::NodeSpec spec;
        spec.op = op;
        spec.inputs = {input};
        spec.outputTypes = {type};
        spec.source = ir::SourceSet("layer");
        const GraphPicture picture = GraphPicture::ofNode(*editor.addNode(spec)).value();
        const TnTask task = picture.task();
        TextSink reason;
        EXPECT_EQ(provider->table.supports(provider->table.self, &target, &task, reason.sink()), TN_UNSUPPORTED);
        EXPECT_EQ(reason.text(), why);
    }
}

} // namespace
} // namespace tenon::registry::test
