// The placements of a plan on this machine: number 0 is the host, the others are devices of backends.
// Used by loaded plans and contexts. Knows plans and the registry's snapshot; no kernel, no address.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/device.h"
#include "core/support/log.h"

#include <memory>
#include <vector>

namespace tenon::runtime {

/// Immutable, shared by contexts; thread-safe. Keeps the snapshot, and so the backends, alive.
class DeviceSet {
public:
    /// Device 0 of each backend that the plan names. kEnvironment, naming backend and reason, for one that is not there or has no usable device.
    static support::Result<std::shared_ptr<const DeviceSet>>
    bind(const plan::Plan& plan, std::shared_ptr<const registry::RegistrySnapshot> snapshot,
         const support::Logger& log);

    DeviceSet(const DeviceSet&) = delete;
    DeviceSet& operator=(const DeviceSet&) = delete;

    /// Placements, the host included.
    size_t size() const { return mDevices.size() + 1; }
    bool hostOnly() const { return mDevices.empty(); }
    /// Precondition: a placement of the plan that is not the host.
    const Device& at(TnPlacement placement) const { return mDevices[static_cast<size_t>(placement) - 1]; }
    /// The placement whose memory a user gives: the first device, or the host where there is none.
    TnPlacement primary() const { return hostOnly() ? TN_PLACEMENT_HOST : 1; }
    /// Of memory at a placement: the device's; on the host what the C++ heap gives. `users`, where it has functions, stands in for it at the
    /// primary placement, with that memory's alignment.
    AllocatorCallbacks allocator(TnPlacement placement, const AllocatorCallbacks& users = {}) const;

private:
    DeviceSet() = default;

    std::shared_ptr<const registry::RegistrySnapshot> mSnapshot;
    std::vector<Device> mDevices;
};

} // namespace tenon::runtime
