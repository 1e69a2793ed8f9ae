// A module through the wrapper, from its file to an answer: registration, inference, proposals, kernels, shutdown.
#include "module_folder.h"

#include "core/ir/editor.h"
#include "core/ir/tensor_format.h"
#include "registry/graph_bridge.h"
#include "registry/host_guards.h"
#include "registry/target_description.h"
#include "registry/text_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry::test {
namespace {

using support::cat;
using testing::ElementsAre;
using testing::IsEmpty;

struct Blob {
    std::string runtime;
    uint32_t version = 0;
    std::vector<std::byte> bytes;
    static void set(void* context, TnString runtime, uint32_t version, const void* data, size_t size) {
        auto& self = *static_cast<Blob*>(context);
        self.runtime = toView(runtime);
        self.version = version;
        const auto* first = static_cast<const std::byte*>(data);
        self.bytes.assign(first, first + size);
    }
};

class GoodModule : public testing::Test {
protected:
    void SetUp() override {
        folder.addModule("good", "provides = provider:good, runtime:good, op:test.scale");
        registry = std::make_unique<ModuleRegistry>(optionsFor({folder.searched()}, lines));
        snapshot = registry->snapshot();
        provider = snapshot->provider("good");
        ASSERT_NE(provider, nullptr) << testing::PrintToString(lines.all());
    }

    // x: f32[N], y = scale(x, a), z = scale(y, b)
    std::unique_ptr<ir::Graph> twoScales() const {
        auto graph = std::make_unique<ir::Graph>("g");
        ir::GraphEditor editor(*graph);
        ir::Symbol symbol;
        symbol.name = "N";
        symbol.bounds = {1, 100};
        const ir::TensorType type{ir::ValueKind::kTensor, ir::DataType::kF32, true, {graph->pool().symbol(symbol)}};
        ir::Value* value = editor.addInput("x", type);
        for (const double factor : {3.0, 5.0}) {
            ir::NodeSpec spec;
            spec.op = "test.scale";
            spec.inputs = {value};
            spec.attributes.set("factor", factor);
            spec.outputTypes = {type};
            spec.source = ir::SourceSet(cat("layer", factor));
            value = editor.addNode(std::move(spec))->output(0);
        }
        editor.addOutput(value);
        return graph;
    }

