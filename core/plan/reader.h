// Files and bytes to plans.
// Used by the runtime's callers (API, tools). Survives any bytes: checks the header, every bound and every hash before it decodes, then the
// FlatBuffer, then the rules of verify.h. Runs no code of a plan and looks for no module.
#pragma once

#include "core/plan/container.h"
#include "core/plan/plan_model.h"
#include "core/support/status.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace tenon::plan {

struct ReadOptions {
    /// False: the hash of the weights is not computed, so that a large plan opens without being read once. Everything else is still checked.
    bool checkWeights = true;
};

/// `file` must start at a multiple of 64 and stay valid while `owner` lives: constants point into it. With a null owner, or elsewhere, the
/// weights are copied and `file` is needed during the call only.
/// kInvalidFile with what is wrong: no plan, another format version and who wrote it, truncated, or which section is damaged.
support::Result<Plan> readPlan(std::span<const std::byte> file, std::shared_ptr<const void> owner = nullptr,
                               const ReadOptions& options = {});

/// Maps the file; constants point into the mapping.
support::Result<Plan> readPlanFile(const std::string& path, const ReadOptions& options = {});

} // namespace tenon::plan
