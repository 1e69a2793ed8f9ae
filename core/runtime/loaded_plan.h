// A plan that is ready to run on this machine: its kernels are deserialized, its programs compiled.
// Used by contexts, the API's engine and tools. Knows the registry's snapshot; no shapes, no addresses.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/device_constants.h"
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

struct LoadOptions {
    /// Of weights on the primary device, where the plan has one. Must outlive the loaded plan.
    AllocatorCallbacks allocator;
    support::Logger log = support::defaultLogger();
    /// Fingerprint of this machine, to say when a plan was timed on another one. Default: the host's; empty: nothing is said.
    std::optional<std::string> machine;
};

/// Immutable and shared by contexts; thread-safe. Keeps the snapshot, its modules, and the plan's weights alive.
class LoadedPlan {
public:
    /// Also computes what the weight program derives and the plan does not hold, and copies constants to the devices that read them.
    /// kEnvironment for a missing module (named with its version) or device; kUnsupported for steps that this version does not run; otherwise
    /// what a kernel runtime says: whether a kernel can run on a machine with other instruction sets, it alone knows.
    static support::Result<std::shared_ptr<const LoadedPlan>>
    load(plan::Plan plan, std::shared_ptr<const registry::RegistrySnapshot> snapshot, const LoadOptions& options = {});

    LoadedPlan(const LoadedPlan&) = delete;
    LoadedPlan& operator=(const LoadedPlan&) = delete;

    const plan::Plan& plan() const { return mPlan; }
    int32_t profileCount() const { return static_cast<int32_t>(mPrograms.size()); }
    const LoadedProgram& program(int32_t profile) const { return mPrograms[static_cast<size_t>(profile)]; }
    const std::shared_ptr<const KernelSet>& kernels() const { return mKernels; }
    const std::shared_ptr<const registry::RegistrySnapshot>& snapshot() const { return mSnapshot; }
    const DeviceSet& devices() const { return *mDevices; }
    const ConstantTable& constants() const { return mConstants; }
    /// By runtime of the kernel set: where its kernels run, as bits (1 << placement).
    const std::vector<uint32_t>& runtimeUses() const { return mRuntimeUses; }
    /// Index of the binding of that name, or -1.
    int32_t bindingOf(std::string_view name) const;
    /// Bindings that are inputs: they come first.
    int32_t inputCount() const { return mInputCount; }
    /// Bytes of the arena that a context needs at a placement for a profile, and for the one that needs most.
    int64_t arenaBytes(TnPlacement placement, int32_t profile) const {
        return program(profile).source->arenaAt(placement);
    }
    int64_t largestArenaBytes(TnPlacement placement) const;
    /// The same at the placement whose memory a user may give (DeviceSet::primary).
    int64_t arenaBytes(int32_t profile) const { return arenaBytes(mDevices->primary(), profile); }
    int64_t largestArenaBytes() const { return largestArenaBytes(mDevices->primary()); }
    /// That a context computes with on the host unless it is told: those that the plan was built for, or on another machine all cores.
    int32_t threads() const { return mThreads; }

private:
    LoadedPlan() = default;
    void meetMachine(const LoadOptions& options);
    support::Status checkConstants() const;
    support::Status deriveMissing(const AllocatorCallbacks& allocator);

    plan::Plan mPlan;
    std::shared_ptr<const registry::RegistrySnapshot> mSnapshot;
    std::shared_ptr<const KernelSet> mKernels;
    std::vector<LoadedProgram> mPrograms;
    std::shared_ptr<const DeviceSet> mDevices;
    std::vector<std::shared_ptr<const std::byte>> mDerived; // what the plan did not hold
    ConstantTable mConstants;
    std::vector<uint32_t> mRuntimeUses;
    int32_t mInputCount = 0;
    int32_t mThreads = 1;
};

} // namespace tenon::runtime
