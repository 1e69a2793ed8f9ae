// trtexec: TensorRT's command line over the same engine code. Flags that Tenon does not have are refused by name.
#include "core/support/build_info.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/help_formatter.h"
#include "tools/common/output_file.h"
#include "tools/trtexec/report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace tenon::tools;
using tenon::support::cat;

BuildSettings buildSettings(const TrtexecOptions& options, const HostThreads& threads) {
    BuildSettings settings;
    settings.shapes = options.ranges();
    settings.shapesToRun = options.shapesToRun();
    settings.level = options.level;
    settings.threads = threads;
    settings.timingCacheFile = options.timingCacheFile;
    settings.errorOnCacheMiss = options.errorOnTimingCacheMiss;
    settings.plugins = options.plugins;
    settings.fp16 = options.fp16;
    settings.bf16 = options.bf16;
    settings.tf32 = !options.noTf32;
    settings.stronglyTyped = options.stronglyTyped;
    settings.obeyPrecisions = options.precisionConstraints == "obey";
    for (const std::string& each : options.layerPrecisions) {
        settings.layerPrecisions.push_back(parseLayerPrecision("--layerPrecisions", each, ':'));
    }
    // As TensorRT has it, * is for the layers that nothing else names, wherever it stands.
    std::stable_partition(settings.layerPrecisions.begin(), settings.layerPrecisions.end(),
                          [](const LayerPrecision& each) { return each.pattern == "*"; });
    if (options.precisionConstraints == "none") {
        settings.layerPrecisions.clear();
    }
    settings.avgTiming = options.avgTiming;
    settings.maxTactics = options.maxTactics;
    settings.tacticSources = options.sources();
    settings.keepStopped = !options.saveEngine.empty();
    return settings;
}

// Files that are written: each by itself, and none of them read.
void checkFiles(const TrtexecOptions& options) {
    using Named = std::pair<std::string, std::string>; // flag, path
    std::vector<Named> inputs = {{"--onnx", options.onnx}, {"--loadEngine", options.loadEngine}};
    for (const auto& [name, path] : options.inputFiles()) {
        inputs.emplace_back("--loadInputs", path);
        // What is a pipe gives its bytes once: to the run.
        std::error_code error;
        if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
            continue;
        }
        if (const auto file = tenon::support::FileMap::open(path); !file.ok()) {
            throw ToolError(exitCodeOf(file.status()), cat("--loadInputs: ", file.status().message()));
        }
    }
    std::vector<Named> earlier;
    for (const Named& output :
         {Named{"--saveEngine", options.saveEngine}, Named{"--exportTimes", options.exportTimes},
          Named{"--exportOutput", options.exportOutput}, Named{"--exportProfile", options.exportProfile},
          Named{"--exportLayerInfo", options.exportLayerInfo},
          Named{"--timingCacheFile", options.loadEngine.empty() ? options.timingCacheFile : ""}}) {
        const auto& [flag, path] = output;
        if (path.empty()) {
            continue;
        }
        for (const auto& [other, read] : inputs) {
            if (!read.empty() && isSameFile(path, read)) {
                throw ToolError(ExitCode::kUsage,
                                cat(flag, " would overwrite '", read, "', ",
                                    other == "--onnx" ? "the model itself" : cat("which ", other, " reads")));
            }
        }
        for (const auto& [other, written] : earlier) {
            if (isSameFile(path, written)) {
                throw ToolError(ExitCode::kUsage,
                                cat(other, " and ", flag, " both write '", path, "'; give each a file of its own"));
            }
        }
        checkOutput(path, options.onnx.empty() ? options.loadEngine : options.onnx);
        earlier.push_back(output);
    }
}

// What can be known to be wrong before a build of minutes.
void checkBeforeWork(const TrtexecOptions& options) {
    checkFiles(options);
    if (options.device > 0) {
        if (EngineSession::deviceCount() > 0) {
            throw ToolError(ExitCode::kUsage, cat("--device=", options.device,
                                                  ": Tenon uses the first GPU; CUDA_VISIBLE_DEVICES=", options.device,
                                                  " makes this one the first"));
        }
        std::fprintf(stderr, "[W] --device has no effect: there is no GPU here\n");
    }
}

// Random inputs, and those that files bring.
std::vector<HostTensor> inputsOf(EngineSession& session, const TrtexecOptions& options) {
    std::vector<HostTensor> inputs = session.randomInputs(options.shapesToRun());
    for (const auto& [name, path] : options.inputFiles()) {
        session.requireInput("--loadInputs", name);
        for (HostTensor& input : inputs) {
            if (input.name != name) {
                continue;
            }
            if (path.ends_with(".npy") || path.ends_with(".pb")) {
                input = readTensorFile(path);
                input.name = name;
                continue;
            }
            const tenon::support::Result<tenon::support::FileMap> file = tenon::support::FileMap::open(path);
            if (!file.ok()) {
                throw ToolError(exitCodeOf(file.status()), file.status().message());
            }
            if (file->size() != input.bytes.size()) {
                throw ToolError(ExitCode::kBadInput,
                                cat("'", path, "' has ", file->size(), " bytes; input '", name, "' of shape ",
                                    shapeText(input.dims), " has ", input.bytes.size()));
            }
            std::memcpy(input.bytes.data(), file->data(), file->size());
        }
    }
    return inputs;
}

