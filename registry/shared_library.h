// Opening shared libraries: modules, and users' plugin libraries.
// Used by the module loader and the plugin registry. The one place that knows Boost.DLL. Knows no module table.
#pragma once

#include "core/support/status.h"

#include <memory>
#include <string>

namespace tenon::registry {

/// An open library. Opened with all symbols bound at once and none given to others (RTLD_NOW | RTLD_LOCAL), and never
/// closed again: code that registered itself with a runtime (CUDA's fat binaries) must not disappear. Immutable;
/// thread-safe.
class SharedLibrary {
public:
    /// Opens the file; a path without a folder means the current one, never a search. Opening the same file again
    /// gives the same handle of the system. kNotFound, kInvalidFile (no library, truncated, another processor), or
    /// kEnvironment with the linker's message, which names a missing dependency. Messages leave the path to the caller.
    static support::Result<std::shared_ptr<const SharedLibrary>> open(const std::string& path);

    /// Absolute, links resolved.
    const std::string& path() const noexcept { return mPath; }
    /// The address of an exported symbol; null when there is none of that name.
    void* symbol(const char* name) const;
    template <class Function>
    Function function(const char* name) const {
        return reinterpret_cast<Function>(symbol(name));
    }

    SharedLibrary(const SharedLibrary&) = delete;
    SharedLibrary& operator=(const SharedLibrary&) = delete;
    ~SharedLibrary() = default;

private:
    SharedLibrary() = default;
    struct Handle;

    std::string mPath;
    Handle* mHandle = nullptr; // never deleted: see above
};

/// For IPluginRegistry::loadLibrary: the same as SharedLibrary::open, under the name of its use.
inline support::Result<std::shared_ptr<const SharedLibrary>> loadPluginLibrary(const std::string& path) {
    return SharedLibrary::open(path);
}

} // namespace tenon::registry
