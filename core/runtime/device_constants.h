// Where the constants of a plan are, at every placement: the plan's own bytes on the host, one copy in the memory of each device that reads them.
// Used by LoadedPlan and the weight program. Knows plans, programs and devices; no kernel.
#pragma once

#include "core/runtime/device_set.h"
#include "core/runtime/loaded_program.h"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace tenon::runtime {

/// Immutable after upload; thread-safe.
class ConstantTable {
public:
    ConstantTable() = default;

    /// `host`: by constant, null for one that was left out. Reserves memory for every constant that a step of `programs` reads or writes on a
    /// device and copies those that have bytes. Done when it returns. `devices` outlives the table. `allocator`: of the primary device's memory,
    /// the device's own where it has no functions.
    static support::Result<ConstantTable> upload(const DeviceSet& devices, const plan::Plan& plan,
                                                 std::vector<const std::byte*> host,
                                                 std::span<const LoadedProgram* const> programs,
                                                 const AllocatorCallbacks& allocator);

    /// By constant; null where nothing reads it at that placement.
    std::span<const std::byte* const> at(TnPlacement placement) const {
        return mAddresses[static_cast<size_t>(placement)];
    }
    /// Bytes in the memory of devices.
    int64_t deviceBytes() const;

private:
    std::vector<std::vector<const std::byte*>> mAddresses; // by placement, then constant
    std::vector<GrowingBuffer> mMemory;                    // by device
};

} // namespace tenon::runtime
