// `tenon`: one binary, a verb per task.
#include "core/support/build_info.h"
#include "tools/common/help_formatter.h"
#include "tools/common/nearest.h"
#include "tools/common/number_range.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string_view>

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

void ExtensionFlags::addTo(CLI::App& app) {
    app.add_option("--module", modules, "Load this module library or manifest as well; repeat for more")
        ->type_name("FILE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    app.add_option("--plugins", plugins, "Load this plugin library; repeat for more")
        ->type_name("FILE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
}

void BuildFlags::addTo(CLI::App& app, const std::string& group) {
    mVerb = &app;
    app.add_option(
           "--shapes", shapes,
           "Shapes of input NAME, an extent after the other, each a number or MIN..OPT..MAX: "
           "x=1..8..32x3x224x224. Or the range of the extent that the model calls NAME, at every input that has "
           "it: batch=1..8..32. Once for each name; a plan that is run takes numbers. Left out, open extents of a "
           "model are 1, and a plan runs at its best ones")
        ->type_name("NAME=SHAPE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    extensions.addTo(app);
    app.add_option("--threads", threads.count,
                   "Threads to compute with; 0: one for each core, or as many as a plan was built for")
        ->check(atLeast(0));
    app.add_option("--affinity", threads.processors,
                   "Use these processors only, with each context's threads pinned to them in turn: a list with commas, "
                   "0,2,4; left out: all, without pins")
        ->type_name("CPU[,CPU]")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(between(0, 1 << 20));
    app.add_option("--level", level,
                   "Optimization level: 0, no timing, for trials (the plan is often many times slower than a timed "
                   "one); 3, timed; 5, timed for longer")
        ->check(between(0, 5))
        ->group(group);
    CLI::Option* const cache =
        app.add_option("--timing-cache", timingCache,
                       "File of measured times, read and extended; left out: none are kept. Times that were measured "
                       "while other work kept the processors busy are measured again when it is quiet")
            ->type_name("FILE")
            ->group(group);
    CLI::Option* const database =
        app.add_option("--tuning-db", tuning,
                       "Tuning database, read and extended: times of a device with its description; without the device "
                       "here the plan is for it")
            ->type_name("FILE")
            ->group(group);
    CLI::Option* const anew =
        app.add_flag("--retime", retime, "Measure everything anew, in place of what the timing cache has of this model")
            ->needs(cache)
            ->excludes(database)
            ->group(group);
    app.add_option("--backend", backends,
                   "Use only these tactic providers: a list with commas, reference,cpu,onednn; left out: all")
        ->type_name("NAME[,NAME]")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->group(group);
    app.add_flag("--bf16", bf16, "Let measured time choose bfloat16 kernels")->group(group);
    app.add_flag("--fp16", fp16, "Let measured time choose half-precision kernels: of GPUs; CPUs here have none")
        ->group(group);
    app.add_option("--layer-precision", layerPrecisions,
                   "Hold the layers of this name to f32, f16 or bf16, whatever else the build allows; * in a name "
                   "stands for anything. Repeat for more, later ones override earlier ones: '*/LayerNorm/*=f32'")
        ->type_name("NAME=TYPE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false)
        ->group(group);
    app.add_flag("--no-tf32", noTf32, "Keep products of f32 exact on devices that would round their operands to TF32")
        ->group(group);
    app.add_flag("--verify-all", verifyAll, "Compare every tactic with the reference, not only those that are chosen")
        ->group(group);
    app.add_option(
           "--replay", replay,
           "Take every decision from the ledger of this plan instead of timing, at its level, with its threads; other "
           "options must be those that it was built with")
        ->type_name("PLAN")
        ->excludes(anew)
        ->group(group);
}

std::map<std::string, std::vector<int64_t>> BuildFlags::shapesOfPlan(const std::string& plan) const {
    for (const char* option : {"--level", "--timing-cache", "--tuning-db", "--backend", "--bf16", "--fp16", "--no-tf32",
                               "--layer-precision", "--replay", "--verify-all"}) {
        if (mVerb->count(option) > 0) {
            throw ToolError(ExitCode::kUsage, std::string(option) + " is for building, and '" + plan + "' is a plan");
        }
    }
    std::map<std::string, std::vector<int64_t>> extents;
    for (const auto& [name, range] : ranges()) {
        if (range.min != range.max) {
            throw ToolError(ExitCode::kUsage, "--shapes " + name + ": a run has one number per extent; '" + plan +
                                                  "' has its ranges from its build");
        }
        extents[name] = range.opt;
    }
    return extents;
}

std::map<std::string, ShapeRange> BuildFlags::ranges() const {
    std::map<std::string, ShapeRange> ranges;
    for (const std::string& shape : shapes) {
        size_t equals = shape.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw ToolError(ExitCode::kUsage, "--shapes '" + shape + "': expected NAME=SHAPE");
        }
        if (!ranges.emplace(shape.substr(0, equals), parseShapeRange(shape.substr(equals + 1))).second) {
            throw ToolError(ExitCode::kUsage, "--shapes names '" + shape.substr(0, equals) + "' twice");
        }
    }
    return ranges;
}

BuildSettings BuildFlags::settings(ConsoleLogger& logger) const {
    restrictTo(threads.processors);
    checkThreadCount("--threads", threads.count, logger);
    BuildSettings settings;
    settings.shapes = ranges();
    if (mVerb->count("--level") > 0) {
        settings.level = level;
    }
    settings.timingCacheFile = timingCache;
    settings.retime = retime;
    settings.tuningFile = tuning;
    settings.modules = extensions.modules;
    settings.plugins = extensions.plugins;
    settings.providers = backends;
    settings.threads = threads;
    settings.bf16 = bf16;
    settings.fp16 = fp16;
    settings.tf32 = !noTf32;
    for (const std::string& each : layerPrecisions) {
        settings.layerPrecisions.push_back(parseLayerPrecision("--layer-precision", each, '='));
    }
    settings.replayPlan = replay;
    settings.verifyAll = verifyAll;
    return settings;
}

namespace {

// Options of the verb that look like one that it does not have: "; did you mean --shapes?"
std::string suggestionFor(const CLI::App& tool, int argc, char** argv) {
    const CLI::App* const verb = tool.get_subcommands().empty() ? &tool : tool.get_subcommands().front();
    std::string text;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = std::string_view(argv[i]).substr(0, std::string_view(argv[i]).find('='));
        if (!word.starts_with("--") || verb->get_option_no_throw(std::string(word)) != nullptr) {
            continue;
        }
        std::string nearest;
        size_t best = 3; // further apart, it is another word
        for (const CLI::Option* option : verb->get_options()) {
            for (const std::string& name : option->get_lnames()) {
                if (const size_t d = distance(word.substr(2), name); d < best) {
                    best = d;
                    nearest = name;
                }
            }
        }
        if (!nearest.empty()) {
            text += "; did you mean --" + nearest + "?";
        }
    }
    return text;
}

} // namespace

} // namespace tenon::tools

int main(int argc, char** argv) {
    using namespace tenon::tools;
    takeInterrupts();
    CLI::App tool{"Tenon: build, run and explain inference plans"};
    HelpFormatter::use(tool);
    tool.require_subcommand(1);
    tool.set_version_flag("--version", std::string(tenon::support::versionText()));
    tool.footer(kExitCodesHelp);
    const auto fail = [argc, argv](ExitCode code, const std::string& why) {
        printLog(nvinfer1::ILogger::Severity::kERROR, why);
        // Whoever reads the document of a verb gets one also when there is no result.
        if (std::any_of(argv + 1, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; })) {
            const nlohmann::json error = {{"exit_code", static_cast<int>(code)}, {"message", why}};
            const nlohmann::json document = {{"error", error}};
            std::printf("%s\n", document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        }
        return static_cast<int>(code);
    };
    VerbAction action;
    const std::string verb = argc > 1 ? argv[1] : "";
    addBuildVerb(tool, action);
    addRunVerb(tool, action);
    addBenchVerb(tool, action);
    addInspectVerb(tool, action);
    addExplainVerb(tool, action);
    addModulesVerb(tool, action);
    addOptVerb(tool, action);
    addOpsVerb(tool, action);
    std::vector<char*> words(argv, argv + argc);
    if (!verb.empty() && verb.front() != '-') {
        bool known = false;
        std::string verbs;
        for (const CLI::App* each : tool.get_subcommands(nullptr)) {
            known = known || each->get_name() == verb;
            verbs += (verbs.empty() ? "" : ", ") + each->get_name();
        }
        std::error_code unreadable;
        static char inspect[] = "inspect";
        if (!known && std::filesystem::is_regular_file(verb, unreadable)) {
            words.insert(words.begin() + 1, inspect); // a file alone: what is in it
        } else if (!known) {
            return fail(ExitCode::kUsage, "there is no verb '" + verb + "'; the verbs are: " + verbs);
        }
    }
    try {
        tool.parse(static_cast<int>(words.size()), words.data());
    } catch (const CLI::ExtrasError& error) {
        return fail(ExitCode::kUsage, error.what() + suggestionFor(tool, argc, argv));
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            return tool.exit(error); // --help, --version
        }
        return fail(ExitCode::kUsage, std::string(error.what()) + "; --help says more");
    }
    try {
        return static_cast<int>(action());
    } catch (const ToolError& error) {
        return fail(error.code(), error.what());
    } catch (const std::bad_alloc&) {
        return fail(ExitCode::kEnvironment, "out of memory");
    } catch (const std::exception& error) {
        return fail(ExitCode::kWrong, error.what());
    }
}
