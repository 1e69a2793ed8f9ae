// `tenon`: one binary, a verb per task.
#include "core/support/build_info.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace tenon::tools {

void CommonFlags::addTo(CLI::App& app) {
    app.add_flag("--json", json, "Print one JSON document on standard output; logs go to standard error");
    app.add_flag("-v,--verbose", verbose, "Log more; twice for everything");
    app.add_flag("-q,--quiet", quiet, "Log errors only");
    app.footer(kExitCodesHelp);
}

nvinfer1::ILogger::Severity CommonFlags::threshold() const {
    using Severity = nvinfer1::ILogger::Severity;
    if (quiet) {
        return Severity::kINTERNAL_ERROR; // errors are printed once, by the tool itself
    }
    return verbose >= 2 ? Severity::kVERBOSE : verbose == 1 ? Severity::kINFO : Severity::kWARNING;
}

void BuildFlags::addTo(CLI::App& app) {
    mVerb = &app;
    app.add_option("--shapes", shapes,
                   "Shapes of an input: NAME=1..8..32x3x224x224 (MIN..OPT..MAX or one number per extent)")
        ->allow_extra_args(false);
    app.add_option("--level", level, "Optimization level: 0 no timing, 3 default, 5 everything")
        ->check(CLI::Range(0, 5));
    app.add_option("--timing-cache", timingCache, "File of measured times, read and extended");
    app.add_option("--tuning-db", tuning,
                   "Tuning database, read and extended: times of a device with its description; without the device "
                   "here the plan is for it");
    app.add_option("--module", modules, "Load this module library or manifest as well")->allow_extra_args(false);
    app.add_option("--plugins", plugins, "Load this plugin library")->allow_extra_args(false);
    app.add_option("--backend", backends, "Use only these tactic providers, e.g. reference, cpu, onednn")
        ->allow_extra_args(false);
    app.add_option("--threads", threads, "Threads; 0: all cores")->check(CLI::Range(0, 4096));
    app.add_flag("--bf16", bf16, "Let measured time choose bfloat16 kernels");
    app.add_flag("--fp16", fp16, "Let measured time choose half-precision kernels");
    app.add_flag("--no-tf32", noTf32, "Keep products of f32 exact on devices that would round their operands to TF32");
    app.add_option("--replay", replay, "Take every decision from the ledger of this plan instead of timing");
}

std::map<std::string, std::vector<int64_t>> BuildFlags::shapesOfPlan(const std::string& plan) const {
    for (const char* option : {"--level", "--timing-cache", "--backend", "--bf16", "--fp16", "--no-tf32", "--replay"}) {
        if (mVerb->count(option) > 0) {
            throw ToolError(ExitCode::kUsage, std::string(option) + " is for building, and '" + plan + "' is a plan");
        }
    }
    std::map<std::string, std::vector<int64_t>> extents;
    for (const auto& [name, range] : settings().shapes) {
        if (range.min != range.max) {
            throw ToolError(ExitCode::kUsage, "--shapes " + name + ": a run has one number per extent; '" + plan +
                                                  "' has its ranges from its build");
        }
        extents[name] = range.opt;
    }
    return extents;
}

BuildSettings BuildFlags::settings() const {
    BuildSettings settings;
    for (const std::string& shape : shapes) {
        size_t equals = shape.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw ToolError(ExitCode::kUsage, "--shapes '" + shape + "': expected NAME=SHAPE");
        }
        if (!settings.shapes.emplace(shape.substr(0, equals), parseShapeRange(shape.substr(equals + 1))).second) {
            throw ToolError(ExitCode::kUsage, "--shapes names '" + shape.substr(0, equals) + "' twice");
        }
    }
    settings.level = level;
    settings.timingCacheFile = timingCache;
    settings.tuningFile = tuning;
    settings.modules = modules;
    settings.plugins = plugins;
    settings.providers = backends;
    settings.threads = threads;
    settings.bf16 = bf16;
    settings.fp16 = fp16;
    settings.tf32 = !noTf32;
    settings.replayPlan = replay;
    return settings;
}

} // namespace tenon::tools

int main(int argc, char** argv) {
    using namespace tenon::tools;
    CLI::App tool{"Tenon: build, run and explain inference plans"};
    tool.require_subcommand(1);
    tool.set_version_flag("--version", std::string(tenon::support::versionText()));
    tool.footer(kExitCodesHelp);
    VerbAction action;
    const std::string verb = argc > 1 ? argv[1] : "";
    addBuildVerb(tool, action);
    addRunVerb(tool, action);
    addBenchVerb(tool, action);
    addInspectVerb(tool, action);
    addExplainVerb(tool, action);
    addModulesVerb(tool, action);
    addOptVerb(tool, action);
    if (!verb.empty() && verb.front() != '-') {
        bool known = false;
        std::string verbs;
        for (const CLI::App* each : tool.get_subcommands(nullptr)) {
            known = known || each->get_name() == verb;
            verbs += (verbs.empty() ? "" : ", ") + each->get_name();
        }
        if (!known) {
            std::fprintf(stderr, "error: there is no verb '%s'; the verbs are: %s\n", verb.c_str(), verbs.c_str());
            return static_cast<int>(ExitCode::kUsage);
        }
    }
    try {
        tool.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        int code = tool.exit(error);
        return code == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
    }
    try {
        return static_cast<int>(action());
    } catch (const ToolError& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return static_cast<int>(error.code());
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "error: out of memory\n");
        return static_cast<int>(ExitCode::kEnvironment);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return static_cast<int>(ExitCode::kWrong);
    }
}
