#include "backends/null/null_provider.h"

#include "backends/null/null_blob.h"

namespace tenon::null_backend {

using module::BlobOutput;
using module::BlobWriter;
using module::Cancel;
using module::Code;
using module::Reason;
using module::Tactic;
using module::TacticList;
using module::TacticView;
using module::TargetView;
using module::TaskView;

namespace {

// Stable for ever: timing caches and plans name tactics by these numbers.
enum TacticId : uint64_t { kCopy = 1 };

class NullProvider final : public module::Provider {
public:
    std::string name() const override { return "null"; }
    // With a library behind it: its version too, because another one may have other kernels and other times.
    std::string version() const override { return TENON_MODULE_VERSION; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        // A real backend refuses step by step, each time saying what it would have needed:
        if (!target.isHost()) {
            return reason.unsupported("only host memory, not ", target.backend());
        }
        if (!task.isSingleNode() || task.op() != "identity") {
            return reason.unsupported("op '", task.op(), "' is not one of this backend's (identity)");
        }
        // Take this line away and identity is computed.
        return reason.unsupported("the null backend is a template and computes nothing");
    }

    Code enumerate(const TargetView& target, const TaskView& task, TacticList& tactics, Reason&) const override {
        Tactic copy = module::linearTactic(task, kCopy, "copy",
                                           TN_TRAIT_DETERMINISTIC | TN_TRAIT_EXACT_MATH | TN_TRAIT_ANY_EXTENT,
                                           target.placement());
        copy.mayAlias = {0}; // element by element: output 0 may take over the memory of input 0
        tactics.add(copy);
        return Code::kOk;
    }

    Code compile(const TargetView&, const TaskView& task, const TacticView& tactic, const Cancel& cancel,
                 BlobOutput& blob, Reason& reason) const override {
        if (tactic.id() != kCopy) {
            return reason.invalidArgument("there is no tactic ", tactic.id());
        }
        if (cancel.requested()) { // between pieces of work that may take long
            return reason.cancelled("cancelled");
        }
        CopyBlob kernel;
        kernel.dtype = task.input(0).dtype();
        BlobWriter out(kBlobVersion);
        kernel.write(out);
        blob.set(kRuntimeName, kBlobVersion, out);
        return Code::kOk;
    }
};

} // namespace

std::unique_ptr<const module::Provider> makeNullProvider() { return std::make_unique<NullProvider>(); }

} // namespace tenon::null_backend
