// Opens a module's library, checks what it says about itself, and initialises it: everything between a path and a set of
// entries. Used by the registry. Publishes nothing.
#pragma once

#include "registry/host_api.h"
#include "registry/module_finder.h"
#include "registry/registry_snapshot.h"
#include "registry/shared_library.h"

namespace tenon::registry {

/// Where and why loading stopped, and what to do about it.
struct LoadFailure {
    support::Code code = support::Code::kEnvironment;
    std::string name; ///< the module's, where known
    std::string path; ///< of the library
    std::string reason;
    std::string remedy;

    /// "<path>: <reason>; <remedy>"
    std::string toString() const;
};

/// A library that is open and whose module table has been checked, but in which nothing has run yet.
class OpenedModule {
public:
    /// `manifest`: null for a library without one. False with `why` filled in.
    static bool open(const std::string& libraryPath, const ModuleManifest* manifest, OpenedModule& opened,
                     LoadFailure& why);

    const std::string& name() const noexcept { return mName; }
    const std::string& path() const noexcept { return mLibrary->path(); }

    /// Runs the module's init with a staging registrar. The entries own the initialised module: when the last of their
    /// copies goes, it is shut down. False with `why`; the module is then shut down already. Call once.
    bool initialise(const std::shared_ptr<HostLog>& log, const HostApi::CurrentSnapshot& current,
                    SnapshotEntries& entries, LoadFailure& why) const;

private:
    std::shared_ptr<const SharedLibrary> mLibrary;
    TnModule mTable{};
    std::string mName;
    int32_t mLibraryCount = 0; // that it opens besides
};

} // namespace tenon::registry
