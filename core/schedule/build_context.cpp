#include "core/schedule/build_context.h"

#include "core/schedule/build_device.h"
#include "core/support/text.h"
#include "registry/target_description.h"
#include "registry/text_sink.h"

#include <algorithm>

namespace tenon::schedule {

TnTarget Target::view() const {
    TnTarget target{};
    target.struct_size = sizeof(target);
    target.placement = placement;
    target.backend = registry::toTn(backend);
    target.json = registry::toTn(json);
    target.fingerprint = registry::toTn(fingerprint);
    target.threads = threads;
    target.device = device;
    return target;
}

namespace {

bool deviceAllowed(const BuildOptions& options, const std::string& backend) {
    return options.devices.empty() ||
           std::find(options.devices.begin(), options.devices.end(), backend) != options.devices.end();
}

support::Result<Target> hostTarget(const registry::RegistrySnapshot& snapshot, const BuildOptions& options) {
    const registry::BackendEntry* entry = snapshot.backend("host");
    if (!entry) {
        return support::internalError("the built-in host backend is missing");
    }
    TN_ASSIGN_OR_RETURN(const registry::TargetDescription found,
                        registry::describeTarget(*entry, 0, TN_PLACEMENT_HOST, options.threads));
    Target target;
    target.json = found.json;
    target.threads = found.threads;
    target.fingerprint = support::cat(found.fingerprint, "/threads=", target.threads);
    runtime::ThreadTeamOptions team;
    team.threads = target.threads;
    TN_ASSIGN_OR_RETURN(target.team, runtime::ThreadTeam::start(team));
    return target;
}

// The first device that a backend has here; an empty backend where none has.
Target deviceTarget(const registry::RegistrySnapshot& snapshot, const BuildOptions& options, int32_t threads) {
    for (const registry::BackendEntry& entry : snapshot.backends()) {
        if (entry.name == "host" || !deviceAllowed(options, entry.name)) {
            continue;
        }
        support::Result<registry::TargetDescription> found = registry::describeTarget(entry, 0, 1, threads);
        if (!found.ok()) {
            options.log.verbose("the build does not use backend '", entry.name, "': ", found.status().message());
            continue;
        }
        support::Result<std::shared_ptr<BuildDevice>> machine =
            BuildDevice::open(entry, 0, found->json, options.deviceMemory);
        if (!machine.ok()) {
            options.log.warning("the build does not use backend '", entry.name, "': ", machine.status().message());
            continue;
        }
        Target target;
        target.placement = 1;
        target.backend = entry.name;
        target.json = found->json;
        target.fingerprint = found->fingerprint;
        target.threads = threads;
        target.machine = *machine;
        return target;
    }
    Target none;
    none.backend.clear();
    return none;
}

} // namespace

support::Result<std::vector<Target>> describeTargets(const registry::RegistrySnapshot& snapshot,
                                                     const BuildOptions& options) {
    TN_ASSIGN_OR_RETURN(Target host, hostTarget(snapshot, options));
    std::vector<Target> targets;
    targets.push_back(std::move(host));
    Target device = deviceTarget(snapshot, options, targets.front().threads);
    if (const std::optional<RecordedTarget>& recorded = options.recordedTarget) {
        if (device.machine && device.fingerprint == recorded->fingerprint) {
            options.log.info("the recorded device is here: missing times are measured");
        } else {
            device = Target();
            device.placement = 1;
            device.backend = recorded->backend;
            device.json = recorded->json;
            device.fingerprint = recorded->fingerprint;
            device.threads = targets.front().threads;
        }
    }
    if (!device.backend.empty()) {
        targets.push_back(std::move(device));
    }
    return targets;
}

bool BuildContext::providerAllowed(std::string_view name) const {
    const auto contains = [name](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    return (options->providers.empty() || contains(options->providers)) && !contains(options->forbiddenProviders);
}

} // namespace tenon::schedule
