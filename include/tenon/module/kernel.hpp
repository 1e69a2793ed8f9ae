// Kernel runtimes: the run side of a module, as plain classes.
// A module author derives from KernelRuntime, Kernel and State (and Session where contexts need something of their own);
// the registrar turns them into the C table. Knows nothing of choosing tactics (provider.hpp) and no core header.
//
// Lifetimes. A Kernel comes from bytes, is immutable and shared by contexts and threads. A Session belongs to one context.
// A State belongs to one kernel and session, is rewritten by `prepare` when shapes change, and is what `launch` runs: it
// allocates nothing, locks nothing, and waits for nothing on an asynchronous device. Sessions outlive their states, kernels
// outlive their states.
#pragma once

#include "tenon/module/blob.hpp"
#include "tenon/module/graph_view.hpp"

#include <memory>

namespace tenon::module {

/// A context: placement, threads, the user's resources.
class SessionInfo {
public:
    explicit SessionInfo(const TnSessionInfo* info) noexcept : mInfo(info) {}
    TnPlacement placement() const noexcept { return mInfo->placement; }
    /// Number within the placement's backend.
    int32_t device() const noexcept { return mInfo->device; }
    /// Size of the stream's thread team, >= 1.
    int32_t threads() const noexcept { return mInfo->threads; }
    /// Null off the host. Valid while the session lives.
    const TnThreadTeam* team() const noexcept { return mInfo->team; }
    /// "allocator", "nccl.communicator"; null where there is none. Valid while the session lives.
    void* resource(std::string_view name) const noexcept {
        return mInfo->resource != nullptr ? mInfo->resource(mInfo->context, toTn(name)) : nullptr;
    }

private:
    const TnSessionInfo* mInfo;
};

/// Shapes and formats that a kernel is prepared for. Valid during the call: a state keeps what it needs.
class PrepareArgs {
public:
    explicit PrepareArgs(const TnPrepareArgs* args) noexcept : mArgs(args) {}
    int32_t inputCount() const noexcept { return static_cast<int32_t>(mArgs->input_count); }
    int32_t outputCount() const noexcept { return static_cast<int32_t>(mArgs->output_count); }
    /// One per port of the task. Precondition: inside the count.
    const TnTensor& input(int32_t i) const noexcept { return inputs()[static_cast<size_t>(i)]; }
    const TnTensor& output(int32_t i) const noexcept { return outputs()[static_cast<size_t>(i)]; }
    StridedRange<TnTensor> inputs() const noexcept { return {mArgs->inputs, mArgs->input_count, mArgs->tensor_stride}; }
    StridedRange<TnTensor> outputs() const noexcept {
        return {mArgs->outputs, mArgs->output_count, mArgs->tensor_stride};
    }
    /// All entries of all run-time integer attributes of the body: see DimsAttribute::value.
    std::span<const int64_t> scalars() const noexcept {
        return {mArgs->scalars, static_cast<size_t>(mArgs->scalar_count)};
    }

private:
    const TnPrepareArgs* mArgs;
};

/// Addresses and stream of one launch.
class LaunchArgs {
public:
    explicit LaunchArgs(const TnLaunchArgs* args) noexcept : mArgs(args) {}
    /// Null: an optional input left out.
    template <class T = void>
    const T* input(int32_t i) const noexcept {
        return static_cast<const T*>(mArgs->inputs[i]);
    }
    template <class T = void>
    T* output(int32_t i) const noexcept {
        return static_cast<T*>(mArgs->outputs[i]);
    }
    const void* const* inputs() const noexcept { return mArgs->inputs; }
    void* const* outputs() const noexcept { return mArgs->outputs; }
    /// As many bytes as `workspace` said for the prepared shapes; 64-aligned.
    void* workspace() const noexcept { return mArgs->workspace; }
    TnStream* stream() const noexcept { return mArgs->stream; }
    /// Where to write the i-th extent that only the data decides, in the kernel's placement.
    int64_t* extent(int32_t i) const noexcept { return mArgs->extents[i]; }
    /// Where to say why a launch fails.
    Reason reason() const noexcept { return Reason(TN_HAS_MEMBER(mArgs, reason) ? mArgs->reason : nullptr); }
    const TnLaunchArgs& raw() const noexcept { return *mArgs; }

private:
    const TnLaunchArgs* mArgs;
};

/// Per context and runtime: library handles, scratch. Derive where a runtime needs any.
class Session {
public:
    virtual ~Session() = default;
};

/// A kernel prepared for shapes. One thread at a time.
class State {
public:
    virtual ~State() = default;
    /// All lazy work. Called before the first launch and when shapes change.
    virtual Code prepare(const PrepareArgs& args, Reason& reason) = 0;
    virtual Code launch(const LaunchArgs& args) = 0;
};

/// A compiled kernel. Immutable: all calls are const and come from several threads.
class Kernel {
public:
    virtual ~Kernel() = default;
    /// Scratch bytes for these shapes; must not fall when an extent rises. Negative: an error, explained in `reason`.
    virtual int64_t workspace(Session& /*session*/, const PrepareArgs& /*args*/, Reason& /*reason*/) const { return 0; }
    /// Null with a reason on failure.
    virtual std::unique_ptr<State> makeState(Session& session, Reason& reason) const = 0;
};

/// Reads kernels and runs them. One object per module; calls come from several threads.
class KernelRuntime {
public:
    virtual ~KernelRuntime() = default;
    /// Named by blobs and plan steps.
    virtual std::string name() const = 0;
    /// The blob versions it reads.
    virtual uint32_t blobMin() const { return 1; }
    virtual uint32_t blobMax() const { return 1; }
    /// Null with a reason on failure.
    virtual std::unique_ptr<Session> openSession(const SessionInfo&, Reason&) { return std::make_unique<Session>(); }
    /// Must survive any bytes: use BlobReader. Null with a reason on failure.
    virtual std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t blobVersion,
                                                Reason& reason) = 0;
};

