#include "registry/module_finder.h"

#include "core/support/build_info.h"
#include "core/support/env.h"
#include "tenon/module/abi.h"

#include <algorithm>
#include <dlfcn.h>
#include <filesystem>
#include <map>
#include <set>
#include <sys/stat.h>

namespace tenon::registry {

namespace fs = std::filesystem;
using support::cat;
using support::Result;

namespace {

constexpr std::string_view kManifestSuffix = ".tenonmod";

// The folder of the library (or, in tests that link the core itself, the program) that this function is in.
std::string ownFolder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&ownFolder), &info) == 0 || info.dli_fname == nullptr) {
        return {};
    }
    std::error_code error;
    const fs::path path = fs::canonical(info.dli_fname, error);
    return error ? std::string() : path.parent_path().string();
}

void addFolder(std::vector<SearchFolder>& folders, std::string path, std::string origin, bool required) {
    std::error_code error;
    const fs::path normal = fs::weakly_canonical(path, error);
    std::string name = error ? std::move(path) : normal.string();
    const bool known =
        std::any_of(folders.begin(), folders.end(), [&](const SearchFolder& f) { return f.path == name; });
    if (!known) {
        folders.push_back({std::move(name), std::move(origin), required});
    }
}

std::vector<std::string> manifestsIn(const SearchFolder& folder, FoundModules& found) {
    std::vector<std::string> paths;
    std::error_code error;
    fs::directory_iterator at(folder.path, error);
    if (error) {
        if (folder.required) {
            found.skipped.push_back({"", folder.path,
                                     cat("the folder of ", folder.origin, " cannot be read: ", error.message()),
                                     cat("correct ", folder.origin), false});
        }
        return paths;
    }
    for (; at != fs::directory_iterator(); at.increment(error)) {
        if (error) {
            break;
        }
        if (std::string path = at->path().string(); std::string_view(path).ends_with(kManifestSuffix)) {
            paths.push_back(std::move(path));
        }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

// Modules in an order in which each comes after those it requires; those that cannot be are skipped.
void orderByRequirements(FoundModules& found) {
    std::vector<ModuleManifest> waiting = std::move(found.modules);
    std::sort(waiting.begin(), waiting.end(),
              [](const ModuleManifest& a, const ModuleManifest& b) { return a.name < b.name; });
    found.modules.clear();
    std::set<std::string, std::less<>> ready;
    const auto missingOf = [&](const ModuleManifest& manifest) {
        for (const std::string& name : manifest.requiredModules()) {
            if (!ready.contains(name)) {
                return name;
            }
        }
        return std::string();
    };
    for (bool progress = true; progress && !waiting.empty();) {
        progress = false;
        for (auto at = waiting.begin(); at != waiting.end();) {
            if (!missingOf(*at).empty()) {
                ++at;
                continue;
            }
            ready.insert(at->name);
            found.modules.push_back(std::move(*at));
            at = waiting.erase(at);
            progress = true;
        }
    }
    for (const ModuleManifest& manifest : waiting) {
        const std::string missing = missingOf(manifest);
        found.skipped.push_back(
            {manifest.name, manifest.path,
             cat("it requires the module '", missing, "', which is not there or requires it in turn"),
             cat("install the module '", missing, "', or leave this one out with TENON_MODULES=-", manifest.name),
             false});
    }
}

} // namespace

Result<ModuleFilter> ModuleFilter::parse(std::string_view text) {
    ModuleFilter filter;
    for (const std::string_view field : support::split(text, ',')) {
        const std::string_view entry = support::trim(field);
        if (entry.empty()) {
            continue;
        }
        const bool marked = entry[0] == '-' || entry[0] == '+';
        const std::string_view name = marked ? entry.substr(1) : entry;
        if (!isModuleName(name)) {
            return support::invalidArgument(
                "TENON_MODULES: ", support::quote(entry),
                " is no module name with + or - before it; commas stand between them: TENON_MODULES=-onednn,+mine");
        }
        if (filter.mRules.empty() && !marked) {
            filter.mRules.push_back({false, "all"});
        }
        filter.mRules.push_back({entry[0] != '-', std::string(name)});
    }
    return filter;
}

bool ModuleFilter::allows(std::string_view name) const {
    bool allowed = true;
    for (const Rule& rule : mRules) {
        if (rule.name == name || rule.name == "all") {
            allowed = rule.allow;
        }
    }
    return allowed;
}

std::vector<std::string> ModuleFilter::names() const {
    std::vector<std::string> out;
    for (const Rule& rule : mRules) {
        if (rule.name != "all") {
            out.push_back(rule.name);
        }
    }
    return out;
}

std::vector<SearchFolder> defaultSearchFolders() {
    std::vector<SearchFolder> folders;
    if (const std::optional<std::string> path = support::readTrustedEnv("TENON_MODULE_PATH")) {
        for (const std::string_view entry : support::split(*path, ':')) {
            if (!entry.empty()) {
                addFolder(folders, std::string(entry), "TENON_MODULE_PATH", true);
            }
        }
    }
    if (const std::string own = ownFolder(); !own.empty()) {
        addFolder(folders, cat(own, "/tenon/modules"), "the Tenon library", false);
    }
#ifdef TENON_MODULE_INSTALL_PATH
    addFolder(folders, TENON_MODULE_INSTALL_PATH, "the install prefix", false);
#endif
    return folders;
}

bool refuseByManifest(const ModuleManifest& manifest, SkippedModule& why) {
    why = {manifest.name, manifest.path, "", "", false};
    if (manifest.abiMajor != TN_ABI_MAJOR) {
        why.reason = cat("it was built for module ABI ", manifest.abiMajor, ".", manifest.abiMinor, ", this Tenon ",
                         support::versionText(), " has ", TN_ABI_MAJOR, ".", TN_ABI_MINOR);
        why.remedy = manifest.abiMajor > TN_ABI_MAJOR ? "update Tenon, or install an older version of the module"
                                                      : "install a newer version of the module, or rebuild it";
    } else if (!manifest.arch.empty() && manifest.arch != support::archText()) {
        why.reason = cat("it is for ", manifest.arch, ", this process is ", support::archText());
        why.remedy = cat("install the module for ", support::archText());
    } else if (manifest.sanitizer != support::sanitizerText()) {
        const auto nameOf = [](std::string_view sanitizer) {
            return sanitizer.empty() ? std::string("no sanitizer") : cat("sanitizer '", sanitizer, "'");
        };
        why.reason = cat("it was built with ", nameOf(manifest.sanitizer), ", this Tenon with ",
                         nameOf(support::sanitizerText()));
        why.remedy = "build both with the same TENON_SANITIZE";
    } else {
        struct stat status {};
        if (stat(manifest.libraryPath().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            return false;
        }
        why.reason = cat("its library ", manifest.libraryPath(), " is not there");
        why.remedy = "install the module again, or remove the manifest";
    }
    return true;
}

FoundModules findModules(const std::vector<SearchFolder>& folders, const ModuleFilter& filter) {
    FoundModules found;
    std::map<std::string, std::string, std::less<>> seen; // name -> path of the manifest that won
    for (const SearchFolder& folder : folders) {
        for (const std::string& path : manifestsIn(folder, found)) {
            Result<ModuleManifest> manifest = readManifest(path);
            if (!manifest.ok()) {
                found.skipped.push_back(
                    {"", path, manifest.status().message(), "install the module again, or remove the manifest", false});
                continue;
            }
            const auto [first, isFirst] = seen.try_emplace(manifest->name, path);
            SkippedModule why;
            if (!isFirst) {
                found.copied.insert(manifest->name);
                found.skipped.push_back({manifest->name, path,
                                         cat("another module of this name comes first: ", first->second),
                                         "rename one of the two, or change the order of TENON_MODULE_PATH", true});
            } else if (!filter.allows(manifest->name)) {
                found.skipped.push_back(
                    {manifest->name, path, "TENON_MODULES leaves it out", "change TENON_MODULES", true});
            } else if (refuseByManifest(*manifest, why)) {
                found.skipped.push_back(std::move(why));
            } else {
                found.modules.push_back(std::move(*manifest));
            }
        }
    }
    for (const std::string& name : filter.names()) {
        if (!seen.contains(name)) {
            found.skipped.push_back({name, "", cat("TENON_MODULES names the module '", name, "', and there is none"),
                                     "check the name: `tenon modules` lists those found", false});
        }
    }
    orderByRequirements(found);
    return found;
}

} // namespace tenon::registry
