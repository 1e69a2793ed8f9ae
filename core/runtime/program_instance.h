// A program at work in one context: current extents, kernel states, addresses.
// Used by ContextState and the weight program. Knows kernel runtime tables and addresses that others own; no binding's shape rules, no profile.
//
// The order of calls for a run: evaluate, prepare, bind (each only when something changed), then launch; for programs with fetch steps
// that for every segment in turn. Steps on devices are issued to their stream and may still run when launch returns. One thread at a time.
#pragma once

#include "core/runtime/device_constants.h"
#include "core/runtime/device_memory.h"
#include "core/runtime/device_set.h"
#include "core/runtime/kernel_set.h"
#include "core/runtime/loaded_program.h"
#include "core/runtime/step_timer.h"
#include "core/support/status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::runtime {

/// Where tensors' storage begins.
struct BaseAddresses {
    std::span<std::byte* const> arenas; // by placement
    std::span<void* const> bindings;    // by binding
    const ConstantTable* constants = nullptr;
};

/// Collects a launch's reason without allocating.
class FixedSink {
public:
    FixedSink() : mSink{this, &FixedSink::write} {}
    FixedSink(const FixedSink&) = delete;
    FixedSink& operator=(const FixedSink&) = delete;
    TnSink* sink() { return &mSink; }
    std::string_view text() const { return {mText, mSize}; }
    void clear() { mSize = 0; }

private:
    static void write(void* context, const char* text, size_t size);

    TnSink mSink;
    size_t mSize = 0;
    char mText[1024];
};

class ProgramInstance {
public:
    /// Creates the states of all steps. `program`, `sessions` and `devices` outlive the instance. `allocators`, by placement: for what it owns.
    static support::Result<std::unique_ptr<ProgramInstance>> create(const LoadedProgram& program,
                                                                    const SessionSet& sessions,
                                                                    const DeviceSet& devices,
                                                                    std::span<const AllocatorCallbacks> allocators);
    ~ProgramInstance();
    ProgramInstance(const ProgramInstance&) = delete;
    ProgramInstance& operator=(const ProgramInstance&) = delete;

    const LoadedProgram& program() const { return mProgram; }
    int32_t segmentCount() const { return static_cast<int32_t>(mProgram.segments.size()); }

    /// Values of all symbols, upper bounds for those that are not known yet. Then recomputes what depends on segment `from` and
    /// later, and checks that every tensor of known extents fits where the plan put it. Returns the expression that divided by zero, or -1.
    support::Result<plan::ExprIndex> evaluate(int32_t from, std::span<const int64_t> symbols);
    int64_t registerValue(int32_t reg) const { return mRegisters[static_cast<size_t>(reg)]; }

    /// Prepares the steps of a segment whose extents or scalars differ from the last time, and grows buffers. `prepared` counts them.
    support::Status prepare(int32_t segment);
    int64_t preparedSteps() const { return mPreparedSteps; }

    /// Computes every address. To be called when a base, a stream or, after `prepare`, a buffer moved. `streams` by placement; they and the
    /// spans live until the next bind.
    void bind(const BaseAddresses& bases, std::span<TnStream* const> streams);
    /// True when prepare moved a buffer since the last bind.
    bool buffersMoved() const { return mBuffersMoved; }

    /// Runs a segment: host steps here and now, others on their streams. No allocation, no lock, no text unless a step fails. `timer` may be
    /// null.
    support::Status launch(int32_t segment, StepTimer* timer);

    /// What a fetch brings into `symbols`, for the segment it starts. Call after the segment before it was launched and bound.
    support::Status fetch(int32_t segment, std::span<int64_t> symbols);

    const TnTensor& tensor(int32_t index) const { return mTensors[static_cast<size_t>(index)]; }
    /// Bytes of the buffers that the instance owns itself.
    int64_t ownedBytes() const;

private:
    struct Item {
        const TnKernelRuntime* table = nullptr;
        TnKernel* kernel = nullptr;
        TnSession* session = nullptr;
        TnState* state = nullptr;
        TnLaunchArgs args{};
        size_t firstInput = 0; // in mInputPointers
        size_t firstOutput = 0;
        size_t firstExtent = 0;
        bool prepared = false;
        bool empty = false;                 // nothing to compute for these extents
        const TnBackend* backend = nullptr; // of a copy that is not the host's own
        int64_t workspaceBytes = 0;
        std::vector<int64_t> key; // extents and scalars of the last prepare
    };

    ProgramInstance(const LoadedProgram& program, const DeviceSet& devices) : mProgram(program), mDevices(devices) {}

    support::Status createStates(const SessionSet& sessions);
    support::Status refreshTensor(size_t index);
    support::Status checkRoom(const ProgramTensor& info, const TnTensor& tensor) const;
    support::Status prepareStep(size_t index);
    support::Status prepareKernel(size_t index);
    support::Status checkTraits(const ProgramStep& step) const;
    void collectKey(const ProgramStep& step, std::vector<int64_t>& key) const;
    std::byte* addressOf(int32_t tensor, const BaseAddresses& bases) const;
    TnCode launchStep(size_t index, Item& item);
    void nameSteps();
    support::Status launchFailed(size_t index, TnCode code) const;
    support::Status waitFor(uint32_t placements) const;
    std::string describe(const ProgramStep& step) const;

    const LoadedProgram& mProgram;
    const DeviceSet& mDevices;
    std::vector<Item> mItems; // by step
    std::vector<TnTensor> mTensors;
    std::vector<int64_t> mRegisters;
    std::vector<int64_t> mExtents; // by symbol: what launches write
    std::vector<const void*> mInputPointers;
    std::vector<void*> mOutputPointers;
    std::vector<int64_t*> mExtentPointers;
    std::vector<GrowingBuffer> mGrowing;
    std::vector<GrowingBuffer> mWorkspaces; // by placement: for kernels that want more than the plan reserved
    bool mBuffersMoved = true;
    int64_t mPreparedSteps = 0;
    BaseAddresses mBases;
    std::span<TnStream* const> mStreams;
    const TnTrace* mTrace = nullptr;      // of the primary device
    std::vector<std::string> mTraceNames; // by step
    FixedSink mReason;
    // Reused by prepare.
    std::vector<TnTensor> mScratchTensors;
    std::vector<int64_t> mScratchScalars;
    std::vector<int64_t> mScratchKey;
};

} // namespace tenon::runtime
