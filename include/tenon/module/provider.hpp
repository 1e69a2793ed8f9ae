// Tactic providers: the build side of a module, as plain classes.
// A module author derives from Provider; the registrar turns it into the C table. Knows nothing of running kernels
// (kernel.hpp) and no core header.
#pragma once

#include "tenon/module/blob.hpp"
#include "tenon/module/graph_view.hpp"
#include "tenon/module/owned_graph.hpp"

#include <memory>

namespace tenon::module {

/// One way to compute a task.
struct Tactic {
    uint64_t id = 0;  ///< stable across runs and versions of the provider; with the ports it names the tactic
    std::string name; ///< for people
    std::vector<TnPortFormat> inputs;  ///< one per task input
    std::vector<TnPortFormat> outputs; ///< one per task output
    TnTraits traits = 0;
    double estimateUs = 0;         ///< predicted at the optimal extents; <= 0: no prediction
    std::vector<int32_t> mayAlias; ///< per output: the input whose memory it may take over, or -1; empty: none
};

/// A tactic with all ports linear, in the task's own element types and the target's placement.
inline Tactic linearTactic(const TaskView& task, uint64_t id, std::string name, TnTraits traits = 0,
                           TnPlacement placement = TN_PLACEMENT_HOST) {
    Tactic tactic;
    tactic.id = id;
    tactic.name = std::move(name);
    tactic.traits = traits;
    for (int32_t i = 0; i < task.inputCount(); ++i) {
        tactic.inputs.push_back(linearPort(task.input(i).dtype(), task.input(i).rank(), placement));
    }
    for (int32_t i = 0; i < task.outputCount(); ++i) {
        tactic.outputs.push_back(linearPort(task.output(i).dtype(), task.output(i).rank(), placement));
    }
    return tactic;
}

/// Receives the tactics of one `enumerate` call.
class TacticList {
public:
    explicit TacticList(TnTacticSink* sink) noexcept : mSink(sink) {}
    /// The host copies.
    void add(const Tactic& tactic) {
        TnTactic table{};
        table.struct_size = sizeof(table);
        table.id = tactic.id;
        table.name = toTn(tactic.name);
        table.inputs = tactic.inputs.data();
        table.outputs = tactic.outputs.data();
        table.port_stride = sizeof(TnPortFormat);
        table.traits = tactic.traits;
        table.estimate_us = tactic.estimateUs;
        table.may_alias = tactic.mayAlias.size() == tactic.outputs.size() && !tactic.mayAlias.empty()
                              ? tactic.mayAlias.data()
                              : nullptr;
        mSink->add(mSink->context, &table);
    }

private:
    TnTacticSink* mSink;
};

/// The tactic to compile: one that `enumerate` gave, maybe in another process.
class TacticView {
public:
    explicit TacticView(const TnTactic* tactic) noexcept : mTactic(tactic) {}
    uint64_t id() const noexcept { return mTactic->id; }
    std::string_view name() const noexcept { return view(mTactic->name); }
    /// Precondition: a port of the task.
    const TnPortFormat& input(int32_t port) const noexcept { return at(mTactic->inputs, port); }
    const TnPortFormat& output(int32_t port) const noexcept { return at(mTactic->outputs, port); }
    TnTraits traits() const noexcept { return mTactic->traits; }
    const TnTactic& raw() const noexcept { return *mTactic; }

private:
    const TnPortFormat& at(const TnPortFormat* first, int32_t port) const noexcept {
        return StridedRange<TnPortFormat>(first, port + 1, mTactic->port_stride)[static_cast<size_t>(port)];
    }
    const TnTactic* mTactic;
};

/// A region that the provider would like to run as one.
struct Proposal {
    std::string label;
    std::vector<int32_t> nodes; ///< of the graph given to `propose`
    /// Replaces the nodes; null: the nodes verbatim, and `inputs`, `outputs` stay empty.
    OwnedGraph* body = nullptr;
    std::vector<int32_t> inputs;  ///< values of the graph that the body's inputs stand for, in order
    std::vector<int32_t> outputs; ///< the same of its outputs
};

class ProposalList {
public:
    explicit ProposalList(TnProposalSink* sink) noexcept : mSink(sink) {}
    /// The host copies.
    void add(const Proposal& proposal) {
        TnProposal table{};
        table.struct_size = sizeof(table);
        table.label = toTn(proposal.label);
        table.node_count = static_cast<int64_t>(proposal.nodes.size());
        table.nodes = proposal.nodes.data();
        table.body = proposal.body != nullptr ? &proposal.body->graph().raw() : nullptr;
        table.input_count = static_cast<int64_t>(proposal.inputs.size());
        table.inputs = proposal.inputs.data();
        table.output_count = static_cast<int64_t>(proposal.outputs.size());
        table.outputs = proposal.outputs.data();
        mSink->add(mSink->context, &table);
    }

private:
    TnProposalSink* mSink;
};

/// Asked by long calls between pieces of work.
class Cancel {
public:
    explicit Cancel(const TnCancel* cancel) noexcept : mCancel(cancel) {}
    bool requested() const noexcept {
        return mCancel != nullptr && mCancel->requested != nullptr && mCancel->requested(mCancel->context) != 0;
    }

private:
    const TnCancel* mCancel;
};

/// Where `compile` puts the kernel's bytes.
class BlobOutput {
public:
    explicit BlobOutput(TnBlobSink* sink) noexcept : mSink(sink) {}
    /// `runtime` is the name of the kernel runtime that will read them, of this module or another. The host copies.
    void set(std::string_view runtime, uint32_t blobVersion, std::span<const std::byte> bytes) {
        mSink->set(mSink->context, toTn(runtime), blobVersion, bytes.data(), bytes.size());
    }
    void set(std::string_view runtime, uint32_t blobVersion, const BlobWriter& writer) {
        set(runtime, blobVersion, writer.data());
    }

private:
    TnBlobSink* mSink;
};

/// Makes tactics for tasks on a target. Calls come from several threads at once, hence const, and must not depend on a
/// device being present. Exceptions are caught at the boundary and reported as internal errors with their text.
class Provider {
public:
    virtual ~Provider() = default;
    virtual std::string name() const = 0;
    /// The provider's and its library's: part of the timing key.
    virtual std::string version() const = 0;
    /// Breaks ties of measured time: higher wins.
    virtual int32_t rank() const { return 0; }

