// Plans to files and bytes.
// Used by the scheduler's callers (API, tools). Knows the container and the metadata; runs no code of a plan.
//
// Deterministic: equal plans give equal bytes, whatever the addresses of their data. Weights are read where they lie; only metadata is built in
// memory.
#pragma once

#include "core/plan/container.h"
#include "core/plan/plan_model.h"
#include "core/support/status.h"

#include <cstddef>
#include <string>
#include <vector>

namespace tenon::plan {

/// Hands the file's bytes to `sink` in order. Fails with the sink's error, or with that of verifyPlan before any byte.
support::Status writePlan(const Plan& plan, const ByteSink& sink);

/// The file in memory.
support::Result<std::vector<std::byte>> planToBytes(const Plan& plan);

/// Replaces the file atomically: on any error the old one is untouched.
support::Status writePlanFile(const Plan& plan, const std::string& path);

/// Of the file that writePlan would write, 32 hexadecimal digits: everything but the ledger counts.
support::Result<std::string> contentHashOf(const Plan& plan);

} // namespace tenon::plan
