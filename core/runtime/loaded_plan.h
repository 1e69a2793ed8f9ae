// A plan that is ready to run on this machine: its kernels are deserialized, its programs compiled.
// Used by contexts, the API's engine and tools. Knows the registry's snapshot; no shapes, no addresses.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/kernel_set.h"
#include "core/runtime/loaded_program.h"
#include "core/support/log.h"
#include "core/support/status.h"
#include "registry/registry_snapshot.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::runtime {

/// What a device offers, for the check against the plan's target.
struct DeviceDescription {
    std::vector<std::string> features; // "avx2", "avx512f"
    std::string fingerprint;           // empty: not compared
};

struct LoadOptions {
    support::Logger log = support::defaultLogger();
    /// Load a plan whose target has instruction sets that this machine lacks, with a warning instead of an error. Kernels that use them end
    /// the process.
    bool allowOtherTarget = false;
    /// Default: this machine.
    std::optional<DeviceDescription> device;
};

/// Immutable and shared by contexts; thread-safe. Keeps the snapshot, its modules, and the plan's weights alive.
class LoadedPlan {
public:
    /// kEnvironment for a missing module (named with its version) or a target that this machine is not; kUnsupported for steps that this
    /// version does not run; otherwise what a kernel runtime says.
    static support::Result<std::shared_ptr<const LoadedPlan>>
    load(plan::Plan plan, std::shared_ptr<const registry::RegistrySnapshot> snapshot, const LoadOptions& options = {});

    LoadedPlan(const LoadedPlan&) = delete;
    LoadedPlan& operator=(const LoadedPlan&) = delete;

    const plan::Plan& plan() const { return mPlan; }
    int32_t profileCount() const { return static_cast<int32_t>(mPrograms.size()); }
    const LoadedProgram& program(int32_t profile) const { return mPrograms[static_cast<size_t>(profile)]; }
    const std::shared_ptr<const KernelSet>& kernels() const { return mKernels; }
    const std::shared_ptr<const registry::RegistrySnapshot>& snapshot() const { return mSnapshot; }
    /// By constant; null for one that was left out of the plan.
    const std::vector<const std::byte*>& constantData() const { return mConstantData; }
    /// Index of the binding of that name, or -1.
    int32_t bindingOf(std::string_view name) const;
    /// Bindings that are inputs: they come first.
    int32_t inputCount() const { return mInputCount; }
    /// Bytes of the arena that a context needs for a profile, and for the one that needs most.
    int64_t arenaBytes(int32_t profile) const { return program(profile).source->arenaBytes; }
    int64_t largestArenaBytes() const;

private:
    LoadedPlan() = default;
    support::Status checkTarget(const LoadOptions& options) const;
    support::Status checkConstants() const;

    plan::Plan mPlan;
    std::shared_ptr<const registry::RegistrySnapshot> mSnapshot;
    std::shared_ptr<const KernelSet> mKernels;
    std::vector<LoadedProgram> mPrograms;
    std::vector<const std::byte*> mConstantData;
    int32_t mInputCount = 0;
};

} // namespace tenon::runtime
