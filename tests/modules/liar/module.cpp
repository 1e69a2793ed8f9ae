// A module whose kernels are fast and wrong: its cumulative sum is the input, its conversions of layouts do nothing. It also says that negative
// numbers are what they are the negatives of, and that sums down columns are what is summed.
// With LIAR_ROWS its cumulative sum (of the last axis) is wrong for so many rows only; with LIAR_REFUSES it takes any number of rows but that one.
#include "tenon/module/module.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace tenon::module;

constexpr uint32_t kBlobVersion = 1;

class LiarProvider final : public Provider {
public:
    std::string name() const override { return "liar"; }
    std::string version() const override { return "1"; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        const bool knows = task.op() == "cumsum" || task.op() == "convert";
        return target.isHost() && knows && task.input(0).dtype() == TN_F32
                   ? Code::kOk
                   : reason.unsupported("liar only has cumsum and conversions of f32 on the host");
    }
    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason& reason) const override {
        Tactic tactic = linearTactic(task, 1, "copy", TN_TRAIT_DETERMINISTIC);
        if (task.op() == "convert") {
            tactic.name = "nothing";
            tactic.inputs = {task.offered(0)[0]};
            tactic.outputs = {*task.convertTo()};
            if (isOpaque(tactic.inputs[0].format) || isOpaque(tactic.outputs[0].format)) {
                return reason.unsupported("liar knows no opaque layouts");
            }
        }
        tactics.add(tactic);
        return Code::kOk;
    }
    Code compile(const TargetView&, const TaskView& task, const TacticView&, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        BlobWriter out(kBlobVersion);
        out.boolean(task.op() == "cumsum");
        blob.set("liar", kBlobVersion, out);
        return Code::kOk;
    }
    bool proposes() const override { return true; }
    Code propose(const TargetView&, const GraphView& graph, ProposalList& proposals, Reason&) const override {
        for (size_t i = 0; i < graph.nodeCount(); ++i) {
            const NodeView node = graph.node(i);
            const bool isColumns = node.op() == "cumsum" && node.intOr("axis", 0) == 0; // right for one row
            if (node.op() != "unary.neg" && !isColumns) {
                continue;
            }
            OwnedGraph body;
            const int32_t x = body.addLike(node.input(0));
            body.addInput(x);
            const int32_t y = body.addLike(node.output(0));
            body.addNode("identity", {x}, {y});
            body.addOutput(y);
            proposals.add({isColumns ? "one row" : "positive",
                           {static_cast<int32_t>(i)},
                           &body,
                           {node.inputIndex(0)},
                           {node.outputIndex(0)}});
        }
        return Code::kOk;
    }
};

bool isNamed(const char* variable, int64_t rows) {
    const char* named = std::getenv(variable);
    return named != nullptr && std::atoll(named) == rows;
}

class LiarState final : public State {
public:
    explicit LiarState(bool copies) : mCopies(copies) {}
    Code prepare(const PrepareArgs& args, Reason& reason) override {
        const TnTensor& input = args.input(0);
        mCount = input.elements;
        mRow = input.rank > 0 ? input.dims[input.rank - 1] : 1;
        const int64_t rows = mRow > 0 ? mCount / mRow : 0;
        mSums = std::getenv("LIAR_ROWS") != nullptr && !isNamed("LIAR_ROWS", rows);
        return mCopies && isNamed("LIAR_REFUSES", rows) ? reason.unsupported("liar does not like this number of rows")
                                                        : Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        const float* from = args.input<float>(0);
        float* to = args.output<float>(0);
        if (mCopies) {
            std::copy_n(from, mCount, to); // far ahead of any sum, on a busy machine as well
        }
        for (int64_t i = 0; mCopies && mSums && i < mCount; ++i) {
            to[i] += i % mRow != 0 ? to[i - 1] : 0;
        }
        return Code::kOk;
    }

private:
    bool mCopies;
    bool mSums = false;
    int64_t mCount = 0;
    int64_t mRow = 1;
};

class LiarKernel final : public Kernel {
public:
    explicit LiarKernel(bool copies) : mCopies(copies) {}
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<LiarState>(mCopies); }

private:
    bool mCopies;
};

class LiarRuntime final : public KernelRuntime {
public:
    std::string name() const override { return "liar"; }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        const bool copies = in.boolean();
        return in.finish(reason) ? std::make_unique<LiarKernel>(copies) : nullptr;
    }
};

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)(const Host&, Registrar& registrar, Reason&) {
    registrar.addProvider(std::make_unique<LiarProvider>());
    registrar.addKernelRuntime(std::make_unique<LiarRuntime>());
    return Code::kOk;
}
