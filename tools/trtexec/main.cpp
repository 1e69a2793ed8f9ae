// trtexec: TensorRT's command line over the same engine code. Flags that Tenon does not have yet are refused by name.
#include "core/support/build_info.h"
#include "core/support/file_map.h"
#include "tools/common/benchmark.h"
#include "tools/common/exit_code.h"
#include "tools/common/plan_builder.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

namespace {

using namespace tenon::tools;

struct Options {
    std::string onnx;
    std::string saveEngine;
    std::string loadEngine;
    std::string minShapes;
    std::string optShapes;
    std::string maxShapes;
    std::string shapes;
    std::string timingCacheFile;
    std::vector<std::string> plugins;
    int level = 3;
    int64_t iterations = 10;
    double duration = 3;
    double warmUp = 200;
    int32_t streams = 1;
    bool fp16 = false;
    bool bf16 = false;
    bool noTf32 = false;
    bool graph = false;
    bool skipInference = false;
    bool verbose = false;
    std::string needless; // values of flags that have no effect
};

// What TensorRT's tool is told and Tenon need not be. A flag whose absence would change a result is not among them.
struct NeedlessFlag {
    const char* name;
    const char* why;
};
constexpr NeedlessFlag kNeedlessFlags[] = {
    {"memPoolSize", "Tenon takes the memory that the chosen kernels need"},
    {"workspace", "Tenon takes the memory that the chosen kernels need"},
    {"explicitBatch", "every network is one"},
    {"noDataTransfers", "inputs are copied once, before measuring"},
    {"useSpinWait", "threads that wait look before they sleep"},
    {"threads", "every stream has a thread of its own"},
    {"avgRuns", "every run is measured"},
    {"separateProfileRun", "profiles are always runs of their own"},
};

// min, opt and max from the flags; an input that only some of them name takes those for all.
std::map<std::string, ShapeRange> ranges(const Options& options) {
    std::map<std::string, ShapeRange> result;
    auto fill = [&](const std::string& text, std::vector<int64_t> ShapeRange::*member) {
        if (!text.empty()) {
            for (auto& [name, dims] : parseNamedShapes(text)) {
                result[name].*member = dims;
            }
        }
    };
    fill(options.minShapes, &ShapeRange::min);
    fill(options.optShapes, &ShapeRange::opt);
    fill(options.maxShapes, &ShapeRange::max);
    if (result.empty()) {
        fill(options.shapes, &ShapeRange::opt);
    }
    for (auto& [name, range] : result) {
        if (range.opt.empty()) {
            range.opt = range.max.empty() ? range.min : range.max;
        }
        range.min = range.min.empty() ? range.opt : range.min;
        range.max = range.max.empty() ? range.opt : range.max;
    }
    return result;
}

void run(const Options& options) {
    ConsoleLogger logger(options.verbose ? nvinfer1::ILogger::Severity::kVERBOSE
                                         : nvinfer1::ILogger::Severity::kWARNING);
    const HostThreads threads{threadsPerStream(options.streams), {}};
    std::unique_ptr<EngineSession> session;
    if (!options.loadEngine.empty()) {
        loadExtensions({}, options.plugins, logger);
        session = EngineSession::fromFile(options.loadEngine, threads, logger);
    } else {
        BuildSettings settings;
        settings.shapes = ranges(options);
        settings.level = options.level;
        settings.threads = threads;
        settings.timingCacheFile = options.timingCacheFile;
        settings.plugins = options.plugins;
        settings.fp16 = options.fp16;
        settings.bf16 = options.bf16;
        settings.tf32 = !options.noTf32;
        if (!options.saveEngine.empty()) {
            checkOutput(options.saveEngine, options.onnx);
        }
        BuiltPlan built = buildPlan(options.onnx, settings, logger);
        std::printf("[I] Engine built in %.3f sec.\n", built.seconds);
        if (!options.saveEngine.empty()) {
            tenon::support::Status written = tenon::support::writeFileAtomically(
                options.saveEngine, std::string_view(static_cast<const char*>(built.plan->data()), built.plan->size()));
            if (!written.ok()) {
                throw ToolError(ExitCode::kEnvironment, written.message());
            }
        }
        session = EngineSession::fromMemory(built.plan->data(), built.plan->size(), threads, logger);
    }
    std::printf("[I] Engine deserialized in %.4f sec.\n", session->loadSeconds());
    if (options.skipInference) {
        return;
    }
    const Streams streams(std::move(session), options.streams,
                          options.shapes.empty() ? std::map<std::string, std::vector<int64_t>>{}
                                                 : parseNamedShapes(options.shapes),
                          options.graph);
    BenchmarkSettings settings;
    settings.iterations = options.iterations;
    settings.seconds = options.duration;
    settings.warmUpMs = options.warmUp;
    BenchmarkResult result = benchmark(streams, settings);
    std::printf("[I] === Performance summary ===\n");
    std::printf("[I] Throughput: %g qps\n", result.throughput());
    std::printf("[I] Latency: min = %g ms, max = %g ms, mean = %g ms, median = %g ms, percentile(90%%) = %g ms, "
                "percentile(95%%) = %g ms, "
                "percentile(99%%) = %g ms\n",
                result.minimum(), result.percentile(100), result.mean(), result.percentile(50), result.percentile(90),
                result.percentile(95), result.percentile(99));
    std::printf("[I] Total Host Walltime: %g s\n", result.wallSeconds);
}

} // namespace

