// A module with one kernel: cumulative sums of f32 along the last axis, forward and inclusive.
// A provider says what it can do and describes its tactic; a kernel runtime runs it. Nothing of Tenon is linked.
#include "tenon/module/module.hpp"

namespace {

using namespace tenon::module;

constexpr uint32_t kBlobVersion = 1;

class CumSumProvider final : public Provider {
public:
    std::string name() const override { return "fast_cumsum"; }
    std::string version() const override { return "1"; }
    int32_t rank() const override { return 5; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        if (!target.isHost() || task.op() != "cumsum") {
            return reason.unsupported("fast_cumsum computes cumsum on the host, not ", task.op());
        }
        const NodeView node = task.node();
        const ValueView x = task.input(0);
        const int64_t axis = node.intOr("axis", 0);
        if (x.dtype() != TN_F32 || x.rank() < 1 || (axis != -1 && axis != x.rank() - 1)) {
            return reason.unsupported("fast_cumsum sums f32 along the last axis");
        }
        if (node.intOr("exclusive", 0) != 0 || node.intOr("reverse", 0) != 0) {
            return reason.unsupported("fast_cumsum sums forward and inclusively");
        }
        return Code::kOk;
    }

    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason&) const override {
        tactics.add(linearTactic(task, 1, "running sum in double", TN_TRAIT_DETERMINISTIC));
        return Code::kOk;
    }

    Code compile(const TargetView&, const TaskView&, const TacticView&, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        blob.set("fast_cumsum", kBlobVersion, BlobWriter(kBlobVersion));
        return Code::kOk;
    }
};

class CumSumState final : public State {
public:
    Code prepare(const PrepareArgs& args, Reason&) override {
        const TnTensor& x = args.input(0);
        mLength = x.dims[x.rank - 1];
        mRows = mLength > 0 ? x.elements / mLength : 0;
        return Code::kOk;
    }

    // Eight rows at a time: a running sum waits for itself, eight of them do not wait for each other.
    Code launch(const LaunchArgs& args) override {
        const float* x = args.input<float>(0);
        float* y = args.output<float>(0);
        int64_t row = 0;
        for (; row + 8 <= mRows; row += 8) {
            double sums[8] = {};
            for (int64_t i = 0; i < mLength; ++i) {
                for (int64_t r = 0; r < 8; ++r) {
                    sums[r] += static_cast<double>(x[(row + r) * mLength + i]);
                    y[(row + r) * mLength + i] = static_cast<float>(sums[r]);
                }
            }
        }
        for (; row < mRows; ++row) {
            double sum = 0;
            for (int64_t i = 0; i < mLength; ++i) {
                sum += static_cast<double>(x[row * mLength + i]);
                y[row * mLength + i] = static_cast<float>(sum);
            }
        }
        return Code::kOk;
    }

private:
    int64_t mRows = 0;
    int64_t mLength = 0;
};

class CumSumKernel final : public Kernel {
public:
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<CumSumState>(); }
};

class CumSumRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "fast_cumsum"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        return in.finish(reason) ? std::make_unique<CumSumKernel>() : nullptr;
    }
};

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)(const Host&, Registrar& registrar, Reason&) {
    registrar.addProvider(std::make_unique<CumSumProvider>());
    registrar.addKernelRuntime(std::make_unique<CumSumRuntime>());
    return Code::kOk;
}
