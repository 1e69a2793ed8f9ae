// tenon inspect: what is in a plan.
#include "core/ir/printer.h"
#include "core/support/text.h"
#include "tools/common/file_kind.h"
#include "tools/common/pipe_input.h"
#include "tools/common/plan_summary.h"
#include "tools/common/plan_times.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace tenon::tools {

namespace {

struct InspectOptions {
    std::string plan;
    bool graph = false;
    ExtensionFlags extensions;
    CommonFlags common;
};

// Whether a step of a program has a kernel of that runtime, not only what derives weights.
bool runs(const plan::Plan& plan, const plan::ModuleRequirement& need) {
    const auto has = [&](const plan::PlanStep& step) {
        return step.kernel >= 0 && plan.kernels[static_cast<size_t>(step.kernel)].runtime == need.runtime;
    };
    return std::any_of(plan.programs.begin(), plan.programs.end(), [&](const plan::PlanProgram& program) {
        return std::any_of(program.steps.begin(), program.steps.end(), has);
    });
}

std::string extentsText(const ir::Value& value, const ir::ExprPool& pool) {
    std::vector<std::string> extents;
    for (const ir::DimExpr dim : value.type().dims) {
        extents.push_back(dim.valid() ? pool.toText(dim) : "?");
    }
    return support::cat("[", support::join(extents, ", "), "]");
}

void printGraph(std::string_view text, bool json) {
    if (json) {
        std::printf("%s\n", nlohmann::json{{"graph", text}}.dump(1).c_str());
    } else {
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
}

void printTensor(const char* kind, const std::string& name, ir::DataType dtype, const std::string& extents) {
    std::printf("  %-6s %-28s %-5s %s\n", kind, name.c_str(), std::string(ir::nameOf(dtype)).c_str(), extents.c_str());
}

// An input as --shapes takes it whole: x=1..8..32x3x224x224.
std::string exampleOf(const ir::Value& input, const ir::ExprPool& pool) {
    std::vector<std::string> extents;
    for (const ir::DimExpr dim : input.type().dims) {
        extents.push_back(pool.isConstant(dim) ? support::cat(pool.constantValue(dim)) : "1..8..32");
    }
    return support::cat(input.name(), "=", support::join(extents, "x"));
}

// What a model leaves open and how a build is told of it: an extent by its name, where the model gives it one, else by its input; empty: nothing is.
std::string openExtentsText(const ImportedGraph& imported) {
    const ir::Graph& graph = *imported.graph;
    const std::vector<std::string>& named = imported.extentNames;
    std::vector<std::string> open;
    const ir::Value* byInput = nullptr; // the first that has an extent without a name
    bool byName = false;
    for (const ir::Symbol& symbol : graph.pool().symbols()) {
        if (symbol.source != ir::SymbolSource::kInputDim) {
            continue;
        }
        open.push_back(symbol.name);
        if (std::find(named.begin(), named.end(), symbol.name) != named.end()) {
            byName = true;
        } else if (byInput == nullptr) {
            byInput = graph.inputs()[static_cast<size_t>(symbol.input)];
        }
    }
    if (open.empty()) {
        return "";
    }
    return support::cat("open extents: ", support::join(open, ", "), "; tenon build gives their ranges, ",
                        byInput == nullptr ? "--shapes NAME=1..8..32, by input or by name"
                        : byName           ? support::cat("--shapes NAME=1..8..32, by name where the model has one (",
                                                          support::join(named, ", "), "), else by input, --shapes ",
                                                          exampleOf(*byInput, graph.pool()))
                                           : support::cat("by input, --shapes ", exampleOf(*byInput, graph.pool())));
}

// What somebody must know to build a model: its inputs, its outputs, and what it leaves open.
ExitCode inspectModel(const std::string& path, const InspectOptions& options, ConsoleLogger& logger) {
    BuildSettings settings;
    settings.modules = options.extensions.modules;
    settings.plugins = options.extensions.plugins;
    const ImportedGraph imported = importGraph(path, settings, logger);
    const ir::Graph& graph = *imported.graph;
    if (options.graph) {
        printGraph(ir::print(graph), options.common.json);
        return ExitCode::kOk;
    }
    const std::vector<ir::Node*>& all = graph.nodes();
    const auto constants =
        std::count_if(all.begin(), all.end(), [](const ir::Node* node) { return node->op() == "const"; });
    const auto nodes = static_cast<std::ptrdiff_t>(all.size()) - constants;
    nlohmann::ordered_json document = {
        {"model", path}, {"name", graph.name()}, {"nodes", nodes}, {"constants", constants}};
    if (!options.common.json) {
        std::printf("%s: ONNX model '%s', %td %s and %td %s\n", path.c_str(), graph.name().c_str(), nodes,
                    nodes == 1 ? "node" : "nodes", constants, constants == 1 ? "constant" : "constants");
    }
    const auto list = [&](const char* kind, const std::vector<ir::Value*>& values) {
        nlohmann::ordered_json& entries = document[support::cat(kind, "s")] = nlohmann::ordered_json::array();
        for (const ir::Value* value : values) {
            const std::string type(ir::nameOf(value->type().dtype));
            const std::string extents = extentsText(*value, graph.pool());
            entries.push_back({{"name", value->name()}, {"dtype", type}, {"shape", extents}});
            if (!options.common.json) {
                printTensor(kind, value->name(), value->type().dtype, extents);
            }
        }
    };
    list("input", graph.inputs());
    list("output", graph.outputs());
    if (const std::string open = openExtentsText(imported); !open.empty() && !options.common.json) {
        std::printf("  %s\n", open.c_str());
    }
    if (options.common.json) {
        std::printf("%s\n", document.dump(1).c_str());
    }
    return ExitCode::kOk;
}

} // namespace

void addInspectVerb(CLI::App& tool, VerbAction& action) {
    auto options = std::make_shared<InspectOptions>();
    CLI::App* verb = tool.add_subcommand(
        "inspect", "Show a plan (bindings, steps, memory, what was chosen) or a model's inputs and outputs");
    verb->add_option("plan", options->plan, "Plan or ONNX model")->required();
    verb->add_flag("--graph", options->graph,
                   "Print the final graph as IR text instead, of a model the one before passes");
    options->extensions.addTo(*verb);
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            const std::string file = keptFile(options->plan);
            if (!isPlanFile(file)) {
                ConsoleLogger logger(options->common.threshold());
                return inspectModel(file, *options, logger);
            }
            plan::Plan plan = readPlan(file);
            if (options->graph) {
                printGraph(plan.graphText.view(), options->common.json);
                return ExitCode::kOk;
            }
            if (options->common.json) {
                nlohmann::ordered_json document = nlohmann::ordered_json::parse(plan.inspectorJson.view());
                document["Decisions"] = nlohmann::ordered_json::parse(plan.ledgerJson.view(), nullptr, false);
                std::printf("%s\n", document.dump(1).c_str());
                return ExitCode::kOk;
            }
            std::printf("%s: network '%s', made by Tenon %s at level %d for %s\n", options->plan.c_str(),
                        plan.networkName.c_str(), plan.tenonVersion.c_str(), plan.level,
                        plan.targetFingerprint.c_str());
            for (const plan::PlanDevice& device : plan.devices) {
                std::printf("  on %s\n", deviceText(device).c_str());
            }
            for (const std::string& note : planNotes(plan)) {
                std::printf("note: %s\n", note.c_str());
            }
            const ExtentTexts extents(plan);
            for (const plan::PlanBinding& binding : plan.bindings) {
                printTensor(binding.isInput ? "input" : "output", binding.name, binding.dtype,
                            extents.of(binding.dims));
            }
            for (const plan::PlanProgram& program : plan.programs) {
                if (const std::string ranges = rangesText(plan, program); !ranges.empty()) {
                    std::printf("  %s takes %s\n", program.name.c_str(), ranges.c_str());
                }
            }
            int64_t weights = 0;
            for (const plan::PlanConstant& constant : plan.constants) {
                weights += constant.data ? constant.bytes : 0;
            }
            PlanSummary summary = summarisePlan(plan);
            std::printf("  weights %s, %zu kernels", bytesText(weights).c_str(), plan.kernels.size());
            for (const plan::PlanProgram& program : plan.programs) {
                int64_t activations = program.arenaBytes;
                for (const int64_t bytes : program.deviceArenaBytes) {
                    activations += bytes;
                }
                std::printf(", %s: %zu %s, %s of activations", program.name.c_str(), program.steps.size(),
                            program.steps.size() == 1 ? "step" : "steps", bytesText(activations).c_str());
            }
            std::printf("%s\n", summary.proven ? "" : " (selection not proven optimal)");
            for (const auto& [provider, count] : summary.stepsByProvider) {
                std::printf("  %4d %s by %s\n", count, count == 1 ? "step" : "steps", provider.c_str());
            }
            for (const plan::ModuleRequirement& need : plan.requirements) {
                std::printf("  needs module %s (%s at build) for kernel runtime %s, blob version %u%s\n",
                            need.name.c_str(), need.version.c_str(), need.runtime.c_str(), need.blobVersion,
                            runs(plan, need) ? "" : ", only to derive weights anew");
            }
            if (const std::vector<std::string> shares = timeShares(plan); !shares.empty()) {
                std::printf("where the time goes:\n");
                for (const std::string& line : shares) {
                    std::printf("  %s\n", line.c_str());
                }
                std::printf(
                    "  (each step by itself, as the build timed it at the best shapes; a whole run, which tenon "
                    "bench measures, also has\n   what lies between steps, and finds in the caches what the "
                    "step before left there)\n");
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
