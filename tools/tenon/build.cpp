// tenon build: a model becomes a plan file.
#include "core/support/text.h"
#include "tools/common/file_kind.h"
#include "tools/common/output_file.h"
#include "tools/common/plan_summary.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

namespace tenon::tools {

void addBuildVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string model;
        std::string data;
        std::string output;
        BuildFlags build;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("build", "Optimise an ONNX model, time every tactic, write the plan");
    verb->add_option("model", options->model, "ONNX model")->required();
    verb->add_option("-o,--output", options->output,
                     "Plan file [default: beside the model, its name with .plan]. A build that Ctrl-C stops leaves its "
                     "best plan "
                     "so far: there, or, where a file is already, beside it with .stopped at its end")
        ->type_name("PLAN");
    verb->add_option("--data", options->data,
                     "Model folder with test_data_set_*, or one data set: inputs without --shapes take the smallest, "
                     "first and largest extents of these")
        ->type_name("DIR");
    options->build.addTo(*verb, "Options");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            requireFile(options->model, WantedFile::kModel);
            std::string output = options->output;
            if (output.empty()) {
                output = std::filesystem::path(options->model).replace_extension(".plan").string();
            }
            checkOutput(output, options->model);
            BuildSettings settings = options->build.settings(logger);
            settings.keepStopped = true;
            if (!options->data.empty()) {
                settings.shapesFrom = readDataSets(options->data);
                settings.dataNamesFit = true;
            }
            const BuiltPlan built = buildPlan(options->model, settings, logger);
            const std::string written = savePlan(output, built);
            // Not from the file: a pipe gives its bytes once, and a device may keep none.
            const PlanSummary summary = summarisePlan(built.plan->data(), built.plan->size());
            if (options->common.json) {
                nlohmann::json document = {{"plan", written},
                                           {"bytes", built.plan->size()},
                                           {"build_s", built.seconds},
                                           {"layers", summary.layers},
                                           {"proven", summary.proven},
                                           {"stopped", built.cancelled},
                                           {"cancelled", built.cancelled}, // the older name
                                           {"providers", summary.stepsByProvider},
                                           {"devices", summary.devices}};
                std::printf("%s\n", document.dump(1).c_str());
            } else {
                // Whoever gives a tuning database may want a plan for a device that is not here.
                const std::string devices = !summary.devices.empty() ? ", for " + support::join(summary.devices, ", ")
                                            : settings.tuningFile.empty() ? ""
                                                                          : ", for this machine's CPU";
                std::printf("%s: %s, %d %s%s, built in %s\n", written.c_str(),
                            bytesText(static_cast<int64_t>(built.plan->size())).c_str(), summary.layers,
                            summary.layers == 1 ? "step" : "steps", devices.c_str(),
                            durationText(built.seconds).c_str());
            }
            if (built.cancelled) {
                logger.warn(stoppedText(written, output));
                return ExitCode::kStopped;
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
