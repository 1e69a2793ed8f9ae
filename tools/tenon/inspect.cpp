// tenon inspect: what is in a plan.
#include "core/support/text.h"
#include "tools/common/plan_summary.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace tenon::tools {

void addInspectVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string plan;
        bool graph = false;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("inspect", "Show a plan: bindings, steps, memory, what was chosen");
    verb->add_option("plan", options->plan, "Plan file")->required();
    verb->add_flag("--graph", options->graph, "Print the final graph as IR text instead");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            plan::Plan plan = readPlan(options->plan);
            if (options->graph) {
                std::printf("%s", plan.graphText.c_str());
                return ExitCode::kOk;
            }
            if (options->common.json) {
                nlohmann::ordered_json document = nlohmann::ordered_json::parse(plan.inspectorJson);
                document["Decisions"] = nlohmann::ordered_json::parse(plan.ledgerJson, nullptr, false);
                std::printf("%s\n", document.dump(1).c_str());
                return ExitCode::kOk;
            }
            std::printf("%s: network '%s', made by Tenon %s at level %d for %s\n", options->plan.c_str(),
                        plan.networkName.c_str(), plan.tenonVersion.c_str(), plan.level,
                        plan.targetFingerprint.c_str());
            for (const plan::PlanBinding& binding : plan.bindings) {
                std::printf("  %-6s %-28s %s", binding.isInput ? "input" : "output", binding.name.c_str(),
                            std::string(ir::nameOf(binding.dtype)).c_str());
                for (const auto& profile : binding.profiles) {
                    std::printf("  [%s .. %s .. %s]", support::join(profile[0], "x").c_str(),
                                support::join(profile[1], "x").c_str(), support::join(profile[2], "x").c_str());
                }
                std::printf("\n");
            }
            int64_t weights = 0;
            for (const plan::PlanConstant& constant : plan.constants) {
                weights += constant.data ? constant.bytes : 0;
            }
            PlanSummary summary = summarisePlan(plan);
            std::printf("  weights %s, %zu kernels", bytesText(weights).c_str(), plan.kernels.size());
            for (const plan::PlanProgram& program : plan.programs) {
                std::printf(", %s: %zu steps, %s of activations", program.name.c_str(), program.steps.size(),
                            bytesText(program.arenaBytes).c_str());
            }
            std::printf("%s\n", summary.proven ? "" : " (selection not proven optimal)");
            for (const auto& [provider, count] : summary.stepsByProvider) {
                std::printf("  %4d steps by %s\n", count, provider.c_str());
            }
            for (const plan::ModuleRequirement& need : plan.requirements) {
                std::printf("  needs module %s (%s at build) for kernel runtime %s, blob version %u\n",
                            need.name.c_str(), need.version.c_str(), need.runtime.c_str(), need.blobVersion);
            }
            if (const std::vector<std::string> shares = timeShares(plan); !shares.empty()) {
                std::printf("where the time goes:\n");
                for (const std::string& line : shares) {
                    std::printf("  %s\n", line.c_str());
                }
            }
            std::printf("steps that take most time:\n");
            for (const std::string& line : decisionTable(plan, 10)) {
                std::printf("  %s\n", line.c_str());
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
