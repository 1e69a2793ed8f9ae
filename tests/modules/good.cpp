// A module through the wrapper that has one of everything: computes y = x * factor, defines an op, reports its life.
#include "tenon/module/module.hpp"

#include <stdexcept>

namespace {

using namespace tenon::module;

struct ScaleBlob {
    double factor = 1;
    void write(BlobWriter& out) const { out.f64(factor); }
    void read(BlobReader& in) { factor = in.f64(); }
};

class ScaleProvider final : public Provider {
public:
    std::string name() const override { return "good"; }
    std::string version() const override { return "1.0.0 (no library)"; }
    int32_t rank() const override { return 3; }
    Code supports(const TargetView&, const TaskView& task, Reason& reason) const override {
        if (task.op() == "test.throw") {
            throw std::runtime_error("supports went wrong");
        }
        if (task.op() != "test.scale") {
            return reason.unsupported("op '", task.op(), "' is not test.scale");
        }
        return task.input(0).dtype() == TN_F32 ? Code::kOk
                                               : reason.unsupported("only f32, not ", nameOf(task.input(0).dtype()));
    }
    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason& reason) const override {
        tactics.add(linearTactic(task, 7, "plain", TN_TRAIT_DETERMINISTIC));
        reason.note("blocked: ", task.input(0).rank(), " dimensions are too few");
        return Code::kOk;
    }
    Code compile(const TargetView&, const TaskView& task, const TacticView& tactic, const Cancel& cancel,
                 BlobOutput& blob, Reason& reason) const override {
        if (tactic.id() != 7) {
            return reason.invalidArgument("there is no tactic ", tactic.id());
        }
        if (cancel.requested()) {
            return reason.cancelled("cancelled");
        }
        BlobWriter out(1);
        ScaleBlob{task.node().floatOr("factor", 2)}.write(out);
        blob.set("good", 1, out);
        return Code::kOk;
    }
    bool proposes() const override { return true; }
    // x * a * b is one scaling: a region with a body of its own.
    Code propose(const TargetView&, const GraphView& graph, ProposalList& proposals, Reason&) const override {
        const GraphIndex index(graph);
        for (size_t i = 0; i < graph.nodeCount(); ++i) {
            const NodeView second = graph.node(i);
            const int32_t first = second.op() == "test.scale" ? index.producer(second.inputIndex(0)) : -1;
            if (first < 0 || graph.node(static_cast<size_t>(first)).op() != "test.scale" ||
                !index.hasSingleUse(second.inputIndex(0))) {
                continue;
            }
            const NodeView producer = graph.node(static_cast<size_t>(first));
            OwnedGraph body;
            const int32_t x = body.addLike(producer.input(0));
            body.addInput(x);
            const int32_t y = body.addLike(second.output(0));
            body.setFloat(body.addNode("test.scale", {x}, {y}), "factor",
                          producer.floatOr("factor", 2) * second.floatOr("factor", 2));
            body.addOutput(y);
            proposals.add({"scale_twice",
                           {first, static_cast<int32_t>(i)},
                           &body,
                           {producer.inputIndex(0)},
                           {second.outputIndex(0)}});
        }
        return Code::kOk;
    }
};

class ScaleState final : public State {
public:
    explicit ScaleState(const ScaleBlob& kernel) : mFactor(static_cast<float>(kernel.factor)) {}
    Code prepare(const PrepareArgs& args, Reason& reason) override {
        if (args.input(0).dtype != TN_F32) {
            return reason.invalidArgument("f32 only");
        }
        mElements = args.input(0).elements;
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        if (args.input(0) == nullptr) {
            return args.reason().invalidArgument("input 0 is null");
        }
        const auto* from = args.input<float>(0);
        auto* to = args.output<float>(0);
        for (int64_t i = 0; i < mElements; ++i) {
            to[i] = from[i] * mFactor;
        }
        return Code::kOk;
    }

private:
    float mFactor;
    int64_t mElements = 0;
};

