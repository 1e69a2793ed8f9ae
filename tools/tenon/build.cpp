// tenon build: a model becomes a plan file.
#include "core/support/file_map.h"
#include "tools/common/plan_summary.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

namespace tenon::tools {

void addBuildVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string model;
        std::string output;
        BuildFlags build;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("build", "Optimise an ONNX model, time every tactic, write the plan");
    verb->add_option("model", options->model, "ONNX model")->required();
    verb->add_option("-o,--output", options->output, "Plan file; default: the model's name with .plan");
    options->build.addTo(*verb);
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            std::string output = options->output;
            if (output.empty()) {
                output = std::filesystem::path(options->model).replace_extension(".plan").string();
            }
            checkOutput(output, options->model);
            BuiltPlan built = buildPlan(options->model, options->build.settings(), logger);
            support::Status written = support::writeFileAtomically(
                output, std::string_view(static_cast<const char*>(built.plan->data()), built.plan->size()));
            if (!written.ok()) {
                throw ToolError(ExitCode::kEnvironment, written.message());
            }
            PlanSummary summary = summarisePlan(output);
            if (options->common.json) {
                nlohmann::json document = {{"plan", output},
                                           {"bytes", built.plan->size()},
                                           {"build_s", built.seconds},
                                           {"layers", summary.layers},
                                           {"proven", summary.proven},
                                           {"cancelled", built.cancelled},
                                           {"providers", summary.stepsByProvider}};
                std::printf("%s\n", document.dump(1).c_str());
            } else {
                std::printf("%s: %s, %d steps, built in %s%s\n", output.c_str(),
                            bytesText(static_cast<int64_t>(built.plan->size())).c_str(), summary.layers,
                            durationText(built.seconds).c_str(),
                            built.cancelled ? " (stopped early: not every tactic was timed)" : "");
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