void reportLayers(EngineSession& session, const TrtexecOptions& options) {
    if (!options.dumpLayerInfo && options.exportLayerInfo.empty()) {
        return;
    }
    const std::unique_ptr<nvinfer1::IEngineInspector> inspector(session.engine().createEngineInspector());
    if (options.dumpLayerInfo) {
        std::printf("[I] Layer Information:\n%s\n",
                    inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kONELINE));
    }
    if (!options.exportLayerInfo.empty()) {
        writeOutput(options.exportLayerInfo, inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON));
    }
}

void measure(std::unique_ptr<EngineSession> session, const TrtexecOptions& options) {
    const bool graph = options.graph && session->hasDevice();
    if (options.graph && !graph) {
        std::fprintf(stderr, "[W] --useCudaGraph has no effect: the plan computes on the CPU\n");
    }
    std::vector<HostTensor> inputs = inputsOf(*session, options);
    const Streams streams(std::move(session), options.streams, std::move(inputs), graph);
    EngineSession& first = *streams.sessions.front();
    const BenchmarkResult result = benchmark(streams, options.bench);
    printSummary(options, result, result.stopped ? std::vector<double>() : first.enqueueTimes(201));
    if (const std::string busy = loadText(result); !busy.empty()) {
        printLog(nvinfer1::ILogger::Severity::kWARNING, busy, LogMarks::kLetters);
    }
    if (!options.exportTimes.empty()) {
        exportTimes(options.exportTimes, result);
    }
    if (result.stopped) {
        throw ToolError(ExitCode::kStopped, "stopped: these are the times so far");
    }
    if (options.dumpOutput || !options.exportOutput.empty()) {
        const std::vector<HostTensor> outputs = first.outputs();
        if (options.dumpOutput) {
            printOutputs(outputs);
        }
        if (!options.exportOutput.empty()) {
            exportOutputs(options.exportOutput, outputs);
        }
    }
    if (options.dumpProfile || !options.exportProfile.empty()) {
        const LayerTimes layers =
            first.profile(static_cast<int32_t>(std::clamp<int64_t>(options.bench.iterations, 10, 1000)));
        if (options.dumpProfile) {
            printProfile(layers);
        }
        if (!options.exportProfile.empty()) {
            exportProfile(options.exportProfile, layers);
        }
    }
}

void run(const TrtexecOptions& options) {
    ConsoleLogger logger(options.verbose ? nvinfer1::ILogger::Severity::kVERBOSE
                                         : nvinfer1::ILogger::Severity::kWARNING,
                         LogMarks::kLetters);
    const HostThreads threads{threadsPerStream(options.streams), {}};
    checkBeforeWork(options);
    std::unique_ptr<EngineSession> session;
    if (!options.loadEngine.empty()) {
        loadExtensions({}, options.plugins, logger);
        session = EngineSession::fromFile(options.loadEngine, threads, logger);
    } else {
        const BuiltPlan built = buildPlan(options.onnx, buildSettings(options, threads), logger);
        std::printf("[I] Engine built in %.3f sec.\n", built.seconds);
        if (!options.saveEngine.empty()) {
            const std::string written = savePlan(options.saveEngine, built);
            if (built.cancelled) {
                throw ToolError(ExitCode::kStopped, stoppedText(written, options.saveEngine));
            }
        }
        session = EngineSession::fromMemory(built.plan->data(), built.plan->size(), threads, logger);
    }
    std::printf("[I] Engine deserialized in %.4f sec.\n", session->loadSeconds());
    reportLayers(*session, options);
    if (!options.skipInference) {
        measure(std::move(session), options);
    }
}

} // namespace

int main(int argc, char** argv) {
    takeInterrupts(LogMarks::kLetters);
    TrtexecOptions options;
    CLI::App tool{"trtexec: build and measure an engine, with TensorRT's flags"};
    HelpFormatter::use(tool);
    options.addTo(tool);
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
    const auto fail = [](const std::string& why) {
        printLog(nvinfer1::ILogger::Severity::kERROR, why, LogMarks::kLetters);
    };
    try {
        tool.parse(argc, argv);
        options.check(tool);
        run(options);
        return finish(ExitCode::kOk);
    } catch (const CLI::ExtrasError& error) {
        fail(cat(error.what(), ". Tenon's trtexec does not have every flag of TensorRT's; --help lists its own"));
        return finish(ExitCode::kUsage);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            return tool.exit(error); // --help
        }
        fail(cat(error.what(), "; --help says more"));
        return finish(ExitCode::kUsage);
    } catch (const ToolError& error) {
        fail(error.what());
        return finish(error.code());
    } catch (const std::exception& error) {
        fail(error.what());
        return finish(ExitCode::kWrong);
    }
}
