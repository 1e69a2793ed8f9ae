// Where modules are looked for, and which of those found are to be loaded.
// Used by the registry. Reads directories and manifests; opens no library.
#pragma once

#include "registry/module_manifest.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::registry {

/// TENON_MODULES: "-onednn,+mine". From left to right: -name leaves a module out, +name (or a bare name) takes it in
/// again, and the name `all` stands for every module. Everything is in by default, unless the first entry is a bare name:
/// "onnx,reference" is a list of what is wanted, as "-all,+onnx,+reference" is.
class ModuleFilter {
public:
    ModuleFilter() = default;
    /// kInvalidArgument for an entry that is no name.
    static support::Result<ModuleFilter> parse(std::string_view text);

    bool allows(std::string_view name) const;
    /// The names that it mentions, in order, without `all`: those that match no module are worth a warning.
    std::vector<std::string> names() const;

private:
    struct Rule {
        bool allow = true;
        std::string name;
    };
    std::vector<Rule> mRules;
};

/// A folder to look in, and who said so ("TENON_MODULE_PATH").
struct SearchFolder {
    std::string path;
    std::string origin;
    bool required = false; ///< the user named it: warn when it is not there
};

/// Folders in search order: TENON_MODULE_PATH, the modules beside the runtime library, the install prefix. Environment
/// variables are ignored when the process runs with elevated privilege. A folder appears once.
std::vector<SearchFolder> defaultSearchFolders();

/// What became of a candidate that will not be loaded.
struct SkippedModule {
    std::string name; ///< empty where even that is not known
    std::string path; ///< of the manifest, library or folder
    std::string reason;
    std::string remedy;
    bool expected = false; ///< shadowed by an earlier folder or filtered out: worth a verbose line, not a warning
};

struct FoundModules {
    std::vector<ModuleManifest> modules; ///< to be loaded, in this order: by name, but after the modules they require
    std::vector<SkippedModule> skipped;
    std::set<std::string, std::less<>> copied; ///< names that several manifests have: a name alone does not say which
};

/// Reads every *.tenonmod of the folders, sorted by file name; the first of a name wins. Refuses by manifest alone:
/// damaged, another ABI major, another architecture or sanitizer, no library, a required module that is not there.
FoundModules findModules(const std::vector<SearchFolder>& folders, const ModuleFilter& filter);

/// Why a module of this manifest cannot be loaded by this host, with what to do about it; false if it can, as far as
/// the manifest says.
bool refuseByManifest(const ModuleManifest& manifest, SkippedModule& why);

} // namespace tenon::registry
