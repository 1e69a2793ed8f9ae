// Times of the steps of a run: a clock on the host, pairs of events on devices.
// Used by ContextState and ProgramInstance while somebody profiles. Knows devices and steps' numbers; no kernel.
#pragma once

#include "core/runtime/device_set.h"
#include "core/runtime/loaded_program.h"

#include <chrono>
#include <span>
#include <vector>

namespace tenon::runtime {

/// One thread at a time. A run allocates nothing.
class StepTimer {
public:
    /// For the steps of a program; `program` and `devices` outlive the timer.
    void reset(const LoadedProgram& program, const DeviceSet& devices);
    /// Makes the events that are not there yet. To be called once before the first run that is timed.
    support::Status arm();
    /// Around the issue of a step; `streams` by placement. A device without events is waited for on both sides.
    void begin(size_t step, std::span<TnStream* const> streams);
    void end(size_t step, std::span<TnStream* const> streams);
    /// The step had nothing to do.
    void skip(size_t step) { mMilliseconds[step] = -1; }
    /// Reads the events. To be called when the devices are done.
    void finish();
    /// By step; negative where a step had nothing to do or its time is not known.
    std::span<const float> milliseconds() const { return mMilliseconds; }

private:
    using Clock = std::chrono::steady_clock;
    struct Entry {
        const Device* device = nullptr;
        TnPlacement placement = TN_PLACEMENT_HOST;
        DeviceEvent before;
        DeviceEvent after;
        bool recorded = false;
    };

    std::vector<Entry> mEntries;
    std::vector<float> mMilliseconds;
    Clock::time_point mBegin;
};

} // namespace tenon::runtime
