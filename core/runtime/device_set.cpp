#include "core/runtime/device_set.h"

#include "core/support/text.h"
#include "registry/target_description.h"
#include "registry/text_sink.h"

namespace tenon::runtime {

using support::Code;
using support::makeError;
using support::Result;

Result<std::shared_ptr<const DeviceSet>> DeviceSet::bind(const plan::Plan& plan,
                                                         std::shared_ptr<const registry::RegistrySnapshot> snapshot,
                                                         const support::Logger& log) {
    const std::shared_ptr<DeviceSet> set(new DeviceSet);
    set->mSnapshot = std::move(snapshot);
    for (size_t i = 0; i < plan.devices.size(); ++i) {
        const plan::PlanDevice& wanted = plan.devices[i];
        const registry::BackendEntry* const backend = set->mSnapshot->backend(wanted.backend);
        if (backend == nullptr) {
            return makeError(
                Code::kEnvironment, "the plan runs on a device of backend '", wanted.backend,
                "', and no module that provides it is loaded. Install the module (tenon modules lists those "
                "present and why others were skipped), or build the plan for this machine");
        }
        auto device = registry::describeTarget(*backend, 0, static_cast<TnPlacement>(i + 1), 0);
        if (!device.ok()) {
            return device.status().withContext(
                support::cat("the plan runs on a device of backend '", wanted.backend, "'"));
        }
        if (!wanted.fingerprint.empty() && device->fingerprint != wanted.fingerprint) {
            log.info("the plan was made for another device of '", wanted.backend, "' (", wanted.fingerprint,
                     ", this is ", device->fingerprint, "): another choice of tactics may be faster here");
        }
        set->mDevices.emplace_back(*backend, 0);
    }
    return std::shared_ptr<const DeviceSet>(set);
}

AllocatorCallbacks DeviceSet::allocator(TnPlacement placement, const AllocatorCallbacks& users) const {
    const AllocatorCallbacks own = placement == TN_PLACEMENT_HOST ? AllocatorCallbacks() : at(placement).allocator();
    return placement == primary() ? users.orElse(own) : own;
}

} // namespace tenon::runtime
