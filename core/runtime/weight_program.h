// Running a plan's weight program: derived constants (folded, cast, packed) from source constants.
// Used by tests, which compare with the stored bytes, and by whatever replaces source constants. Knows plans and kernels; no context.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/device_memory.h"
#include "core/support/status.h"
#include "registry/registry_snapshot.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace tenon::runtime {

struct WeightProgramOptions {
    int32_t threads = 0; // 0: all that the process may use
    /// Bytes of a source constant in place of the plan's, or null for the plan's; valid during the call. May be empty.
    std::function<const std::byte*(int32_t constant)> source;
    /// By constant: those that are needed. Steps that only serve others are left out, and what the plan holds is not computed. Empty: all.
    std::vector<bool> wanted;
    /// Of memory on the primary device, which all is given back. No functions: the device's own.
    AllocatorCallbacks allocator;
};

/// One constant that the weight program computed. 64-aligned, padding zero before the program wrote it.
struct DerivedConstant {
    int32_t constant = -1; // index in the plan
    int64_t bytes = 0;
    std::shared_ptr<const std::byte> data;
};

/// All constants that the program writes, by index. Fails where a source constant was left out of the plan and `source` has none.
/// Precondition: verifyPlan accepted the plan.
support::Result<std::vector<DerivedConstant>>
runWeightProgram(const plan::Plan& plan, std::shared_ptr<const registry::RegistrySnapshot> snapshot,
                 const WeightProgramOptions& options = {});

} // namespace tenon::runtime
