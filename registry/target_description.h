// Devices as data: what a build needs to know of where a plan will run. Used by the scheduler, the runtime and the tools.
// Calls backends; opens a device only where it must be described.
#pragma once

#include "core/support/status.h"
#include "registry/registry_snapshot.h"

#include <string>

namespace tenon::registry {

/// A TnTarget with its memory. A plain value.
struct TargetDescription {
    TnPlacement placement = TN_PLACEMENT_HOST;
    std::string backend = "host";
    std::string json;
    std::string fingerprint;
    int32_t threads = 1; ///< of the stream's team: part of what timings depend on
    int32_t device = 0;

    /// Points into this object.
    TnTarget toTn() const;
};

/// Asks a backend to describe one of its devices. `threads` < 1: as many as the host backend says, which is all that this
/// process may use. kEnvironment with the backend's reason when there is no such device.
support::Result<TargetDescription> describeTarget(const BackendEntry& backend, int32_t device, TnPlacement placement,
                                                  int32_t threads);

/// The host with a team of `threads` (< 1: one thread per core that this process may use).
TargetDescription hostTarget(int32_t threads);

} // namespace tenon::registry