    /// Cheap. kOk, or `return reason.unsupported(...)`.
    virtual Code supports(const TargetView& target, const TaskView& task, Reason& reason) const = 0;
    /// Adds every tactic worth timing for a supported task; `reason.note(...)` for each that was considered and dropped.
    virtual Code enumerate(const TargetView& target, const TaskView& task, TacticList& tactics,
                           Reason& reason) const = 0;
    /// Deterministic: the same task and tactic give the same bytes. May take seconds; polls `cancel`.
    virtual Code compile(const TargetView& target, const TaskView& task, const TacticView& tactic, const Cancel& cancel,
                         BlobOutput& blob, Reason& reason) const = 0;
    /// True when `propose` is overridden: the host calls it only then.
    virtual bool proposes() const { return false; }
    /// Records regions over the whole graph; rewrites nothing.
    virtual Code propose(const TargetView&, const GraphView&, ProposalList&, Reason&) const { return Code::kOk; }
};

namespace detail {

/// The C table of a Provider, and what its strings point to.
class ProviderTable {
public:
    explicit ProviderTable(std::unique_ptr<const Provider> provider)
        : mProvider(std::move(provider)), mName(mProvider->name()), mVersion(mProvider->version()) {
        mTable.struct_size = sizeof(mTable);
        mTable.name = toTn(mName);
        mTable.version = toTn(mVersion);
        mTable.rank = mProvider->rank();
        mTable.self = const_cast<Provider*>(mProvider.get());
        mTable.supports = [](void* self, const TnTarget* target, const TnTask* task, TnSink* sink) -> TnCode {
            return guarded(
                sink, [&](Reason& reason) { return of(self).supports(TargetView(target), TaskView(task), reason); });
        };
        mTable.enumerate = [](void* self, const TnTarget* target, const TnTask* task, TnTacticSink* out,
                              TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                TacticList tactics(out);
                return of(self).enumerate(TargetView(target), TaskView(task), tactics, reason);
            });
        };
        mTable.compile = [](void* self, const TnTarget* target, const TnTask* task, const TnTactic* tactic,
                            const TnCancel* cancel, TnBlobSink* out, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                BlobOutput blob(out);
                return of(self).compile(TargetView(target), TaskView(task), TacticView(tactic), Cancel(cancel), blob,
                                        reason);
            });
        };
        if (mProvider->proposes()) {
            mTable.propose = [](void* self, const TnTarget* target, const TnGraph* graph, TnProposalSink* out,
                                TnSink* sink) -> TnCode {
                return guarded(sink, [&](Reason& reason) {
                    ProposalList proposals(out);
                    return of(self).propose(TargetView(target), GraphView(graph), proposals, reason);
                });
            };
        }
    }
    const TnTacticProvider& table() const noexcept { return mTable; }

private:
    static const Provider& of(void* self) noexcept { return *static_cast<const Provider*>(self); }

    std::unique_ptr<const Provider> mProvider;
    std::string mName;
    std::string mVersion;
    TnTacticProvider mTable{};
};
} // namespace detail

} // namespace tenon::module