class ScaleKernel final : public Kernel {
public:
    explicit ScaleKernel(const ScaleBlob& kernel) : mKernel(kernel) {}
    int64_t workspace(Session&, const PrepareArgs& args, Reason&) const override { return args.input(0).bytes; }
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<ScaleState>(mKernel); }

private:
    ScaleBlob mKernel;
};

class ScaleRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "good"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, 1);
        ScaleBlob kernel;
        kernel.read(in);
        return in.finish(reason) ? std::make_unique<ScaleKernel>(kernel) : nullptr;
    }
};

class ScaleOp final : public OpDefinition {
public:
    OpSpec spec() const override {
        OpSpec spec;
        spec.name = "test.scale";
        spec.doc = "y = x * factor";
        spec.attributes = {{"factor", TN_ATTR_FLOAT, false, "2", "what to multiply with"},
                           {"axes", TN_ATTR_INTS, false, "[0, 1]", "nothing"},
                           {"mode", TN_ATTR_STRING, false, "\"plain\"", "nothing"}};
        return spec;
    }
    Code infer(const InferContext& context, Reason& reason) const override {
        if (!isFloat(context.dtype(0))) {
            return reason.invalidArgument("input 0 must be a float, is ", nameOf(context.dtype(0)));
        }
        return context.setOutputLike(0, 0);
    }
};

// Pads its one dimension up to a multiple, and has a second output whose extent only the data decides.
class PadOp final : public OpDefinition {
public:
    OpSpec spec() const override {
        OpSpec spec;
        spec.name = "test.pad";
        spec.maxOutputs = 2;
        spec.attributes = {{"multiple", TN_ATTR_INT, true, "", "of what"}};
        return spec;
    }
    Code infer(const InferContext& context, Reason& reason) const override {
        const int64_t multiple = context.intOr("multiple", 0);
        if (context.rank(0) != 1) {
            return reason.invalidArgument("input 0 must have rank 1, has ", context.rank(0));
        }
        const Expr blocks = context.ceilDiv(context.dim(0, 0), context.constant(multiple));
        const Expr size = context.prod(blocks, context.constant(multiple));
        const Code code = context.setOutput(0, context.dtype(0), {size});
        if (code != Code::kOk) {
            return code;
        }
        return context.setOutput(1, TN_I64, {context.min(context.unbacked("count"), size)});
    }
};

// Tells the log when it goes.
struct Farewell {
    explicit Farewell(const Host& to) : host(to) {}
    ~Farewell() { host.warning("good module leaves"); }
    Host host;
};

} // namespace

TENON_MODULE("good", "1.0.0")(const Host& host, Registrar& registrar, Reason&) {
    host.info("good module, ", 1, " line");
    registrar.keep(std::make_unique<Farewell>(host));
    registrar.addProvider(std::make_unique<ScaleProvider>());
    registrar.addKernelRuntime<ScaleState>(std::make_unique<ScaleRuntime>());
    registrar.addOp(std::make_unique<ScaleOp>());
    registrar.addOp(std::make_unique<PadOp>());
    // The registry only hands the pointers on.
    static int importer = 0;
    registrar.addOnnxImporter("ai.onnx", "Relu", 6, 0, 5,
                              reinterpret_cast<nvonnxparser::IOnnxNodeImporter*>(&importer));
    registrar.addOnnxImporter("acme", "Swirl", 1, 3, 0, reinterpret_cast<nvonnxparser::IOnnxNodeImporter*>(&importer));
    registrar.addParser("testformat",
                        [](void* network, void*) { return static_cast<nvonnxparser::IParser*>(network); });
    if (host.extension<TnImporterList>("tenon.importers/1") == nullptr ||
        host.extension<int>("tenon.nothing/1") != nullptr) {
        return Code::kInternal;
    }
    return Code::kOk;
}
