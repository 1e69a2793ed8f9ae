// An execution context: one run at a time of a loaded plan, with its own shapes, addresses, memory and kernel states.
// Used by the API's IExecutionContext and by tools. Knows loaded plans; nothing of TensorRT's interfaces.
//
// Threads: one at a time per context. Several contexts of one plan run at the same time.
//
// Streams. The work of a plan without devices is done when enqueue returns. Otherwise steps on devices are put on a stream: with a stream of the
// user's, which belongs to the backend of the plan's first device, enqueue returns when all is issued, and everything is done when that stream
// is; without one, everything is done when enqueue returns. Host steps in between run on the calling thread, which then waits for what they read.
#pragma once

#include "core/runtime/context_inputs.h"
#include "core/runtime/context_streams.h"
#include "core/runtime/device_memory.h"
#include "core/runtime/kernel_set.h"
#include "core/runtime/loaded_plan.h"
#include "core/runtime/profiler_hooks.h"
#include "core/runtime/program_instance.h"
#include "core/runtime/run_recordings.h"
#include "core/runtime/step_timer.h"
#include "core/support/status.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tenon::runtime {

struct ContextOptions {
    int32_t threads =
        0; // that compute steps on the host, the calling one included; 0: as the plan has it (LoadedPlan::threads)
    std::vector<int32_t> processors; // that these threads are pinned to: see ThreadTeamOptions
    AllocatorCallbacks
        allocator; // of memory at the primary placement: the first device's, or the host's where there is none
    /// User resources by name, for kernels. May be null; valid while the context lives.
    void* resourceContext = nullptr;
    void* (*resource)(void* context, TnString name) = nullptr;
    /// False: the arena is the user's (setArena), the context allocates none.
    bool ownArena = true;
    support::Logger log = support::defaultLogger();
};

class ContextState {
public:
    /// Opens sessions, creates the kernel states of profile 0 and allocates the arena for the profile that needs most.
    static support::Result<std::unique_ptr<ContextState>> create(std::shared_ptr<const LoadedPlan> plan,
                                                                 const ContextOptions& options = {});
    ~ContextState();
    ContextState(const ContextState&) = delete;
    ContextState& operator=(const ContextState&) = delete;

    const LoadedPlan& plan() const { return *mPlan; }
    int32_t threads() const { return mTeam->threads(); }

    /// Selects a profile. Dynamic input shapes are forgotten: they must be set again. Kernel states of a profile are created when it is
    /// selected first.
    support::Status setProfile(int32_t profile);
    int32_t profile() const { return mProfile; }

    /// kInvalidArgument, naming tensor, dimension, value and what is allowed, when the profile does not have these extents; the old ones stay
    /// then.
    support::Status setInputShape(int32_t binding, std::span<const int64_t> dims);
    /// The elements of a shape input. They also serve as its contents, so that no address is needed. Alternatively bind an address:
    /// the values are then read from there at each inferShapes and enqueue. The later of the two calls holds.
    support::Status setShapeValues(int32_t binding, std::span<const int64_t> values);

    /// Extents of a binding; -1 for those of an output that depend on inputs not set yet or on data that no run has produced. The
    /// error is that of inferShapes.
    support::Result<std::vector<int64_t>> shape(int32_t binding);
    /// Bytes of a binding at its current extents, padding included; -1 while extents are not known.
    support::Result<int64_t> bytes(int32_t binding);

    /// The memory of a binding, aligned to its element type (or to what its format demands). Null unbinds.
    support::Status setAddress(int32_t binding, void* address);
    void* address(int32_t binding) const { return mAddresses[static_cast<size_t>(binding)]; }
    /// User memory in place of the context's arena at the primary placement: aligned as the placement wants, at least
    /// plan().arenaBytes(profile()).
    support::Status setArena(void* memory, int64_t bytes);

    /// Indices of inputs whose shape (or shape values) must still be set.
    std::vector<int32_t> missingInputs() const { return mInputs.missing(); }

    /// Computes all extents from the input shapes and checks them.
    support::Status inferShapes();
    /// inferShapes, then everything that kernels do ahead of a run. enqueue does it when it was not done.
    support::Status prepare();
    /// Runs; see above for streams. When nothing changed since the last run it goes straight to the kernels: no allocation, no lock, no text.
    /// `stream`: its native handle, or null.
    support::Status enqueue(void* stream);

