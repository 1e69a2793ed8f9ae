// The TnRegistrar that a module's init is given: checks and copies tables, shows them to nobody.
// Used by the module loader. What it collected becomes visible through RegistrySnapshot::with, all or nothing.
#pragma once

#include "registry/registry_snapshot.h"

namespace tenon::registry {

/// Collects the entries of one module. Must stay where it is during init. One thread.
class Registration {
public:
    explicit Registration(EntryOrigin origin);
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    const TnRegistrar* table() const noexcept { return &mRegistrar; }
    /// The first table that was refused. A module that goes on after a refusal is refused as a whole.
    const support::Status& status() const noexcept { return mStatus; }
    SnapshotEntries take() { return std::move(mEntries); }

private:
    template <class Table>
    static TnCode add(void* context, const Table* table) noexcept;
    support::Status stage(const TnBackend& table);
    support::Status stage(const TnTacticProvider& table);
    support::Status stage(const TnKernelRuntime& table);
    support::Status stage(const TnOpDef& table);
    support::Status stage(const TnParser& table);
    support::Status stage(const TnOnnxImporter& table);
    support::Status stage(const TnPluginCreator& table);

    EntryOrigin mOrigin;
    SnapshotEntries mEntries;
    support::Status mStatus;
    TnRegistrar mRegistrar{};
};

} // namespace tenon::registry
