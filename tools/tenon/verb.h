// A verb of the tool: its options, what it does. One file per verb.
#pragma once

#include "tools/common/console.h"
#include "tools/common/engine_session.h"
#include "tools/common/exit_code.h"
#include "tools/common/plan_builder.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace tenon::tools {

// What is loaded beside the modules that are found: for models with ops that a module or a plugin library brings.
struct ExtensionFlags {
    std::vector<std::string> modules;
    std::vector<std::string> plugins;
    void addTo(CLI::App& app);
};

// Options that verbs which may build share.
struct BuildFlags {
    std::vector<std::string> shapes;
    int level = 3;
    std::string timingCache;
    bool retime = false;
    std::string tuning;
    ExtensionFlags extensions;
    std::vector<std::string> backends;
    HostThreads threads;
    bool bf16 = false;
    bool fp16 = false;
    bool noTf32 = false;
    std::vector<std::string> layerPrecisions;
    bool verifyAll = false;
    std::string replay;

    // `group`: the heading of what only building knows.
    void addTo(CLI::App& app, const std::string& group);
    // Keeps the process to the processors of --affinity. Throws ToolError(kUsage).
    BuildSettings settings(ConsoleLogger& logger) const;
    // Extents to run a plan with, from --shapes. Throws ToolError(kUsage) where an option was given that only building knows.
    std::map<std::string, std::vector<int64_t>> shapesOfPlan(const std::string& plan) const;

private:
    std::map<std::string, ShapeRange> ranges() const; // of --shapes
    const CLI::App* mVerb = nullptr;
};

// Options of every verb.
struct CommonFlags {
    bool json = false;
    int verbose = 0;
    bool quiet = false;
    void addTo(CLI::App& app);
    nvinfer1::ILogger::Severity threshold() const;
};

// Adds the verb to the tool. The action runs after parsing and returns the exit code; it may throw ToolError.
using VerbAction = std::function<ExitCode()>;
void addBuildVerb(CLI::App& tool, VerbAction& action);
void addRunVerb(CLI::App& tool, VerbAction& action);
void addBenchVerb(CLI::App& tool, VerbAction& action);
void addInspectVerb(CLI::App& tool, VerbAction& action);
void addExplainVerb(CLI::App& tool, VerbAction& action);
void addModulesVerb(CLI::App& tool, VerbAction& action);
void addOptVerb(CLI::App& tool, VerbAction& action);
void addOpsVerb(CLI::App& tool, VerbAction& action);

// The conformance kit on a module library or manifest. Throws ToolError.
ExitCode testModule(const std::string& path, const CommonFlags& flags);

} // namespace tenon::tools
