// What trtexec is told: TensorRT's flags, those with a meaning here and those without.
// Used by trtexec alone. Knows no engine.
#pragma once

#include "tools/common/benchmark.h"
#include "tools/common/shape_options.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenon::tools {

struct TrtexecOptions {
    std::string onnx;
    std::string saveEngine;
    std::string loadEngine;
    std::string minShapes;
    std::string optShapes;
    std::string maxShapes;
    std::string shapes;
    std::string loadInputs;
    std::string timingCacheFile;
    std::string tacticSources;
    std::string exportTimes;
    std::string exportOutput;
    std::string exportProfile;
    std::string exportLayerInfo;
    std::vector<std::string> plugins;
    std::vector<double> percentiles = {90, 95, 99};
    BenchmarkSettings bench;
    int level = 3;
    int32_t avgTiming = 1;
    int32_t maxTactics = -1;
    int32_t streams = 1;
    int32_t device = 0;
    int64_t avgRuns = 10;
    bool fp16 = false;
    bool bf16 = false;
    bool best = false;
    bool noTf32 = false;
    bool stronglyTyped = false;
    std::string precisionConstraints = "none";
    std::vector<std::string> layerPrecisions;
    bool errorOnTimingCacheMiss = false;
    bool graph = false;
    bool skipInference = false;
    bool dumpOutput = false;
    bool dumpProfile = false;
    bool dumpLayerInfo = false;
    bool verbose = false;
    bool averages = false; // --avgRuns was given
    std::string needless;  // values of flags that have no effect

    void addTo(CLI::App& tool);
    // After parsing: what contradicts itself. Throws ToolError(kUsage). Warns of flags without effect.
    void check(const CLI::App& tool);
    // min, opt and max of what the flags name: inputs, and extents by their names. Throws ToolError(kUsage).
    std::map<std::string, ShapeRange> ranges() const;
    std::map<std::string, std::vector<int64_t>> shapesToRun() const;
    // As IBuilderConfig::setTacticSources takes them. Throws ToolError(kUsage).
    std::optional<uint32_t> sources() const;
    // Files by input. Throws ToolError(kUsage).
    std::map<std::string, std::string> inputFiles() const;
};

} // namespace tenon::tools
