// tenon modules --test: the conformance kit on one module.
#include "core/support/text.h"
#include "tools/tenon/verb.h"

#ifdef TENON_CONFORMANCE_KIT

#include "registry/module_finder.h"
#include "registry/module_manifest.h"
#include "tests/conformance/conformance.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace tenon::tools {

namespace {

namespace fs = std::filesystem;
using support::cat;

// The prefix that this program stands in: bin/.. of a build or an installation.
fs::path prefix() {
    std::error_code error;
    return fs::canonical("/proc/self/exe", error).parent_path().parent_path();
}

fs::path libraryOf(const std::string& path) {
    if (!path.ends_with(".tenonmod")) {
        return path;
    }
    support::Result<registry::ModuleManifest> manifest = registry::readManifest(path);
    if (!manifest.ok()) {
        throw ToolError(ExitCode::kBadInput, manifest.status().toString());
    }
    return fs::path(path).parent_path() / manifest->library;
}

std::unique_ptr<conformance::LoadedModule> open(const fs::path& library) {
    std::string error;
    std::unique_ptr<conformance::LoadedModule> module = conformance::LoadedModule::open(library.string(), error);
    if (!module) {
        throw ToolError(ExitCode::kEnvironment, cat("'", library.string(), "' cannot be tested: ", error));
    }
    return module;
}

// The module whose device this one computes on: the manifest beside the library names its backend. Null: none is named.
std::unique_ptr<conformance::LoadedModule> openBackend(const fs::path& library) {
    std::string name = library.stem().string();
    if (name.starts_with("libtenon_")) {
        name = name.substr(std::string_view("libtenon_").size());
    }
    const fs::path folder = library.parent_path();
    support::Result<registry::ModuleManifest> manifest =
        registry::readManifest((folder / cat("tenon_", name, ".tenonmod")).string());
    if (!manifest.ok()) {
        return nullptr;
    }
    for (const std::string& entry : manifest->requirements) {
        constexpr std::string_view kBackend = "backend:";
        if (entry.starts_with(kBackend)) {
            return open(folder / cat("libtenon_", entry.substr(kBackend.size()), ".so"));
        }
    }
    return nullptr;
}

const char* textOf(conformance::Outcome outcome) {
    switch (outcome) {
    case conformance::Outcome::kPassed:
        return "passed";
    case conformance::Outcome::kUnsupported:
        return "refused";
    case conformance::Outcome::kExpectedFailure:
        return "expected failure";
    case conformance::Outcome::kFailed:
        return "FAILED";
    case conformance::Outcome::kUnexpectedSupport:
        return "unexpected pass";
    }
    return "";
}

} // namespace

ExitCode testModule(const std::string& path, const CommonFlags& flags) {
    fs::path cases = prefix() / "share" / "tenon" / "conformance";
    fs::path referenceLibrary = prefix() / "lib" / "tenon" / "modules" / "libtenon_reference.so";
    if (!fs::exists(cases) || !fs::exists(referenceLibrary)) {
        throw ToolError(ExitCode::kEnvironment,
                        cat("the conformance kit needs '", cases.string(), "' and '", referenceLibrary.string(),
                            "'; install Tenon with its reference backend"));
    }
    std::unique_ptr<conformance::LoadedModule> reference = open(referenceLibrary);
    const fs::path library = fs::absolute(libraryOf(path));
    // Opened before, closed after the module that computes on it.
    const std::unique_ptr<conformance::LoadedModule> backend = openBackend(library);
    std::unique_ptr<conformance::LoadedModule> underTest = open(library);
    if (backend != nullptr) {
        underTest->runOn(*backend);
    }
    if (const std::string& absent = underTest->tables().device.absent; !absent.empty()) {
        throw ToolError(ExitCode::kEnvironment, cat("'", library.string(), "' cannot be tested: ", absent));
    }
    if (underTest->tables().providers.empty()) {
        throw ToolError(ExitCode::kUsage, cat("module '", underTest->tables().name,
                                              "' brings no tactics, and the kit tests tactics: there is nothing in it "
                                              "to test (tenon modules lists what a module provides)"));
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(cases)) {
        if (entry.path().extension() == ".cases") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    conformance::Options options;
    conformance::Report report;
    for (const fs::path& file : files) {
        conformance::runConformance(underTest->tables(), reference->tables(), conformance::readCases(file.string()),
                                    options, report);
    }
    nlohmann::json list = nlohmann::json::array();
    for (const conformance::CaseResult& result : report.results) {
        bool interesting = result.outcome == conformance::Outcome::kFailed ||
                           result.outcome == conformance::Outcome::kUnexpectedSupport || flags.verbose > 0;
        if (flags.json) {
            list.push_back({{"case", result.name},
                            {"outcome", textOf(result.outcome)},
                            {"detail", result.detail},
                            {"tactics", result.tactics}});
        } else if (interesting) {
            std::printf("%-10s %s%s%s\n", textOf(result.outcome), result.name.c_str(),
                        result.detail.empty() ? "" : "\n           ", result.detail.c_str());
        }
    }
    if (!report.error.empty()) {
        throw ToolError(ExitCode::kBadInput, report.error);
    }
    // What computes nothing of the kit, or nothing here, has not passed it.
    const bool isTested = report.count(conformance::Outcome::kPassed) > 0 || !report.passed();
    if (flags.json) {
        nlohmann::json document = {
            {"passed", report.passed() && isTested}, {"module", underTest->tables().name}, {"cases", std::move(list)}};
        std::printf("%s\n", document.dump(1).c_str());
    } else if (!isTested) {
        std::printf("%s: every case was refused: nothing was tested\n", underTest->tables().name.c_str());
    } else {
        std::printf("%s: %d cases passed, %d refused, %d failed\n%s\n", underTest->tables().name.c_str(),
                    report.count(conformance::Outcome::kPassed), report.count(conformance::Outcome::kUnsupported),
                    report.count(conformance::Outcome::kFailed), report.passed() ? "PASSED" : "FAILED");
    }
    return !report.passed() ? ExitCode::kWrong : isTested ? ExitCode::kOk : ExitCode::kUsage;
}

} // namespace tenon::tools

#else

namespace tenon::tools {

ExitCode testModule(const std::string& path, const CommonFlags&) {
    throw ToolError(
        ExitCode::kEnvironment,
        support::cat("'", path, "' cannot be tested: this build has no conformance kit (TENON_BUILD_TESTS was OFF)"));
}

} // namespace tenon::tools

#endif