namespace detail {

/// The C table of a KernelRuntime. States of a runtime whose `makeState` always returns one final class can name it as
/// StateType: launch is then a direct call.
template <class StateType = State>
class KernelRuntimeTable {
public:
    explicit KernelRuntimeTable(std::unique_ptr<KernelRuntime> runtime)
        : mRuntime(std::move(runtime)), mName(mRuntime->name()) {
        mTable.struct_size = sizeof(mTable);
        mTable.blob_min = mRuntime->blobMin();
        mTable.blob_max = mRuntime->blobMax();
        mTable.name = toTn(mName);
        mTable.self = mRuntime.get();
        mTable.session_create = [](void* self, const TnSessionInfo* info, TnSession** out, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                return give(static_cast<KernelRuntime*>(self)->openSession(SessionInfo(info), reason), reason, out);
            });
        };
        mTable.session_destroy = [](TnSession* session) { destroy(reinterpret_cast<Session*>(session)); };
        mTable.deserialize = [](void* self, const void* blob, size_t size, uint32_t version, TnKernel** out,
                                TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                const std::span<const std::byte> bytes(static_cast<const std::byte*>(blob), size);
                return give(static_cast<KernelRuntime*>(self)->deserialize(bytes, version, reason), reason, out);
            });
        };
        mTable.kernel_destroy = [](TnKernel* kernel) { destroy(reinterpret_cast<Kernel*>(kernel)); };
        mTable.state_create = [](TnKernel* kernel, TnSession* session, TnState** out, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                std::unique_ptr<State> state =
                    reinterpret_cast<const Kernel*>(kernel)->makeState(*reinterpret_cast<Session*>(session), reason);
                // The table's TnState is a StateType, so that launch needs no cast through the base.
                return give(std::unique_ptr<StateType>(static_cast<StateType*>(state.release())), reason, out);
            });
        };
        mTable.state_destroy = [](TnState* state) { destroy(reinterpret_cast<StateType*>(state)); };
        mTable.workspace = [](TnKernel* kernel, TnSession* session, const TnPrepareArgs* args,
                              TnSink* sink) -> int64_t {
            int64_t bytes = -1;
            const TnCode code = guarded(sink, [&](Reason& reason) {
                bytes = reinterpret_cast<const Kernel*>(kernel)->workspace(*reinterpret_cast<Session*>(session),
                                                                           PrepareArgs(args), reason);
                return Code::kOk;
            });
            return code == TN_OK ? bytes : -1;
        };
        mTable.prepare = [](TnState* state, const TnPrepareArgs* args, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                return reinterpret_cast<StateType*>(state)->prepare(PrepareArgs(args), reason);
            });
        };
        mTable.launch = [](TnState* state, const TnLaunchArgs* args) -> TnCode {
            return guarded(sinkOf(args),
                           [&](Reason&) { return reinterpret_cast<StateType*>(state)->launch(LaunchArgs(args)); });
        };
    }
    const TnKernelRuntime& table() const noexcept { return mTable; }

private:
    static TnSink* sinkOf(const TnLaunchArgs* args) noexcept {
        return TN_HAS_MEMBER(args, reason) ? args->reason : nullptr;
    }
    template <class Object, class Handle>
    static Code give(std::unique_ptr<Object> object, const Reason& reason, Handle** out) noexcept {
        if (object == nullptr) {
            return reason.code() == Code::kOk ? Code::kInternal : reason.code();
        }
        *out = reinterpret_cast<Handle*>(object.release());
        return Code::kOk;
    }
    template <class Object>
    static void destroy(Object* object) noexcept {
        delete object;
    }

    std::unique_ptr<KernelRuntime> mRuntime;
    std::string mName;
    TnKernelRuntime mTable{};
};
} // namespace detail

} // namespace tenon::module
