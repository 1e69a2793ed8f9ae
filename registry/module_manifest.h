// The text file beside a module's library that says what the library is, so that the host can refuse it, and say why,
// without opening it. Written by tenon_add_module (cmake/TenonAddModule.cmake), read by the finder. Knows no library.
//
//   # comment
//   name = onednn
//   version = 0.1.0
//   abi = 1.0
//   library = libtenon_onednn.so
//   arch = x86_64
//   provides = provider:onednn, runtime:onednn
//   requires = module:cpu, libdnnl.so.2
//   rank = 0
//   build_id = 5f1c...
//   sanitizer =
#pragma once

#include "core/support/status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::registry {

/// A parsed manifest. A plain value.
struct ModuleManifest {
    std::string path;    ///< of the manifest; empty for a library loaded without one
    std::string name;    ///< lower case letters, digits and _
    std::string version; ///< free text
    uint32_t abiMajor = 0;
    uint32_t abiMinor = 0;
    std::string library; ///< file name, in the manifest's folder
    std::string arch;    ///< "x86_64"; empty: any
    /// "backend:", "provider:", "runtime:", "op:", "parser:", "importer:" and "plugin:" entries.
    std::vector<std::string> provides;
    /// "module:<name>": another module, loaded before; "backend:<name>"; anything else is a library that the module opens, for people to install.
    std::vector<std::string> requirements;
    int64_t rank = 0;
    std::string buildId;
    std::string sanitizer; ///< "", "address", "thread"

    /// Where the library must be: the manifest's folder and `library`.
    std::string libraryPath() const;
    /// True when an entry of `provides` has this prefix ("runtime:"), or when the manifest does not say what it provides.
    bool mayProvide(std::string_view prefix) const;
    /// The names behind "module:" in `requirements`.
    std::vector<std::string> requiredModules() const;
    /// How many libraries of others it opens.
    int32_t libraryCount() const;
};

/// Manifests larger than this are refused unread.
inline constexpr size_t kMaxManifestBytes = 64 * 1024;

/// Reads manifest text; survives any bytes. `path` is where it came from, for messages and for `libraryPath`. Keys that
/// this version does not know are skipped, so that a newer manifest still reads. Errors are kInvalidFile and begin with
/// "<path>:<line>: ".
support::Result<ModuleManifest> parseManifest(std::string_view text, const std::string& path);

/// The same from a file. Errors also as FileMap::open.
support::Result<ModuleManifest> readManifest(const std::string& path);

/// Lower case letters, digits and _, beginning with a letter, at most 64.
bool isModuleName(std::string_view name);

} // namespace tenon::registry
