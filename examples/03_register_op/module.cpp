// The module "acme": the op acme.soft_clip, y = limit * tanh(x / limit), with a reference kernel and a fast one; an importer for the ONNX op
// acme::Softer, which is that op with half the limit; and one that replaces the importer of the standard op Softsign.
#include "tenon/module/module.hpp"
#include "tenon/onnx_importer.h"

#include <cmath>

namespace {

using namespace tenon::module;

constexpr uint32_t kBlobVersion = 1;

// One definition: schema and inference.
class SoftClip final : public OpDefinition {
public:
    OpSpec spec() const override {
        OpSpec spec;
        spec.name = "acme.soft_clip";
        spec.doc = "y = limit * tanh(x / limit), element by element.";
        spec.attributes = {{"limit", TN_ATTR_FLOAT, false, "1.0", "Largest magnitude of a result.", 1}};
        return spec;
    }
    Code infer(const InferContext& context, Reason& reason) const override {
        if (context.dtype(0) != TN_F32) {
            return reason.invalidArgument("acme.soft_clip takes f32, not ", nameOf(context.dtype(0)));
        }
        if (context.floatOr("limit", 1) <= 0) {
            return reason.invalidArgument("acme.soft_clip needs a limit above zero");
        }
        return context.setOutputLike(0, 0);
    }
};

class AcmeProvider final : public Provider {
public:
    std::string name() const override { return "acme"; }
    std::string version() const override { return "1"; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        if (!target.isHost() || task.op() != "acme.soft_clip") {
            return reason.unsupported("acme computes acme.soft_clip on the host, not ", task.op());
        }
        return Code::kOk;
    }
    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason&) const override {
        tactics.add(
            linearTactic(task, 0, "in double",
                         TN_TRAIT_REFERENCE | TN_TRAIT_DETERMINISTIC | TN_TRAIT_EXACT_MATH | TN_TRAIT_ANY_EXTENT));
        tactics.add(linearTactic(task, 1, "in float", TN_TRAIT_DETERMINISTIC));
        return Code::kOk;
    }
    Code compile(const TargetView&, const TaskView& task, const TacticView& tactic, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        BlobWriter out(kBlobVersion);
        out.u64(tactic.id());
        out.f64(task.node().floatOr("limit", 1));
        blob.set("acme", kBlobVersion, out);
        return Code::kOk;
    }
};

class SoftClipState final : public State {
public:
    SoftClipState(bool fast, double limit) : mFast(fast), mLimit(limit) {}
    Code prepare(const PrepareArgs& args, Reason&) override {
        mCount = args.output(0).elements;
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        const float* x = args.input<float>(0);
        float* y = args.output<float>(0);
        const auto limit = static_cast<float>(mLimit);
        for (int64_t i = 0; i < mCount; ++i) {
            y[i] = mFast ? limit * std::tanh(x[i] / limit)
                         : static_cast<float>(mLimit * std::tanh(static_cast<double>(x[i]) / mLimit));
        }
        return Code::kOk;
    }

private:
    bool mFast;
    double mLimit;
    int64_t mCount = 0;
};

class SoftClipKernel final : public Kernel {
public:
    SoftClipKernel(bool fast, double limit) : mFast(fast), mLimit(limit) {}
    std::unique_ptr<State> makeState(Session&, Reason&) const override {
        return std::make_unique<SoftClipState>(mFast, mLimit);
    }

private:
    bool mFast;
    double mLimit;
};

class AcmeRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "acme"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        const bool fast = in.u64() == 1;
        const double limit = in.f64();
        return in.finish(reason) ? std::make_unique<SoftClipKernel>(fast, limit) : nullptr;
    }
};

bool addSoftClip(tenon::IOnnxNode& node, nvinfer1::INetworkDefinition& network, double limit) {
    nvinfer1::ITensor* x = node.getInput(0);
    const tenon::OperatorAttribute attribute = tenon::OperatorAttribute::ofFloat("limit", limit);
    tenon::IOperatorLayer* layer =
        x != nullptr ? network.addOperator("acme", "soft_clip", 1, &attribute, 1, &x, 1, 1) : nullptr;
    if (layer == nullptr) {
        node.setError("acme.soft_clip was refused");
        return false;
    }
    layer->setName(node.getName());
    node.setOutput(0, *layer->getOutput(0));
    return true;
}

class SofterImporter final : public nvonnxparser::IOnnxNodeImporter {
public:
    bool importNode(tenon::IOnnxNode& node, nvinfer1::INetworkDefinition& network) noexcept override {
        tenon::OperatorAttribute limit{};
        return addSoftClip(node, network, node.findAttribute("limit", limit) ? limit.number / 2 : 0.5);
    }
};

// Not what ONNX says: whoever overrides a standard op answers for it.
class SoftsignImporter final : public nvonnxparser::IOnnxNodeImporter {
public:
    bool importNode(tenon::IOnnxNode& node, nvinfer1::INetworkDefinition& network) noexcept override {
        return addSoftClip(node, network, 1);
    }
};

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)(const Host&, Registrar& registrar, Reason&) {
    registrar.addOp(std::make_unique<SoftClip>());
    registrar.addProvider(std::make_unique<AcmeProvider>());
    registrar.addKernelRuntime(std::make_unique<AcmeRuntime>());
    registrar.addOnnxImporter("acme", "Softer", 1, 0, 0, &registrar.keep(std::make_unique<SofterImporter>()));
    registrar.addOnnxImporter("", "Softsign", 1, 0, 10, &registrar.keep(std::make_unique<SoftsignImporter>()));
    return Code::kOk;
}