    /// Waits until all work that runs issued is done.
    support::Status wait() { return settle(); }

    /// On: runs are recorded on the device, once per set of shapes and addresses, and replayed. kUnsupported, before any work, where the plan's
    /// program of the current profile cannot be recorded, naming the step. Of another profile that cannot, the runs are simply not recorded.
    support::Status setRecording(bool on);
    bool recording() const { return mRecordings != nullptr; }
    /// How many recorded runs are kept.
    size_t recordings() const { return mRecordings == nullptr ? 0 : mRecordings->size(); }

    /// Null members: none. Reports go out at the end of enqueue, or, with emitsProfile off, when reportToProfiler is called.
    support::Status setProfiler(const StepProfiler& profiler);
    void setEnqueueEmitsProfile(bool emits) { mEmitsProfile = emits; }
    /// False when there is no profiler or nothing was measured.
    bool reportToProfiler();

    /// Bytes that the context holds now: arena, workspace, buffers that grow.
    int64_t memoryBytes() const;
    /// How many times a step was prepared for new extents, over all profiles. For tests and statistics.
    int64_t preparedSteps() const;

private:
    explicit ContextState(std::shared_ptr<const LoadedPlan> plan, const ContextOptions& options);
    support::Status open();
    support::Status checkBinding(int32_t binding, bool input, const char* what) const;
    support::Status readShapeInputs();
    support::Status run();
    support::Status runRecorded();
    support::Status runSegment(int32_t segment);
    support::Status bindIfNeeded();
    void collectRunKey();
    // Before something that work in flight still uses is changed.
    support::Status settle();
    std::byte* arenaAt(TnPlacement placement) const {
        return placement == mPlan->devices().primary() && mUserArena != nullptr
                   ? mUserArena
                   : mArenas[static_cast<size_t>(placement)].data();
    }
    void reportTimes();
    void* addressFor(int32_t binding) const;
    ProgramInstance& instance() { return *mInstances[static_cast<size_t>(mProfile)]; }
    const plan::PlanBinding& bindingAt(int32_t binding) const {
        return mPlan->plan().bindings[static_cast<size_t>(binding)];
    }

    std::shared_ptr<const LoadedPlan> mPlan;
    ContextOptions mOptions;
    int32_t mProfile = 0;
    std::unique_ptr<ThreadTeam> mTeam; // outlives the sessions
    std::unique_ptr<SessionSet> mSessions;
    std::unique_ptr<ContextStreams> mStreams;
    std::vector<AllocatorCallbacks> mAllocators;              // by placement
    std::vector<std::unique_ptr<ProgramInstance>> mInstances; // by profile; null until selected
    std::vector<GrowingBuffer> mArenas;                       // by placement
    std::vector<std::byte*> mArenaAddresses;                  // by placement: what kernels get
    const TnTrace* mTrace = nullptr;                          // of the primary device
    std::byte* mUserArena = nullptr;
    int64_t mUserArenaBytes = 0;

    ContextInputs mInputs;
    std::vector<void*> mAddresses;      // what the user bound
    std::vector<void*> mBoundAddresses; // what kernels get: the same, or the context's copy of shape values
    std::vector<int64_t> mSymbols;
    bool mShapesDirty = true;                // input shapes changed since inferShapes
    bool mPrepareDirty = true;               // extents changed since prepare
    bool mBindDirty = true;                  // an address changed since bind
    bool mDataKnown = false;                 // a run has produced what fetch steps bring
    bool mInFlight = false;                  // work that a run issued may not be done
    std::vector<bool> mReportedZeroDivision; // by expression

    StepProfiler mProfiler;
    bool mEmitsProfile = true;
    bool mHasTimes = false;
    StepTimer mTimer;

    std::unique_ptr<RunRecordings> mRecordings; // null: off
    TnRecording* mCurrentRecording = nullptr;   // of the shapes and addresses as they are; null: to be looked up
    std::vector<int64_t> mRunKey;
};

} // namespace tenon::runtime