int main(int argc, char** argv) {
    takeInterrupts();
    Options options;
    CLI::App tool{"trtexec: build and measure an engine, with TensorRT's flags"};
    tool.add_option("--onnx", options.onnx, "ONNX model");
    tool.add_option("--saveEngine", options.saveEngine, "Write the plan there");
    tool.add_option("--loadEngine", options.loadEngine, "Measure this plan instead of building one");
    tool.add_option("--minShapes", options.minShapes, "Smallest shapes: input:1x3x224x224,other:1x4");
    tool.add_option("--optShapes", options.optShapes, "Shapes to optimise for");
    tool.add_option("--maxShapes", options.maxShapes, "Largest shapes");
    tool.add_option("--shapes", options.shapes, "Shapes to run with");
    tool.add_option("--timingCacheFile", options.timingCacheFile, "File of measured times, read and extended");
    tool.add_option("--plugins,--dynamicPlugins,--staticPlugins", options.plugins, "Load this plugin library")
        ->allow_extra_args(false);
    tool.add_option("--builderOptimizationLevel", options.level, "0 no timing, 3 default, 5 everything")
        ->check(CLI::Range(0, 5));
    tool.add_option("--iterations", options.iterations, "Timed runs, at least")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
    tool.add_option("--duration", options.duration, "Seconds to measure, at least")->check(CLI::Range(0.0, 1e6));
    tool.add_option("--warmUp", options.warmUp, "Milliseconds to run before")->check(CLI::Range(0.0, 1e9));
    tool.add_option("--infStreams,--streams", options.streams, "Contexts that run at the same time")
        ->check(CLI::Range(1, 1024));
    tool.add_flag("--fp16", options.fp16, "Let measured time choose half-precision kernels");
    tool.add_flag("--bf16", options.bf16, "Let measured time choose bfloat16 kernels");
    tool.add_flag("--useCudaGraph", options.graph, "Record the run on the device and replay it");
    tool.add_flag("--noTF32", options.noTf32, "Keep products of f32 exact on devices that would round to TF32");
    tool.add_flag("--skipInference,--buildOnly", options.skipInference, "Build or load only");
    tool.add_flag("--verbose", options.verbose, "Log everything");
    for (const NeedlessFlag& flag : kNeedlessFlags) {
        tool.add_option(std::string("--") + flag.name, options.needless, "No effect: " + std::string(flag.why))
            ->expected(0, 1)
            ->allow_extra_args(false)
            ->group("Accepted for scripts written for TensorRT");
    }
    tool.footer(std::string("The other flags of TensorRT's trtexec are not supported yet and are refused.\n") +
                kExitCodesHelp);

    std::string title = "TensorRT.trtexec [Tenon " + std::string(tenon::support::versionText()) + "] #";
    for (int i = 0; i < argc; ++i) {
        title += std::string(" ") + argv[i];
    }
    std::printf("&&&& RUNNING %s\n", title.c_str());
    std::fflush(stdout);
    auto finish = [&](ExitCode code) {
        std::printf("&&&& %s %s\n", code == ExitCode::kOk ? "PASSED" : "FAILED", title.c_str());
        return static_cast<int>(code);
    };
    try {
        tool.parse(argc, argv);
        if (options.onnx.empty() == options.loadEngine.empty()) {
            throw ToolError(ExitCode::kUsage, "give a model with --onnx or a plan with --loadEngine");
        }
        for (const NeedlessFlag& flag : kNeedlessFlags) {
            if (tool.count(std::string("--") + flag.name) > 0) {
                std::fprintf(stderr, "[W] --%s has no effect: %s\n", flag.name, flag.why);
            }
        }
        run(options);
        return finish(ExitCode::kOk);
    } catch (const CLI::ExtrasError& error) {
        std::fprintf(stderr, "[E] %s. Tenon's trtexec does not have every flag of TensorRT's; --help lists its own\n",
                     error.what());
        return finish(ExitCode::kUsage);
    } catch (const CLI::ParseError& error) {
        int code = tool.exit(error);
        return code == 0 ? 0 : finish(ExitCode::kUsage);
    } catch (const ToolError& error) {
        std::fprintf(stderr, "[E] %s\n", error.what());
        return finish(error.code());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "[E] %s\n", error.what());
        return finish(ExitCode::kWrong);
    }
}