    ModuleFolder folder;
    LogLines lines;
    std::unique_ptr<ModuleRegistry> registry;
    std::shared_ptr<const RegistrySnapshot> snapshot;
    const ProviderEntry* provider = nullptr;
};

TEST_F(GoodModule, RegistersEverything) {
    EXPECT_EQ(provider->version, "1.0.0 (no library)");
    EXPECT_EQ(provider->rank, 3);
    EXPECT_EQ(provider->origin.module, "good");
    EXPECT_EQ(provider->origin.opSet, uint32_t{TN_OP_SET});
    ASSERT_NE(snapshot->runtime("good", 1), nullptr);
    EXPECT_EQ(snapshot->runtime("good", 2), nullptr);
    EXPECT_NE(snapshot->ops().find("test.scale"), nullptr);
    ASSERT_NE(snapshot->parser("testformat"), nullptr);
    int network = 0;
    const TnParser& parser = snapshot->parser("testformat")->table;
    EXPECT_EQ(parser.create(parser.self, &network, nullptr), &network);
    ASSERT_NE(snapshot->importer("", "Relu", 14), nullptr);
    EXPECT_EQ(snapshot->importer("", "Relu", 14)->table.rank, 5);
    EXPECT_EQ(snapshot->importer("", "Relu", 5), nullptr);
    EXPECT_NE(snapshot->importer("acme", "Swirl", 3), nullptr);
    EXPECT_EQ(snapshot->importer("acme", "Swirl", 4), nullptr);
    EXPECT_THAT(lines.all(), testing::Contains("INFO [good] good module, 1 line"));
    EXPECT_EQ(registry->report().at(0).provides.size(), 3U);
}

TEST_F(GoodModule, IsShutDownWithTheLastSnapshot) {
    registry->shutdown();
    EXPECT_THAT(lines.warnings(), IsEmpty()) << "a snapshot still has it";
    EXPECT_EQ(registry->snapshot()->provider("good"), nullptr);
    EXPECT_NE(snapshot->provider("good"), nullptr) << "a snapshot never changes";
    snapshot.reset();
    EXPECT_THAT(lines.warnings(), ElementsAre("WARNING [good] good module leaves"));
}

TEST_F(GoodModule, RefusesWithReason) {
    ir::Graph graph("g");
    ir::GraphEditor editor(graph);
    const ir::TensorType type{ir::ValueKind::kTensor, ir::DataType::kI8, true, {graph.pool().constant(4)}};
    ir::NodeSpec spec;
    spec.op = "test.scale";
    spec.inputs = {editor.addInput("x", type)};
    spec.outputTypes = {type};
    spec.source = ir::SourceSet("layer");
    const ir::Node* node = editor.addNode(spec);
    spec.op = "test.throw";
    const ir::Node* thrower = editor.addNode(spec);

    const TargetDescription description = hostTarget(2);
    const TnTarget target = description.toTn();
    TextSink reason;
    GraphPicture picture = GraphPicture::ofNode(*node).value();
    TnTask task = picture.task();
    EXPECT_EQ(provider->table.supports(provider->table.self, &target, &task, reason.sink()), TN_UNSUPPORTED);
    EXPECT_EQ(reason.text(), "only f32, not i8");
    reason.clear();
    picture = GraphPicture::ofNode(*thrower).value();
    task = picture.task();
    EXPECT_EQ(provider->table.supports(provider->table.self, &target, &task, reason.sink()), TN_INTERNAL);
    EXPECT_EQ(reason.text(), "exception: supports went wrong");
}

TEST_F(GoodModule, ComputesThroughBlob) {
    const std::unique_ptr<ir::Graph> graph = twoScales();
    const GraphPicture picture = GraphPicture::ofNode(*graph->nodes()[0]).value();
    const TnTask task = picture.task();
    const TargetDescription description = hostTarget(1);
    const TnTarget target = description.toTn();
    TextSink reason;
    const TnTacticProvider& table = provider->table;
    ASSERT_EQ(table.supports(table.self, &target, &task, reason.sink()), TN_OK) << reason.text();

    // One tactic; its ports are only valid during `add`.
    struct Seen {
        uint64_t id = 0;
        std::string name;
        std::vector<TnPortFormat> ports;
    } seen;
    TnTacticSink sink{&seen, [](void* context, const TnTactic* tactic) {
                          auto& self = *static_cast<Seen*>(context);
                          self.id = tactic->id;
                          self.name = toView(tactic->name);
                          self.ports = {tactic->inputs[0], tactic->outputs[0]};
                      }};
    ASSERT_EQ(table.enumerate(table.self, &target, &task, &sink, reason.sink()), TN_OK);
    EXPECT_EQ(seen.name, "plain");
    EXPECT_EQ(reason.text(), "blocked: 1 dimensions are too few");

    TnTactic tactic{};
    tactic.struct_size = sizeof(tactic);
    tactic.id = seen.id;
    tactic.name = toTn(seen.name);
    tactic.inputs = &seen.ports[0];
    tactic.outputs = &seen.ports[1];
    tactic.port_stride = sizeof(TnPortFormat);
    Blob blob;
    TnBlobSink blobs{&blob, &Blob::set};
    ASSERT_EQ(table.compile(table.self, &target, &task, &tactic, nullptr, &blobs, reason.sink()), TN_OK)
        << reason.text();
    const TnCancel cancel{nullptr, [](void*) -> int32_t { return 1; }};
    EXPECT_EQ(table.compile(table.self, &target, &task, &tactic, &cancel, &blobs, nullptr), TN_CANCELLED);

    const TnKernelRuntime& runtime = snapshot->requireRuntime(blob.runtime, blob.version).value()->table;
    const TnSessionInfo info{sizeof(TnSessionInfo), TN_PLACEMENT_HOST, 1, 0, nullptr, nullptr, nullptr};
    TnSession* session = nullptr;
    TnKernel* kernel = nullptr;
    TnState* state = nullptr;
    ASSERT_EQ(runtime.session_create(runtime.self, &info, &session, reason.sink()), TN_OK);
    ASSERT_EQ(
        runtime.deserialize(runtime.self, blob.bytes.data(), blob.bytes.size(), blob.version, &kernel, reason.sink()),
        TN_OK);
    ASSERT_EQ(runtime.state_create(kernel, session, &state, reason.sink()), TN_OK);

    std::vector<float> x = {1, 2, 3, 4, 5, 6};
    std::vector<float> y(x.size());
    TnTensor tensor{};
    tensor.rank = 1;
    tensor.dims[0] = tensor.elements = 6;
    tensor.bytes = 24;
    tensor.format = ir::linearFormat(1);
    TnPrepareArgs prepare{};
    prepare.struct_size = sizeof(prepare);
    prepare.input_count = prepare.output_count = 1;
    prepare.tensor_stride = sizeof(TnTensor);
    prepare.inputs = prepare.outputs = &tensor;
    EXPECT_EQ(runtime.workspace(kernel, session, &prepare, reason.sink()), 24);
    ASSERT_EQ(runtime.prepare(state, &prepare, reason.sink()), TN_OK);
    const void* inputs[] = {x.data()};
    void* outputs[] = {y.data()};
    TnLaunchArgs launch{};
    launch.struct_size = sizeof(launch);
    launch.inputs = inputs;
    launch.outputs = outputs;
    EXPECT_EQ(runtime.launch(state, &launch), TN_OK);
    EXPECT_THAT(y, ElementsAre(3, 6, 9, 12, 15, 18));

    reason.clear();
    inputs[0] = nullptr;
    launch.reason = reason.sink();
    EXPECT_EQ(runtime.launch(state, &launch), TN_INVALID_ARGUMENT);
    EXPECT_EQ(reason.text(), "input 0 is null");

    TnKernel* damaged = nullptr;
    reason.clear();
    EXPECT_EQ(runtime.deserialize(runtime.self, blob.bytes.data(), blob.bytes.size() - 1, 1, &damaged, reason.sink()),
              TN_INVALID_ARGUMENT);
    EXPECT_EQ(reason.text(), "the kernel's bytes are damaged: it ends too early");
    EXPECT_EQ(damaged, nullptr);
    runtime.state_destroy(state);
    runtime.kernel_destroy(kernel);
    runtime.session_destroy(session);
}

TEST_F(GoodModule, InfersThroughTheBridge) {
    const std::unique_ptr<ir::Graph> graph = twoScales();
    auto outputs = ops::inferNode(snapshot->ops(), *graph->nodes()[0]);
    ASSERT_TRUE(outputs.ok()) << outputs.status().toString();
    EXPECT_EQ((*outputs)[0].type, graph->inputs()[0]->type());
    const ops::OpDef* def = snapshot->ops().find("test.scale");
    EXPECT_EQ(std::get<double>(*def->attribute("factor")->fallback), 2.0);
    EXPECT_EQ(std::get<std::vector<int64_t>>(*def->attribute("axes")->fallback), (std::vector<int64_t>{0, 1}));
    EXPECT_EQ(std::get<std::string>(*def->attribute("mode")->fallback), "plain");

    ir::GraphEditor editor(*graph);
    ir::NodeSpec spec;
    spec.op = "test.pad";
    spec.inputs = {graph->inputs()[0]};
    spec.attributes.set("multiple", int64_t{8});
    spec.outputTypes.resize(2);
    spec.source = ir::SourceSet("layer");
    const ir::Node* pad = editor.addNode(spec);
    outputs = ops::inferNode(snapshot->ops(), *pad);
    ASSERT_TRUE(outputs.ok()) << outputs.status().toString();
    const ir::ExprPool& pool = graph->pool();
    EXPECT_EQ(pool.bounds((*outputs)[0].type.dims[0]), (ir::Interval{8, 104}));
    EXPECT_EQ((*outputs)[1].type.dtype, ir::DataType::kI64);
    EXPECT_EQ(pool.bounds((*outputs)[1].type.dims[0]).max, 104) << "the count is bounded by the size";

    spec.inputs = {pad->output(1)};
    editor.setType(pad->output(1), {ir::ValueKind::kTensor, ir::DataType::kI64, true, {}});
    const support::Status wrong = ops::inferNode(snapshot->ops(), *editor.addNode(spec)).status();
    EXPECT_THAT(wrong.toString(), testing::HasSubstr("input 0 must have rank 1, has 0"));
}

TEST_F(GoodModule, ProposesBodies) {
    const std::unique_ptr<ir::Graph> graph = twoScales();
    const GraphPicture picture = GraphPicture::of(*graph).value();
    const TargetDescription description = hostTarget(1);
    const TnTarget target = description.toTn();
    struct Sink {
        const GraphPicture& picture;
        const ir::Graph& graph;
        const ops::OpRegistry& ops;
        std::vector<ImportedProposal> proposals;
    } seen{picture, *graph, snapshot->ops(), {}};
    TnProposalSink sink{&seen, [](void* context, const TnProposal* proposal) {
                            auto& self = *static_cast<Sink*>(context);
                            auto imported = importProposal(*proposal, self.picture, self.graph.poolPtr(), self.ops);
                            ASSERT_TRUE(imported.ok()) << imported.status().toString();
                            self.proposals.push_back(std::move(imported).value());
                        }};
    TextSink reason;
    ASSERT_EQ(provider->table.propose(provider->table.self, &target, &picture.graph(), &sink, reason.sink()), TN_OK);
    ASSERT_EQ(seen.proposals.size(), 1U);
    const ImportedProposal& proposal = seen.proposals[0];
    EXPECT_EQ(proposal.label, "scale_twice");
    EXPECT_THAT(proposal.nodes, ElementsAre(graph->nodes()[0], graph->nodes()[1]));
    EXPECT_THAT(proposal.inputs, ElementsAre(graph->inputs()[0]));
    EXPECT_THAT(proposal.outputs, ElementsAre(graph->outputs()[0]));
    ASSERT_EQ(proposal.body->nodes().size(), 1U);
    const ir::Node* node = proposal.body->nodes()[0];
    EXPECT_EQ(node->op(), "test.scale");
    EXPECT_EQ(node->attributes().floatOr("factor", 0), 15.0);
    EXPECT_EQ(node->output(0)->type(), graph->outputs()[0]->type());
    EXPECT_EQ(node->source().joined(), "layer3 + layer5");
}

TEST_F(GoodModule, DeferredUntilABuildNeedsIt) {
    ModuleFolder own;
    own.addModule("newer_minor", "abi = 1.7\nprovides = provider:newer_minor");
    own.addModule("good", "provides = runtime:good, provider:good");
    LogLines ownLines;
    ModuleRegistry lean(optionsFor({own.searched()}, ownLines));
    EXPECT_EQ(lean.snapshot(Purpose::kRun)->modules().size(), 1U);
    ASSERT_EQ(lean.report().size(), 2U);
    EXPECT_EQ(lean.report()[1].state, ModuleReport::State::kDeferred);
    EXPECT_EQ(lean.snapshot(Purpose::kBuild)->modules().size(), 2U);
}

TEST_F(GoodModule, StaysClosedUntilWhatItProvidesIsNeeded) {
    ModuleFolder own;
    own.addModule("newer_minor", "abi = 1.7\nprovides = provider:newer_minor");
    own.addModule("good", "provides = runtime:good, provider:good");
    LogLines ownLines;
    ModuleRegistry lean(optionsFor({own.searched()}, ownLines));
    EXPECT_THAT(lean.snapshotWith({"runtime:other", "runtime:goo", "backend:"})->modules(), IsEmpty());
    EXPECT_EQ(lean.report().size(), 2U);
    EXPECT_NE(lean.snapshotWith({"runtime:other", "runtime:good"})->module("good"), nullptr);
    EXPECT_EQ(lean.snapshotWith({})->modules().size(), 1U);
    EXPECT_EQ(lean.snapshot(Purpose::kBuild)->modules().size(), 2U);
    // What does not say is opened: it may provide anything.
    ModuleFolder silent;
    silent.addModule("good", "");
    ModuleRegistry unsure(optionsFor({silent.searched()}, ownLines));
    EXPECT_EQ(unsure.snapshotWith({})->modules().size(), 1U);
}

TEST(PlainCModule, Loads) {
    ModuleFolder folder;
    folder.addModule("plain_c");
    LogLines lines;
    ModuleRegistry registry(optionsFor({folder.searched()}, lines));
    const auto snapshot = registry.snapshot();
    EXPECT_THAT(lines.warnings(), IsEmpty());
    const ProviderEntry* provider = snapshot->provider("plain_c");
    ASSERT_NE(provider, nullptr);
    EXPECT_EQ(provider->table.propose, nullptr);
    TextSink reason;
    EXPECT_EQ(provider->table.supports(provider->table.self, nullptr, nullptr, reason.sink()), TN_UNSUPPORTED);
    EXPECT_EQ(reason.text(), "C takes nothing");
}

// Compiled against an older op set: the host refuses on its behalf what is newer, at another value than the default.
TEST(OldOpSet, MeetsANewerAttribute) {
    ModuleFolder folder;
    folder.addModule("old_op_set");
    LogLines lines;
    ModuleRegistry registry(optionsFor({folder.searched()}, lines));
    const auto snapshot = registry.snapshot();
    const ProviderEntry* provider = snapshot->provider("old_op_set");
    ASSERT_NE(provider, nullptr);

    ops::OpDef def;
    def.name = "test.newer";
    def.since = TN_OP_SET - 1;
    def.inputs = {{"x", false, ""}};
    ops::AttributeSpec spec;
    spec.name = "mode";
    spec.fallback = int64_t{0};
    spec.since = TN_OP_SET;
    def.attributes = {spec};
    const auto ops = ops::OpRegistry::withExtra({def}).value();

    ir::Graph graph("g");
    ir::GraphEditor editor(graph);
    const ir::TensorType type{ir::ValueKind::kTensor, ir::DataType::kF32, true, {graph.pool().constant(4)}};
    ir::NodeSpec node;
    node.op = "test.newer";
    node.name = "n";
    node.inputs = {editor.addInput("x", type)};
    node.outputTypes = {type};
    node.source = ir::SourceSet("layer");
    ir::Node* built = editor.addNode(node);
    PictureOptions options;
    options.ops = ops.get();

    const auto refusal = [&] {
        const GraphPicture picture = GraphPicture::ofNode(*built, options).value();
        return refuse(*provider, picture.task());
    };
    EXPECT_EQ(refusal(), std::nullopt) << "the attribute is absent";
    editor.setAttribute(built, "mode", int64_t{0});
    EXPECT_EQ(refusal(), std::nullopt) << "the attribute has its default";
    editor.setAttribute(built, "mode", int64_t{1});
    EXPECT_EQ(refusal(), cat("op 'test.newer' of node 'n' uses something of op set ", TN_OP_SET,
                             ", and module 'old_op_set' was built for op set ", TN_OP_SET - 1,
                             ": install a newer version of the module"));
}

} // namespace
} // namespace tenon::registry::test
