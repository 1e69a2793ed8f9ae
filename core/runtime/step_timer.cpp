#include "core/runtime/step_timer.h"

namespace tenon::runtime {

void StepTimer::reset(const LoadedProgram& program, const DeviceSet& devices) {
    mEntries.clear();
    mEntries.resize(program.steps.size());
    mMilliseconds.assign(program.steps.size(), -1);
    for (size_t i = 0; i < mEntries.size(); ++i) {
        Entry& entry = mEntries[i];
        entry.placement = program.steps[i].placement;
        entry.device = entry.placement == TN_PLACEMENT_HOST ? nullptr : &devices.at(entry.placement);
    }
}

support::Status StepTimer::arm() {
    for (Entry& entry : mEntries) {
        if (entry.device != nullptr && entry.before.get() == nullptr) {
            TN_ASSIGN_OR_RETURN(entry.before, DeviceEvent::create(*entry.device));
            TN_ASSIGN_OR_RETURN(entry.after, DeviceEvent::create(*entry.device));
        }
    }
    return {};
}

void StepTimer::begin(size_t step, std::span<TnStream* const> streams) {
    Entry& entry = mEntries[step];
    if (entry.before.get() != nullptr) {
        const TnBackend& table = entry.device->table();
        entry.recorded =
            table.event_record(table.self, entry.before.get(), streams[static_cast<size_t>(entry.placement)]) == TN_OK;
        return;
    }
    if (entry.device != nullptr) {
        static_cast<void>(entry.device->synchronize(streams[static_cast<size_t>(entry.placement)]));
    }
    mBegin = Clock::now();
}

void StepTimer::end(size_t step, std::span<TnStream* const> streams) {
    Entry& entry = mEntries[step];
    if (entry.after.get() != nullptr) {
        const TnBackend& table = entry.device->table();
        entry.recorded =
            table.event_record(table.self, entry.after.get(), streams[static_cast<size_t>(entry.placement)]) == TN_OK &&
            entry.recorded;
        return;
    }
    if (entry.device != nullptr) {
        static_cast<void>(entry.device->synchronize(streams[static_cast<size_t>(entry.placement)]));
    }
    mMilliseconds[step] = std::chrono::duration<float, std::milli>(Clock::now() - mBegin).count();
}

void StepTimer::finish() {
    for (size_t i = 0; i < mEntries.size(); ++i) {
        Entry& entry = mEntries[i];
        if (!entry.recorded) {
            continue;
        }
        const TnBackend& table = entry.device->table();
        double us = 0;
        const TnCode code = table.event_elapsed_us(table.self, entry.before.get(), entry.after.get(), &us);
        mMilliseconds[i] = code == TN_OK ? static_cast<float>(us / 1000) : -1;
        entry.recorded = false;
    }
}

} // namespace tenon::runtime
