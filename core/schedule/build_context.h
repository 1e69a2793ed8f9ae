// What every step of a build needs: the registry snapshot it started with, the target, the options.
// Made by build_engine; passed by reference. Read-only while a build runs.
#pragma once

#include "core/schedule/build_options.h"
#include "registry/registry_snapshot.h"

#include <memory>
#include <string>

namespace tenon::schedule {

// The device a plan is made for, as data.
struct Target {
    std::string backend = "host";
    std::string json;
    std::string fingerprint; // with the size of the thread team: it is part of every timing key
    int32_t threads = 1;

    TnTarget view() const;
};

// Describes this machine's host target. `threads` 0: all cores.
support::Result<Target> describeHostTarget(const registry::RegistrySnapshot& snapshot, int32_t threads);

struct BuildContext {
    std::shared_ptr<const registry::RegistrySnapshot> snapshot;
    Target target;
    const BuildOptions* options = nullptr;

    bool cancelled() const { return options->cancelled && options->cancelled(); }
    bool providerAllowed(std::string_view name) const;
};

} // namespace tenon::schedule
