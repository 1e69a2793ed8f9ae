#include "tools/common/plan_builder.h"

#include "core/api/lower_network.h"
#include "core/api/type_convert.h"
#include "core/schedule/timing_cache.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "registry/module_registry.h"
#include "tools/common/exit_code.h"
#include "tools/common/file_kind.h"
#include "tools/common/model_profile.h"
#include "tools/common/output_file.h"
#include "tools/common/replay.h"

#include <chrono>
#include <filesystem>
#include <limits>

namespace tenon::tools {

namespace {

using support::cat;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void readTimingCache(const std::string& path, std::string& bytes) {
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (file.ok()) {
        bytes = file->text();
        if (bytes.starts_with("\x1f\x8b")) {
            throw ToolError(ExitCode::kBadInput, cat("'", path,
                                                     "' is compressed, and is read and extended as text: "
                                                     "unpack it first (gunzip -k ",
                                                     path, ")"));
        }
    } else if (file.code() != support::Code::kNotFound) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
}

// An empty one instead of what cannot be read, where nobody loses anything by it.
void replaceBrokenTimes(const std::string& path, std::string_view text, ConsoleLogger& logger) {
    const std::string why = schedule::TimingCache::deserialize(text).status().message();
    switch (schedule::TimingCache::whyRefused(text)) {
    case schedule::TimingCache::Refused::kOther:
        throw ToolError(ExitCode::kUsage,
                        cat("--timing-cache: '", path, "' is some other file, and stays as it is; name a new one"));
    case schedule::TimingCache::Refused::kUnusable:
        throw ToolError(ExitCode::kBadInput,
                        cat("--timing-cache: '", path, "' cannot be used and stays as it is; name a new one: ", why));
    case schedule::TimingCache::Refused::kBroken:
        logger.warn(cat("--timing-cache: '", path, "' cannot be used and is made anew: ", why));
    }
}

void saveTimes(const std::string& path, const std::unique_ptr<nvinfer1::IHostMemory>& bytes) {
    if (!bytes) {
        throw ToolError(ExitCode::kWrong, "the measured times cannot be serialized");
    }
    writeOutput(path, std::string_view(static_cast<const char*>(bytes->data()), bytes->size()));
}

// What the file has by now, of other builds as well: builds at the same time, other models, machines and options. What was measured now stays.
void addTimesOfOthers(nvinfer1::ITimingCache& cache, const std::string& path, const nvinfer1::IBuilderConfig& config,
                      ConsoleLogger& logger) {
    std::string bytes;
    readTimingCache(path, bytes);
    const std::unique_ptr<nvinfer1::ITimingCache> others(config.createTimingCache(bytes.data(), bytes.size()));
    if (others) {
        cache.combine(*others, true);
    } else {
        static_cast<void>(logger.takeError("")); // it was not usable before, which was said
    }
}

} // namespace

void loadExtensions(const std::vector<std::string>& modules, const std::vector<std::string>& plugins,
                    ConsoleLogger& logger) {
    for (const std::string& path : modules) {
        support::Status loaded = registry::ModuleRegistry::process().load(path);
        if (!loaded.ok()) {
            throw ToolError(ExitCode::kEnvironment, loaded.message());
        }
    }
    // The registry reports to the logger of what was made last.
    const std::unique_ptr<nvinfer1::IRuntime> reports(plugins.empty() ? nullptr : nvinfer1::createInferRuntime(logger));
    for (const std::string& path : plugins) {
        if (!tenon::pluginRegistry()->loadLibrary(path.c_str())) {
            throw ToolError(ExitCode::kEnvironment,
                            logger.takeError(cat("plugin library '", path, "' cannot be loaded")));
        }
    }
}

namespace {

void checkProviders(const std::vector<std::string>& wanted) {
    const auto snapshot = registry::ModuleRegistry::process().snapshot();
    for (const std::string& name : wanted) {
        if (snapshot->provider(name) == nullptr) {
            std::vector<std::string> names;
            for (const registry::ProviderEntry& entry : snapshot->providers()) {
                names.push_back(entry.name);
            }
            throw ToolError(ExitCode::kUsage, cat("--backend: there is no provider '", name,
                                                  "'; there are: ", support::join(names, ", ")));
        }
    }
}

struct Model {
    std::unique_ptr<LastError> lastError = std::make_unique<LastError>(); // of the builder
    std::unique_ptr<nvinfer1::IBuilder> builder;
    std::unique_ptr<nvinfer1::INetworkDefinition> network;
    std::unique_ptr<nvonnxparser::IParser> parser; // holds the weights that the network refers to
    std::unique_ptr<nvinfer1::IBuilderConfig> config;
};

Model importModel(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger) {
    requireFile(onnxFile, WantedFile::kModel);
    loadExtensions(settings.modules, settings.plugins, logger);
    Model model;
    model.builder.reset(nvinfer1::createInferBuilder(logger));
    if (!model.builder) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no builder could be made"));
    }
    model.builder->setErrorRecorder(model.lastError.get());
    if (settings.threads.count > 0) {
        model.builder->setMaxThreads(settings.threads.count);
    }
    model.network.reset(model.builder->createNetworkV2(
        settings.stronglyTyped ? 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED)
                               : 0U));
    model.parser.reset(nvonnxparser::createParser(*model.network, logger));
    if (!model.parser) {
        throw ToolError(ExitCode::kEnvironment,
                        logger.takeError("the ONNX parser module is missing; `tenon modules` says why"));
    }
    logger.ignoreErrors(true); // the list below has them all
    const bool parsed =
        model.parser->parseFromFile(onnxFile.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING));
    logger.ignoreErrors(false);
    if (!parsed) {
        std::string message = cat("'", onnxFile, "' has ", model.parser->getNbErrors(),
                                  model.parser->getNbErrors() == 1 ? " problem:" : " problems:");
        for (int i = 0; i < model.parser->getNbErrors(); ++i) {
            message += cat("\n  ", model.parser->getError(i)->desc());
        }
        throw ToolError(ExitCode::kBadInput, message);
    }
    model.config.reset(model.builder->createBuilderConfig());
    return model;
}

