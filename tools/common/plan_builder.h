// From an ONNX file to a plan, through the public API.
// Used by the verbs build, run, bench and by trtexec.
#pragma once

#include "core/ir/graph.h"
#include "tools/common/console.h"
#include "tools/common/data_set.h"
#include "tools/common/host_threads.h"
#include "tools/common/layer_precisions.h"
#include "tools/common/shape_options.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::tools {

struct BuildSettings {
    std::map<std::string, ShapeRange> shapes;
    // Inputs without a range take theirs from here (data sets: smallest, first, largest of each extent), else 1.
    std::vector<DataSet> shapesFrom;
    bool dataNamesFit = false; // the data sets' inputs must have the model's names, or none
    bool dataIsRun = false;    // what cannot run any of the data sets is refused before the build
    // What will be run, by input or by an extent's name: what the ranges do not take is refused before the build.
    std::map<std::string, std::vector<int64_t>> shapesToRun;
    std::optional<int32_t> level; // left out: the API's default, or that of the plan that is replayed
    std::string timingCacheFile;
    bool retime = false;    // its times are measured anew
    std::string tuningFile; // a tuning database, read and extended
    std::vector<std::string> modules;
    std::vector<std::string> plugins;
    std::vector<std::string> providers;
    HostThreads threads; // of the build and of what runs its plan
    bool bf16 = false;
    bool fp16 = false;
    bool verifyAll = false; // compare every tactic with the reference
    bool tf32 = true;       // as TensorRT: allowed unless switched off
    std::string replayPlan; // take every decision from this plan's ledger
    bool errorOnCacheMiss = false;
    bool stronglyTyped = false;
    std::vector<LayerPrecision> layerPrecisions;
    bool obeyPrecisions = true; // else they are preferred
    int32_t avgTiming = 1;
    int32_t maxTactics = -1;
    std::optional<uint32_t> tacticSources; // as IBuilderConfig::setTacticSources takes them
    bool warnOfGuesses = true;             // of extents that nobody gives
    bool keepStopped = false;              // Ctrl-C gives the best plan so far, for a file; else it is an error
};

struct BuiltPlan {
    std::unique_ptr<nvinfer1::IHostMemory> plan;
    double seconds = 0;
    bool cancelled = false; // by Ctrl-C: the best of what was known
};

// Loads modules and plugin libraries by path. Throws ToolError(kEnvironment).
void loadExtensions(const std::vector<std::string>& modules, const std::vector<std::string>& plugins,
                    ConsoleLogger& logger);

// Throws ToolError: kBadInput for the model, kEnvironment for a missing parser, kWrong for a failed build, kStopped.
BuiltPlan buildPlan(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger);

// The graph of a model as the build begins with it, before any pass. Throws ToolError as buildPlan.
// `model` holds the weights that the graph points to. Of the settings modules and plugins count.
struct ImportedGraph {
    std::shared_ptr<const void> model;
    std::unique_ptr<ir::Graph> graph;
    std::vector<std::string> extentNames; // that the model itself gives, which --shapes takes; others are the graph's
};
ImportedGraph importGraph(const std::string& onnxFile, BuildSettings settings, ConsoleLogger& logger);

} // namespace tenon::tools
