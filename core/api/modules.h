// The registry snapshots that the API works with, and its own entries in them (plugins).
// Used by Runtime and Builder.
#pragma once

#include "core/api/reporter.h"
#include "registry/registry_snapshot.h"

#include <memory>

namespace tenon::api {

// What running plans needs. Modules that are skipped on the way are reported through `reporter`.
std::shared_ptr<const registry::RegistrySnapshot> snapshotForRun(const Reporter& reporter);

} // namespace tenon::api
