// tenon modules: which modules there are, which were skipped and why; and the conformance kit on one.
#include "core/support/text.h"
#include "registry/module_registry.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

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

} // namespace

void addModulesVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::vector<std::string> modules;
        std::string test;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("modules", "List modules: loaded, skipped and why; or test one");
    verb->add_option("--module", options->modules, "Load this module library or manifest as well")
        ->allow_extra_args(false);
    verb->add_option("--test", options->test, "Run the conformance kit on this module library or manifest");
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
                if (!options->common.json) {
                    std::printf("%-10s %-12s %-8s %s\n", stateText(report.state), report.name.c_str(),
                                report.version.c_str(), report.path.c_str());
                    if (!report.provides.empty()) {
                        std::printf("           provides %s\n", support::join(report.provides, ", ").c_str());
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
