// The kernels of a plan, deserialized through the kernel runtimes of loaded modules.
// Used by LoadedPlan and the weight program. Knows kernel runtime tables; no shapes, no memory.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/device_set.h"
#include "core/runtime/thread_team.h"
#include "core/support/status.h"
#include "registry/registry_snapshot.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tenon::runtime {

/// Immutable after creation; any thread may read it. Keeps the snapshot, and so the modules, alive.
class KernelSet {
public:
    struct Entry {
        const registry::RuntimeEntry* runtime = nullptr; // null: not wanted
        TnKernel* kernel = nullptr;
        int32_t runtimeIndex = -1; // in runtimes()
    };

    /// Deserializes the kernels marked in `wanted` (one flag per kernel). A runtime that is missing, or does not read a blob's version, is
    /// named with the module and version that the plan was built with; a blob that is refused with the runtime's reason.
    static support::Result<std::shared_ptr<const KernelSet>>
    load(const plan::Plan& plan, const std::vector<bool>& wanted,
         std::shared_ptr<const registry::RegistrySnapshot> snapshot);

    ~KernelSet();
    KernelSet(const KernelSet&) = delete;
    KernelSet& operator=(const KernelSet&) = delete;

    const Entry& at(int32_t kernel) const { return mEntries[static_cast<size_t>(kernel)]; }
    /// Distinct runtimes, in the order of first use: a context has a session with each.
    const std::vector<const registry::RuntimeEntry*>& runtimes() const { return mRuntimes; }

private:
    KernelSet() = default;

    std::shared_ptr<const registry::RegistrySnapshot> mSnapshot;
    std::vector<Entry> mEntries;
    std::vector<const registry::RuntimeEntry*> mRuntimes;
};

struct LoadedProgram;

/// For every runtime of the set the placements where steps of `programs` run its kernels, as bits (1 << placement).
std::vector<uint32_t> runtimePlacements(const KernelSet& kernels, std::span<const LoadedProgram* const> programs);

/// What the sessions of a context are told.
struct SessionOptions {
    /// Computes the steps on the host; outlives the sessions.
    const ThreadTeam* team = nullptr;
    /// User resources by name ("allocator", "nccl.communicator"); may be null. Valid while the context lives.
    void* resourceContext = nullptr;
    void* (*resource)(void* context, TnString name) = nullptr;
};

/// One session with each runtime of a kernel set at each placement where its kernels run. One thread at a time.
class SessionSet {
public:
    /// `uses`: for every runtime the placements where its kernels run, as bits (1 << placement). `devices` outlives the set.
    static support::Result<std::unique_ptr<SessionSet>> open(std::shared_ptr<const KernelSet> kernels,
                                                             const DeviceSet& devices, std::span<const uint32_t> uses,
                                                             const SessionOptions& options);
    ~SessionSet();
    SessionSet(const SessionSet&) = delete;
    SessionSet& operator=(const SessionSet&) = delete;

    const KernelSet& kernels() const { return *mKernels; }
    /// Null where the runtime was not said to run there.
    TnSession* session(int32_t runtimeIndex, TnPlacement placement) const {
        return mSessions[static_cast<size_t>(runtimeIndex) * mPlacements + static_cast<size_t>(placement)];
    }

private:
    SessionSet() = default;

    std::shared_ptr<const KernelSet> mKernels;
    size_t mPlacements = 1;
    std::vector<TnSession*> mSessions; // by runtime, then placement
};

/// A module's answer as a status; `reason` is what it wrote.
support::Status statusOf(TnCode code, const std::string& what, const std::string& reason);

} // namespace tenon::runtime
