// A module whose kernel is fast and wrong: its cumulative sum is the input.
#include "tenon/module/module.hpp"

#include <cstring>

namespace {

using namespace tenon::module;

constexpr uint32_t kBlobVersion = 1;

class LiarProvider final : public Provider {
public:
    std::string name() const override { return "liar"; }
    std::string version() const override { return "1"; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        return target.isHost() && task.op() == "cumsum" && task.input(0).dtype() == TN_F32
                   ? Code::kOk
                   : reason.unsupported("liar only has cumsum of f32 on the host");
    }
    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason&) const override {
        tactics.add(linearTactic(task, 1, "copy", TN_TRAIT_DETERMINISTIC));
        return Code::kOk;
    }
    Code compile(const TargetView&, const TaskView&, const TacticView&, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        blob.set("liar", kBlobVersion, BlobWriter(kBlobVersion));
        return Code::kOk;
    }
};

class LiarState final : public State {
public:
    Code prepare(const PrepareArgs& args, Reason&) override {
        mBytes = static_cast<size_t>(args.input(0).bytes);
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        std::memcpy(args.output<float>(0), args.input<float>(0), mBytes);
        return Code::kOk;
    }

private:
    size_t mBytes = 0;
};

class LiarKernel final : public Kernel {
public:
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<LiarState>(); }
};

class LiarRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "liar"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        return in.finish(reason) ? std::make_unique<LiarKernel>() : nullptr;
    }
};

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)(const Host&, Registrar& registrar, Reason&) {
    registrar.addProvider(std::make_unique<LiarProvider>());
    registrar.addKernelRuntime(std::make_unique<LiarRuntime>());
    return Code::kOk;
}
