// The registry snapshots that the API works with, and its own entries in them (plugins).
// Used by Runtime and Builder.
#pragma once

#include "core/api/reporter.h"
#include "core/plan/plan_model.h"
#include "registry/registry_snapshot.h"

#include <memory>

namespace tenon::api {

// What running this plan needs; other modules stay closed. Modules that are skipped on the way are reported through `reporter`.
std::shared_ptr<const registry::RegistrySnapshot> snapshotForRun(const plan::Plan& plan, const Reporter& reporter);
// What the API itself brings, for all snapshots from now on: the kernel runtime of plugins.
void registerPluginRuntime(const Reporter& reporter);

} // namespace tenon::api
