// tenon opt: one pass, or the whole pipeline, on IR text or an ONNX model; and which regions the patterns find in what comes out.
#include "core/ir/parser.h"
#include "core/ir/printer.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/pipeline.h"
#include "core/schedule/folding.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "registry/module_registry.h"
#include "tools/common/file_kind.h"
#include "tools/common/pipe_input.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>

namespace tenon::tools {

namespace {

ImportedGraph readGraph(const std::string& path, const CommonFlags& flags) {
    requireFile(path, WantedFile::kGraph);
    if (!isGraphText(path)) {
        ConsoleLogger logger(flags.threshold());
        return importGraph(path, {}, logger);
    }
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (!file.ok()) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
    support::Result<std::unique_ptr<ir::Graph>> graph = ir::parseGraph(file->text());
    if (!graph.ok()) {
        throw ToolError(ExitCode::kBadInput,
                        support::cat("'", path, "': ", graph.status().toString(),
                                     file->text().find("@hash:") != std::string_view::npos
                                         ? "; text names large constants by their hash: give the ONNX model instead"
                                         : ""));
    }
    return {nullptr, std::move(*graph)};
}

// How many there are by pattern and label.
void printRegions(const ir::Graph& graph, const ops::OpRegistry& ops, bool json) {
    nlohmann::json all = nlohmann::json::object();
    for (const passes::Pattern& pattern : passes::allPatterns()) {
        std::vector<passes::Region> regions;
        pattern.find(graph, ops, regions);
        std::map<std::string, int> counts;
        for (const passes::Region& region : regions) {
            ++counts[region.label];
        }
        for (const auto& [label, count] : counts) {
            all[std::string(pattern.name)][label] = count;
            if (!json) {
                std::printf("%-28s %-44s %d\n", std::string(pattern.name).c_str(), label.c_str(), count);
            }
        }
    }
    if (json) {
        std::printf("%s\n", nlohmann::json{{"regions", all}}.dump(1).c_str());
    }
}

} // namespace

void addOptVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string file;
        std::string pass;
        bool regions = false;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand("opt", "Run one pass (or all) on a graph and print the result");
    verb->add_option("file", options->file, "ONNX model (.onnx) or IR text (.tir)");
    verb->add_option("--pass", options->pass, "Name of the pass [default: the standard pipeline]; 'list' lists them")
        ->type_name("NAME");
    verb->add_flag("--regions", options->regions,
                   "Instead of the graph, how many regions of each kind the fusion patterns find in it");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            if (options->pass == "list") {
                nlohmann::ordered_json list = nlohmann::ordered_json::array();
                for (const passes::Pass& pass : passes::allPasses()) {
                    list.push_back({{"name", pass.name}, {"doc", pass.doc}});
                    if (!options->common.json) {
                        std::printf("%-24s %s\n", std::string(pass.name).c_str(), std::string(pass.doc).c_str());
                    }
                }
                if (options->common.json) {
                    std::printf("%s\n", nlohmann::ordered_json{{"passes", std::move(list)}}.dump(1).c_str());
                }
                return ExitCode::kOk;
            }
            if (options->file.empty()) {
                throw ToolError(ExitCode::kUsage, "the file to work on is missing; --help says more");
            }
            const ImportedGraph read = readGraph(keptFile(options->file), options->common);
            const std::unique_ptr<ir::Graph>& graph = read.graph;
            std::shared_ptr<const registry::RegistrySnapshot> snapshot = registry::ModuleRegistry::process().snapshot();
            support::Result<std::unique_ptr<schedule::HostEvaluator>> evaluator =
                schedule::HostEvaluator::make(snapshot);
            if (!evaluator.ok()) {
                throw ToolError(ExitCode::kEnvironment, evaluator.status().message());
            }
            passes::PassContext context{*graph, snapshot->ops(), nullptr, evaluator->get()};
            support::Status status;
            if (options->pass.empty()) {
                status = passes::runPipeline(context);
            } else {
                const passes::Pass* pass = passes::findPass(options->pass);
                if (!pass) {
                    throw ToolError(ExitCode::kUsage,
                                    support::cat("there is no pass '", options->pass, "'; --pass=list lists them"));
                }
                status = passes::runPass(context, *pass).status();
            }
            if (!status.ok()) {
                throw ToolError(ExitCode::kWrong, status.toString());
            }
            if (options->regions) {
                printRegions(*graph, snapshot->ops(), options->common.json);
                return ExitCode::kOk;
            }
            std::string text = ir::print(*graph);
            if (options->common.json) {
                std::printf("%s\n", nlohmann::json{{"graph", text}}.dump(1).c_str());
            } else {
                std::printf("%s", text.c_str());
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