void applyOptions(nvinfer1::IBuilderConfig& config, const BuildSettings& settings, ConsoleLogger& logger) {
    if (settings.level) {
        config.setBuilderOptimizationLevel(*settings.level);
    }
    config.setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
    if (settings.bf16) {
        config.setFlag(nvinfer1::BuilderFlag::kBF16);
    }
    if (settings.verifyAll) {
        config.setVerificationBudget(std::numeric_limits<float>::infinity());
    }
    if (!settings.tf32) {
        config.clearFlag(nvinfer1::BuilderFlag::kTF32);
    }
    if (settings.errorOnCacheMiss) {
        config.setFlag(nvinfer1::BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
    }
    config.setAvgTimingIterations(settings.avgTiming);
    config.setMaxNbTactics(settings.maxTactics);
    if (settings.tacticSources) {
        config.setTacticSources(*settings.tacticSources);
    }
    if (settings.fp16) {
        config.setFlag(nvinfer1::BuilderFlag::kFP16);
    }
    if (!settings.layerPrecisions.empty()) {
        config.setFlag(settings.obeyPrecisions ? nvinfer1::BuilderFlag::kOBEY_PRECISION_CONSTRAINTS
                                               : nvinfer1::BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
    }
    if (!settings.providers.empty()) {
        std::vector<char const*> names;
        for (const std::string& name : settings.providers) {
            names.push_back(name.c_str());
        }
        checkProviders(settings.providers);
        if (!config.setTacticProviders(names.data(), static_cast<int32_t>(names.size()))) {
            throw ToolError(ExitCode::kUsage, logger.takeError("--backend names an unknown provider"));
        }
    }
}

} // namespace

BuiltPlan buildPlan(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger) {
    Clock::time_point begin = Clock::now();
    for (const std::string& file : {settings.timingCacheFile, settings.tuningFile}) {
        if (!file.empty()) {
            checkOutput(file, onnxFile);
        }
    }
    if (!settings.timingCacheFile.empty() && isSameFile(settings.timingCacheFile, settings.tuningFile)) {
        throw ToolError(
            ExitCode::kUsage,
            cat("--timing-cache and --tuning-db are both '", settings.tuningFile,
                "', and each is written; name two files (a tuning database has a timing cache of its own)"));
    }
    const Model model = importModel(onnxFile, settings, logger);
    if (settings.dataNamesFit) {
        checkDataNames(*model.network, settings);
    }
    applyOptions(*model.config, settings, logger);
    applyLayerPrecisions(*model.network, settings.layerPrecisions);
    std::optional<Replay> replay;
    if (!settings.replayPlan.empty()) {
        replay.emplace(settings.replayPlan, *model.network);
        replay->apply(*model.builder, *model.config, settings, logger);
    }
    const std::map<std::string, ShapeRange> ranges =
        addProfile(*model.builder, *model.network, *model.config, settings, logger);
    checkShapesToRun(*model.network, settings);
    checkDataToRun(*model.network, settings);
    std::unique_ptr<nvinfer1::ITimingCache> cache;
    if (!settings.timingCacheFile.empty()) {
        std::string bytes;
        readTimingCache(settings.timingCacheFile, bytes);
        cache.reset(model.config->createTimingCache(bytes.data(), bytes.size()));
        if (!cache) {
            static_cast<void>(logger.takeError(""));
            replaceBrokenTimes(settings.timingCacheFile, bytes, logger);
        }
        if (!cache || settings.retime) {
            cache.reset(model.config->createTimingCache(nullptr, 0));
        }
        model.config->setTimingCache(*cache, true);
    }
    if (!settings.tuningFile.empty()) {
        if (!std::filesystem::exists(settings.tuningFile)) {
            logger.warn(cat("there is no tuning database '", settings.tuningFile,
                            "' yet: the plan is for this machine, and its times begin one"));
        }
        std::string text;
        readTimingCache(settings.tuningFile, text);
        if (!model.config->setTuningDatabase(text.data(), text.size())) {
            throw ToolError(ExitCode::kBadInput, cat("--tuning-db: '", settings.tuningFile,
                                                     "' stays as it is: ", logger.takeError("it is no tuning database"),
                                                     "; name a new file, or a whole copy of it"));
        }
    }
    BuiltPlan built;
    {
        const InterruptsStop interrupts("build");
        ConsoleProgress progress(logger);
        logger.ignoreWarningsOf(&interrupts.flag());
        model.config->setProgressMonitor(&progress);
        model.config->setStopFlag(&interrupts.flag());
        built.plan.reset(model.builder->buildSerializedNetwork(*model.network, *model.config));
        model.config->setStopFlag(nullptr);
        model.config->setProgressMonitor(nullptr);
        logger.ignoreWarningsOf(nullptr);
        built.cancelled = interrupts.flag();
    }
    if (!built.plan) {
        throw ToolError(model.lastError->isEnvironment() ? ExitCode::kEnvironment : ExitCode::kWrong,
                        cat("the build failed: ", logger.takeError("see the log"),
                            replay ? replay->differences(ranges, settings) : std::string()));
    }
    if (cache) {
        addTimesOfOthers(*cache, settings.timingCacheFile, *model.config, logger);
        saveTimes(settings.timingCacheFile, std::unique_ptr<nvinfer1::IHostMemory>(cache->serialize()));
    }
    if (!settings.tuningFile.empty()) {
        saveTimes(settings.tuningFile, std::unique_ptr<nvinfer1::IHostMemory>(model.config->getTuningDatabase()));
    }
    if (built.cancelled && !settings.keepStopped) {
        throw ToolError(ExitCode::kStopped, "the build was stopped, and nothing was run");
    }
    built.seconds = secondsSince(begin);
    return built;
}

ImportedGraph importGraph(const std::string& onnxFile, BuildSettings settings, ConsoleLogger& logger) {
    settings.warnOfGuesses = false; // the graph keeps them open
    const auto owner = std::make_shared<Model>(importModel(onnxFile, settings, logger));
    const Model& model = *owner;
    addProfile(*model.builder, *model.network, *model.config, settings, logger);
    support::Result<schedule::BuildInput> input =
        api::lowerNetwork(static_cast<const api::Network&>(*model.network),
                          static_cast<const api::BuilderConfig&>(*model.config).settings());
    if (!input.ok()) {
        throw ToolError(ExitCode::kBadInput, cat("'", onnxFile, "': ", input.status().toString()));
    }
    return {owner, std::move(input->graph), extentNames(*model.network)};
}

} // namespace tenon::tools
