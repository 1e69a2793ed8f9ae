// What every step of a build needs: the registry snapshot it started with, the targets, the options.
// Made by build_engine; passed by reference. Read-only while a build runs.
#pragma once

#include "core/runtime/thread_team.h"
#include "core/schedule/build_options.h"
#include "core/schedule/build_phases.h"
#include "registry/registry_snapshot.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

class BuildDevice;

// A device a plan is made for, as data; and the device itself, where this machine has it.
struct Target {
    TnPlacement placement = TN_PLACEMENT_HOST;
    std::string backend = "host";
    std::string json;
    std::string fingerprint; // of the host with the size of the thread team: it is part of every timing key
    int32_t threads = 1;
    int32_t device = 0;                        // number within the backend
    std::shared_ptr<BuildDevice> machine;      // null for the host, and where the target is data only
    std::shared_ptr<runtime::ThreadTeam> team; // of the host: kernels are timed and compared on it, one at a time

    TnTarget view() const;
};

// The host, then the device that the plan may use beside it: the recorded one of the options, or the first backend that has one here.
// A target's placement is its position.
support::Result<std::vector<Target>> describeTargets(const registry::RegistrySnapshot& snapshot,
                                                     const BuildOptions& options);

struct BuildContext {
    std::shared_ptr<const registry::RegistrySnapshot> snapshot;
    std::vector<Target> targets; // the host first
    const BuildOptions* options = nullptr;
    std::shared_ptr<BuildPhases> phases; // null: nobody asks where the time goes

    bool cancelled() const { return options->cancelled && options->cancelled(); }
    bool providerAllowed(std::string_view name) const;
    const Target& host() const { return targets.front(); }
    const Target& targetAt(TnPlacement placement) const { return targets[static_cast<size_t>(placement)]; }
    // Kernels of the target can be run, and so timed and verified, on this machine.
    bool canRun(TnPlacement placement) const {
        return placement == TN_PLACEMENT_HOST || targetAt(placement).machine != nullptr;
    }
};

} // namespace tenon::schedule
