#include "registry/module_manifest.h"

#include "core/support/file_map.h"

#include <algorithm>
#include <array>

namespace tenon::registry {

using support::Result;

namespace {

enum Key : size_t {
    kName,
    kVersion,
    kAbi,
    kLibrary,
    kArch,
    kProvides,
    kRequires,
    kRank,
    kBuildId,
    kSanitizer,
    kKeyCount
};
constexpr std::array<std::string_view, kKeyCount> kKeyNames = {"name",     "version",  "abi",  "library",  "arch",
                                                               "provides", "requires", "rank", "build_id", "sanitizer"};

bool isPrintable(std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

std::vector<std::string> splitList(std::string_view text) {
    std::vector<std::string> out;
    for (const std::string_view field : support::split(text, ',')) {
        if (const std::string_view entry = support::trim(field); !entry.empty()) {
            out.emplace_back(entry);
        }
    }
    return out;
}

// "1.0"
bool parseAbi(std::string_view text, uint32_t& major, uint32_t& minor) {
    const size_t dot = text.find('.');
    int64_t high = 0;
    int64_t low = 0;
    if (dot == std::string_view::npos || !support::parseInt(text.substr(0, dot), high) ||
        !support::parseInt(text.substr(dot + 1), low) || high < 0 || low < 0 || high > UINT16_MAX || low > UINT16_MAX) {
        return false;
    }
    major = static_cast<uint32_t>(high);
    minor = static_cast<uint32_t>(low);
    return true;
}

// Takes one value over; what is wrong with it, or nothing.
std::string assign(ModuleManifest& manifest, Key key, std::string_view value) {
    switch (key) {
    case kName:
        manifest.name = value;
        return isModuleName(value)
                   ? ""
                   : support::cat(support::quote(value),
                                  " is no module name (lower case letters, digits and _, beginning with a letter)");
    case kVersion:
        manifest.version = value;
        return value.empty() ? "the version is empty" : "";
    case kAbi:
        return parseAbi(value, manifest.abiMajor, manifest.abiMinor)
                   ? ""
                   : support::cat("expected an ABI version like 1.0, found ", support::quote(value));
    case kLibrary:
        manifest.library = value;
        // Beside the manifest and nowhere else: a manifest cannot make the host open a file of another folder.
        return value.empty() || value == "." || value == ".." || value.find('/') != std::string_view::npos
                   ? support::cat("expected a file name without folders, found ", support::quote(value))
                   : "";
    case kArch:
        manifest.arch = value;
        return "";
    case kProvides:
        manifest.provides = splitList(value);
        return "";
    case kRequires:
        manifest.requirements = splitList(value);
        return "";
    case kRank:
        return support::parseInt(value, manifest.rank)
                   ? ""
                   : support::cat("expected an integer, found ", support::quote(value));
    case kBuildId:
        manifest.buildId = value;
        return "";
    case kSanitizer:
        manifest.sanitizer = value;
        return "";
    case kKeyCount:
        break;
    }
    return "";
}

} // namespace

bool isModuleName(std::string_view name) {
    if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') {
        return false;
    }
    for (const char c : name) {
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return true;
}

std::string ModuleManifest::libraryPath() const {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? support::cat("./", library) : path.substr(0, slash + 1) + library;
}

bool ModuleManifest::mayProvide(std::string_view prefix) const {
    for (const std::string& entry : provides) {
        if (std::string_view(entry).starts_with(prefix)) {
            return true;
        }
    }
    return provides.empty();
}

int32_t ModuleManifest::libraryCount() const {
    return static_cast<int32_t>(std::count_if(requirements.begin(), requirements.end(), [](const std::string& each) {
        return !each.starts_with("module:") && !each.starts_with("backend:");
    }));
}

std::vector<std::string> ModuleManifest::requiredModules() const {
    constexpr std::string_view kPrefix = "module:";
    std::vector<std::string> names;
    for (const std::string_view entry : requirements) {
        if (entry.starts_with(kPrefix)) {
            names.emplace_back(support::trim(entry.substr(kPrefix.size())));
        }
    }
    return names;
}

Result<ModuleManifest> parseManifest(std::string_view text, const std::string& path) {
    if (text.size() > kMaxManifestBytes) {
        return support::invalidFile(path, ": ", text.size(), " bytes are too many for a manifest (at most ",
                                    kMaxManifestBytes, ")");
    }
    ModuleManifest manifest;
    manifest.path = path;
    std::array<int, kKeyCount> seenAt{};
    int number = 0;
    for (const std::string_view raw : support::split(text, '\n')) {
        ++number;
        const std::string_view line = support::trim(raw);
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const auto fail = [&](const std::string& why) { return support::invalidFile(path, ":", number, ": ", why); };
        if (!isPrintable(line)) {
            return fail("unprintable characters: is this a text file?");
        }
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            return fail(support::cat("expected 'key = value', found ", support::quote(line.substr(0, 80))));
        }
        const std::string_view name = support::trim(line.substr(0, equals));
        for (size_t key = 0; key < kKeyCount; ++key) {
            if (name != kKeyNames[key]) {
                continue;
            }
            if (seenAt[key] != 0) {
                return fail(support::cat("'", name, "' is already given in line ", seenAt[key]));
            }
            seenAt[key] = number;
            const std::string why = assign(manifest, static_cast<Key>(key), support::trim(line.substr(equals + 1)));
            if (!why.empty()) {
                return fail(support::cat("'", name, "': ", why));
            }
        }
    }
    for (const Key key : {kName, kVersion, kAbi, kLibrary}) {
        if (seenAt[key] == 0) {
            return support::invalidFile(path, ":", number, ": the key '", kKeyNames[key], "' is missing");
        }
    }
    return manifest;
}

Result<ModuleManifest> readManifest(const std::string& path) {
    TN_ASSIGN_OR_RETURN(const support::FileMap file, support::FileMap::open(path));
    return parseManifest(file.text(), path);
}

} // namespace tenon::registry
