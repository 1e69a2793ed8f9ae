// tenon modules: which modules there are, which were skipped and why; and the conformance kit on one.
#include "core/support/text.h"
#include "registry/module_manifest.h"
#include "registry/module_registry.h"
#include "registry/text_sink.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

namespace tenon::tools {

namespace {

const char* stateText(registry::ModuleReport::State state) {
    switch (state) {
    case registry::ModuleReport::State::kLoaded:
        return "loaded";
    case registry::ModuleReport::State::kSkipped:
        return "skipped";
    case registry::ModuleReport::State::kLeftOut:
        return "left out";
    case registry::ModuleReport::State::kDeferred:
        return "not needed";
    }
    return "";
}

// Backends that have no device here, with their reasons.
std::map<std::string, std::string> withoutDevice(const registry::RegistrySnapshot& snapshot) {
    std::map<std::string, std::string> reasons;
    for (const registry::BackendEntry& backend : snapshot.backends()) {
        registry::TextSink reason;
        if (backend.name != "host" && backend.table.device_count(backend.table.self, reason.sink()) < 1) {
            reasons[backend.name] = reason.text().empty() ? "it found none" : std::string(reason.text());
        }
    }
    return reasons;
}

// Why a loaded module has nothing to compute on: a backend that it brings or requires has no device. Empty: it has.
std::string noDevice(const registry::ModuleReport& report, const std::map<std::string, std::string>& reasons) {
    if (report.state != registry::ModuleReport::State::kLoaded) {
        return "";
    }
    for (const auto& [backend, reason] : reasons) {
        const std::string entry = "backend:" + backend;
        if (std::find(report.provides.begin(), report.provides.end(), entry) != report.provides.end()) {
            return reason;
        }
        const auto manifest = registry::readManifest(
            (std::filesystem::path(report.path).parent_path() / ("tenon_" + report.name + ".tenonmod")).string());
        if (manifest.ok() && std::find(manifest->requirements.begin(), manifest->requirements.end(), entry) !=
                                 manifest->requirements.end()) {
            return "its kernels are for devices of '" + backend + "'";
        }
    }
    return "";
}

} // namespace

void addModulesVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::vector<std::string> modules;
        std::string test;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("modules", "List modules: loaded, skipped and why; or test one");
    verb->add_option("--module", options->modules, "Load this module library or manifest as well; repeat for more")
        ->type_name("FILE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    verb->add_option("--test", options->test, "Run the conformance kit on this module library or manifest")
        ->type_name("FILE");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            if (!options->test.empty()) {
                return testModule(options->test, options->common);
            }
            loadExtensions(options->modules, {}, logger);
            registry::ModuleRegistry& registry = registry::ModuleRegistry::process();
            std::shared_ptr<const registry::RegistrySnapshot> snapshot = registry.snapshot();
            const std::map<std::string, std::string> deviceless = withoutDevice(*snapshot);
            nlohmann::json list = nlohmann::json::array();
            for (const registry::ModuleReport& report : registry.report()) {
                list.push_back({{"name", report.name},
                                {"state", stateText(report.state)},
                                {"version", report.version},
                                {"path", report.path},
                                {"provides", report.provides}});
                if (!report.reason.empty()) {
                    list.back()["reason"] = report.reason;
                    list.back()["remedy"] = report.remedy;
                }
                const std::string lack = noDevice(report, deviceless);
                if (!lack.empty()) {
                    list.back()["no_device"] = lack;
                }
                if (!options->common.json) {
                    std::printf("%-10s %-12s %-8s %s\n", stateText(report.state), report.name.c_str(),
                                report.version.c_str(), report.path.c_str());
                    if (!report.provides.empty()) {
                        std::printf("           provides %s\n", support::join(report.provides, ", ").c_str());
                    }
                    if (!lack.empty()) {
                        std::printf("           %s%s\n", lack.starts_with("no ") ? "" : "no device: ", lack.c_str());
                    }
                    if (!report.reason.empty()) {
                        std::printf("           %s%s%s\n", report.reason.c_str(), report.remedy.empty() ? "" : "; ",
                                    report.remedy.c_str());
                    }
                }
            }
            if (options->common.json) {
                std::printf("%s\n", nlohmann::json{{"modules", std::move(list)}}.dump(1).c_str());
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
