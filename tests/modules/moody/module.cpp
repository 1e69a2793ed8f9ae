// A module whose kernels take a given time: a negation 300 us, the same with the absolute value of it 302. But the machine is "busy", and the second one takes three
// times as long, whenever it is launched again and again by itself; with MOODY_STAYS it takes that always.
#include "tenon/module/module.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace {

using namespace tenon::module;

constexpr uint32_t kBlobVersion = 1;

class Machine {
public:
    int64_t usOfNegation() {
        mIsBusy = false;
        return 300;
    }
    int64_t usOfBoth() {
        const bool isBusy = std::exchange(mIsBusy, true) || std::getenv("MOODY_STAYS") != nullptr;
        return isBusy ? 906 : 302;
    }

private:
    bool mIsBusy = false;
};

Machine& machine() {
    static Machine one;
    return one;
}

bool isBoth(const GraphView& graph, size_t negation) {
    return negation + 1 < graph.nodeCount() && graph.node(negation + 1).op() == "unary.abs" &&
           graph.node(negation + 1).inputIndex(0) == graph.node(negation).outputIndex(0);
}

class MoodyProvider final : public Provider {
public:
    std::string name() const override { return "moody"; }
    std::string version() const override { return "1"; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        const bool knows = task.op() == "unary.neg" || (task.body().nodeCount() == 2 && isBoth(task.body(), 0));
        return target.isHost() && knows ? Code::kOk : reason.unsupported("moody only negates");
    }
    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason&) const override {
        tactics.add(linearTactic(task, 1, "wait", TN_TRAIT_DETERMINISTIC));
        return Code::kOk;
    }
    Code compile(const TargetView&, const TaskView& task, const TacticView&, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        BlobWriter out(kBlobVersion);
        out.boolean(!task.isSingleNode());
        blob.set("moody", kBlobVersion, out);
        return Code::kOk;
    }
    bool proposes() const override { return true; }
    Code propose(const TargetView&, const GraphView& graph, ProposalList& proposals, Reason&) const override {
        for (size_t i = 0; i < graph.nodeCount(); ++i) {
            if (graph.node(i).op() == "unary.neg" && isBoth(graph, i)) {
                proposals.add({"negation and absolute value",
                               {static_cast<int32_t>(i), static_cast<int32_t>(i + 1)},
                               nullptr,
                               {},
                               {}});
            }
        }
        return Code::kOk;
    }
};

class MoodyState final : public State {
public:
    explicit MoodyState(bool both) : mBoth(both) {}
    Code prepare(const PrepareArgs& args, Reason&) override {
        mCount = args.input(0).elements;
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        using Clock = std::chrono::steady_clock;
        const Clock::time_point end =
            Clock::now() + std::chrono::microseconds(mBoth ? machine().usOfBoth() : machine().usOfNegation());
        const float* from = args.input<float>(0);
        float* to = args.output<float>(0);
        for (int64_t i = 0; i < mCount; ++i) {
            to[i] = mBoth ? std::fabs(from[i]) : -from[i];
        }
        while (Clock::now() < end) {
        }
        return Code::kOk;
    }

private:
    bool mBoth;
    int64_t mCount = 0;
};

class MoodyKernel final : public Kernel {
public:
    explicit MoodyKernel(bool both) : mBoth(both) {}
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<MoodyState>(mBoth); }

private:
    bool mBoth;
};

class MoodyRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "moody"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        const bool both = in.boolean();
        return in.finish(reason) ? std::make_unique<MoodyKernel>(both) : nullptr;
    }
};

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)(const Host&, Registrar& registrar, Reason&) {
    registrar.addProvider(std::make_unique<MoodyProvider>());
    registrar.addKernelRuntime(std::make_unique<MoodyRuntime>());
    return Code::kOk;
}
