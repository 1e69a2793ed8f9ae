#include "tools/common/plan_builder.h"

#include "core/api/lower_network.h"
#include "core/api/type_convert.h"
#include "core/plan/reader.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "registry/module_registry.h"
#include "tools/common/exit_code.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

#include <unistd.h>

namespace tenon::tools {

namespace {

using support::cat;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void readTimingCache(const std::string& path, std::string& bytes) {
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (file.ok()) {
        bytes = file->text();
    } else if (file.code() != support::Code::kNotFound) {
        throw ToolError(ExitCode::kBadInput, file.status().message());
    }
}

void saveTimes(const std::string& path, const std::unique_ptr<nvinfer1::IHostMemory>& bytes) {
    const support::Status saved =
        bytes ? support::writeFileAtomically(path,
                                             std::string_view(static_cast<const char*>(bytes->data()), bytes->size()))
              : support::internalError("the measured times cannot be serialized");
    if (!saved.ok()) {
        throw ToolError(ExitCode::kEnvironment, saved.message());
    }
}

} // namespace

void checkOutput(const std::string& output, const std::string& input) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::equivalent(output, input, error)) {
        throw ToolError(ExitCode::kUsage, cat("'", output, "' is the model itself; write to another file"));
    }
    const fs::path folder = fs::absolute(output, error).parent_path();
    if (access(folder.c_str(), W_OK | X_OK) != 0) {
        throw ToolError(ExitCode::kEnvironment, cat("cannot write '", output, "': ", std::strerror(errno)));
    }
}

bool isPlanFile(const std::string& path) {
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (!file.ok()) {
        throw ToolError(ExitCode::kBadInput, file.status().message());
    }
    return file->text().starts_with("TENONPLN");
}

void loadExtensions(const std::vector<std::string>& modules, const std::vector<std::string>& plugins,
                    ConsoleLogger& logger) {
    for (const std::string& path : modules) {
        support::Status loaded = registry::ModuleRegistry::process().load(path);
        if (!loaded.ok()) {
            throw ToolError(ExitCode::kEnvironment, loaded.toString());
        }
    }
    for (const std::string& path : plugins) {
        if (!tenon::pluginRegistry()->loadLibrary(path.c_str())) {
            throw ToolError(ExitCode::kEnvironment,
                            cat("plugin library '", path, "' cannot be loaded: ", logger.takeError("see the log")));
        }
    }
}

namespace {

// What --shapes says of extents that have a name in the model: they are the same at every input.
std::map<std::string, ShapeRange> rangesByName(const nvinfer1::INetworkDefinition& network,
                                               const BuildSettings& settings) {
    std::map<std::string, ShapeRange> ranges;
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        const nvinfer1::ITensor& input = *network.getInput(i);
        const auto asked = settings.shapes.find(input.getName());
        const int32_t rank = input.getDimensions().nbDims;
        if (asked == settings.shapes.end() || static_cast<int32_t>(asked->second.min.size()) != rank) {
            continue;
        }
        for (int32_t d = 0; d < rank; ++d) {
            const char* name = input.getDimensionName(d);
            if (name != nullptr && *name != '\0') {
                const auto at = static_cast<size_t>(d);
                const ShapeRange& range = asked->second;
                ranges.emplace(name, ShapeRange{{range.min[at]}, {range.opt[at]}, {range.max[at]}});
            }
        }
    }
    return ranges;
}

// Range of one dynamic input: what was asked for, else what the data sets have, else what was asked for extents of the same names, else 1.
ShapeRange rangeOf(const nvinfer1::ITensor& input, size_t position, const BuildSettings& settings,
                   const std::map<std::string, ShapeRange>& named) {
    std::string name = input.getName();
    auto asked = settings.shapes.find(name);
    nvinfer1::Dims dims = input.getDimensions();
    if (asked != settings.shapes.end()) {
        if (static_cast<int32_t>(asked->second.min.size()) != dims.nbDims) {
            throw ToolError(ExitCode::kUsage, cat("--shapes ", name, ": ", asked->second.min.size(),
                                                  " extents given, the input has ", dims.nbDims));
        }
        return asked->second;
    }
    ShapeRange range;
    for (const DataSet& set : settings.shapesFrom) {
        if (position >= set.inputs.size() || static_cast<int32_t>(set.inputs[position].dims.size()) != dims.nbDims) {
            continue;
        }
        const std::vector<int64_t>& extents = set.inputs[position].dims;
        if (range.opt.empty()) {
            range = {extents, extents, extents};
            continue;
        }
        for (size_t i = 0; i < extents.size(); ++i) {
            range.min[i] = std::min(range.min[i], extents[i]);
            range.max[i] = std::max(range.max[i], extents[i]);
        }
    }
    if (range.opt.empty()) {
        bool guessed = false;
        for (int32_t i = 0; i < dims.nbDims; ++i) {
            const char* extent = input.getDimensionName(i);
            const auto known = named.find(extent != nullptr ? extent : "");
            const int64_t alone = std::max<int64_t>(dims.d[i], 1);
            guessed = guessed || (dims.d[i] < 0 && known == named.end());
            const bool takes = dims.d[i] < 0 && known != named.end();
            range.min.push_back(takes ? known->second.min[0] : alone);
            range.opt.push_back(takes ? known->second.opt[0] : alone);
            range.max.push_back(takes ? known->second.max[0] : alone);
        }
        if (guessed) {
            std::fprintf(stderr,
                         "warning: input '%s' has extents that the model leaves open and no --shapes gives: the plan "
                         "takes 1 for them, %s\n",
                         name.c_str(), shapeText(range.opt).c_str());
        }
    }
    return range;
}

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

nvinfer1::Dims toDims(const std::vector<int64_t>& extents) { return api::toDims(extents); }

// The elements of an input that shapes depend on, as the data sets have them: smallest, first, largest.
std::optional<ShapeRange> valuesOf(size_t position, const BuildSettings& settings) {
    std::optional<ShapeRange> found;
    for (const DataSet& set : settings.shapesFrom) {
        if (position >= set.inputs.size()) {
            continue;
        }
        const HostTensor& tensor = set.inputs[position];
        std::vector<int64_t> elements;
        for (int64_t i = 0; i < tensor.elements(); ++i) {
            elements.push_back(static_cast<int64_t>(tensor.numberAt(i)));
        }
        if (!found) {
            found = ShapeRange{elements, elements, elements};
            continue;
        }
        for (size_t i = 0; i < elements.size() && i < found->min.size(); ++i) {
            found->min[i] = std::min(found->min[i], elements[i]);
            found->max[i] = std::max(found->max[i], elements[i]);
        }
    }
    return found;
}

struct Model {
    std::unique_ptr<nvinfer1::IBuilder> builder;
    std::unique_ptr<nvinfer1::INetworkDefinition> network;
    std::unique_ptr<nvonnxparser::IParser> parser; // holds the weights that the network refers to
    std::unique_ptr<nvinfer1::IBuilderConfig> config;
};

Model importModel(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger) {
    loadExtensions(settings.modules, settings.plugins, logger);
    Model model;
    model.builder.reset(nvinfer1::createInferBuilder(logger));
    if (!model.builder) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no builder could be made"));
    }
    if (settings.threads.count > 0) {
        model.builder->setMaxThreads(settings.threads.count);
    }
    model.network.reset(model.builder->createNetworkV2(0));
    model.parser.reset(nvonnxparser::createParser(*model.network, logger));
    if (!model.parser) {
        throw ToolError(ExitCode::kEnvironment, "the ONNX parser module is missing; `tenon modules` says why");
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
    config.setBuilderOptimizationLevel(settings.level);
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
    if (settings.fp16) {
        config.setFlag(nvinfer1::BuilderFlag::kFP16);
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
    if (!settings.replayPlan.empty()) {
        support::Result<plan::Plan> replayed = plan::readPlanFile(settings.replayPlan);
        if (!replayed.ok()) {
            throw ToolError(ExitCode::kBadInput, replayed.status().toString());
        }
        if (!config.setReplayLedger(replayed->ledgerJson.c_str())) {
            throw ToolError(ExitCode::kBadInput, cat("'", settings.replayPlan, "' cannot be replayed: ",
                                                     logger.takeError("it has no decision ledger")));
        }
    }
}

// One profile of all inputs whose shapes, or values that shapes depend on, the model leaves open.
void addProfile(const Model& model, const BuildSettings& settings, ConsoleLogger& logger) {
    for (const auto& [name, range] : settings.shapes) {
        bool known = false;
        std::string names;
        for (int32_t i = 0; i < model.network->getNbInputs(); ++i) {
            known = known || name == model.network->getInput(i)->getName();
            names += cat(i ? ", " : "", model.network->getInput(i)->getName());
        }
        if (!known) {
            throw ToolError(ExitCode::kUsage, cat("--shapes names '", name,
                                                  "', which is no input of the model; its inputs are: ", names));
        }
    }
    const std::map<std::string, ShapeRange> named = rangesByName(*model.network, settings);
    nvinfer1::IOptimizationProfile* profile = nullptr;
    for (int32_t i = 0; i < model.network->getNbInputs(); ++i) {
        nvinfer1::ITensor& input = *model.network->getInput(i);
        nvinfer1::Dims dims = input.getDimensions();
        bool dynamic = std::any_of(dims.d, dims.d + std::max(dims.nbDims, 0), [](int64_t d) { return d < 0; });
        std::optional<ShapeRange> values =
            input.isShapeTensor() ? valuesOf(static_cast<size_t>(i), settings) : std::nullopt;
        if (!dynamic && !settings.shapes.count(input.getName()) && !values) {
            continue;
        }
        if (!profile) {
            profile = model.builder->createOptimizationProfile();
        }
        if (values) {
            auto count = static_cast<int32_t>(values->opt.size());
            profile->setShapeValuesV2(input.getName(), nvinfer1::OptProfileSelector::kMIN, values->min.data(), count);
            profile->setShapeValuesV2(input.getName(), nvinfer1::OptProfileSelector::kOPT, values->opt.data(), count);
            profile->setShapeValuesV2(input.getName(), nvinfer1::OptProfileSelector::kMAX, values->max.data(), count);
            if (!dynamic) {
                continue;
            }
        }
        ShapeRange range = rangeOf(input, static_cast<size_t>(i), settings, named);
        bool set = profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMIN, toDims(range.min)) &&
                   profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kOPT, toDims(range.opt)) &&
                   profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMAX, toDims(range.max));
        if (!set) {
            throw ToolError(ExitCode::kUsage, cat("shapes of input '", input.getName(),
                                                  "': ", logger.takeError("they contradict each other")));
        }
    }
    if (profile && model.config->addOptimizationProfile(profile) < 0) {
        throw ToolError(ExitCode::kUsage, logger.takeError("the shapes do not fit the model"));
    }
}

} // namespace

BuiltPlan buildPlan(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger) {
    Clock::time_point begin = Clock::now();
    if (!settings.timingCacheFile.empty()) {
        checkOutput(settings.timingCacheFile, onnxFile);
    }
    const Model model = importModel(onnxFile, settings, logger);
    applyOptions(*model.config, settings, logger);
    addProfile(model, settings, logger);
    std::unique_ptr<nvinfer1::ITimingCache> cache;
    if (!settings.timingCacheFile.empty()) {
        std::string bytes;
        readTimingCache(settings.timingCacheFile, bytes);
        cache.reset(model.config->createTimingCache(bytes.data(), bytes.size()));
        if (!cache && bytes.find("tenon_timing_cache") == std::string::npos) {
            throw ToolError(ExitCode::kUsage, cat("--timing-cache: '", settings.timingCacheFile,
                                                  "' is some other file, and stays as it is; name a new one"));
        }
        if (!cache) {
            std::fprintf(stderr, "warning: timing cache '%s' cannot be used and is made anew: %s\n",
                         settings.timingCacheFile.c_str(), logger.takeError("it is damaged").c_str());
            cache.reset(model.config->createTimingCache(nullptr, 0));
        }
        model.config->setTimingCache(*cache, true);
    }
    if (!settings.tuningFile.empty()) {
        std::string text;
        readTimingCache(settings.tuningFile, text);
        if (!model.config->setTuningDatabase(text.data(), text.size())) {
            throw ToolError(ExitCode::kBadInput,
                            cat("'", settings.tuningFile, "': ", logger.takeError("no tuning database")));
        }
    }
    catchInterrupt();
    ConsoleProgress progress;
    model.config->setProgressMonitor(&progress);
    BuiltPlan built;
    built.plan.reset(model.builder->buildSerializedNetwork(*model.network, *model.config));
    model.config->setProgressMonitor(nullptr);
    built.cancelled = interrupted();
    if (!built.plan) {
        throw ToolError(ExitCode::kWrong, cat("the build failed: ", logger.takeError("see the log")));
    }
    if (cache) {
        saveTimes(settings.timingCacheFile, std::unique_ptr<nvinfer1::IHostMemory>(cache->serialize()));
    }
    if (!settings.tuningFile.empty()) {
        saveTimes(settings.tuningFile, std::unique_ptr<nvinfer1::IHostMemory>(model.config->getTuningDatabase()));
    }
    built.seconds = secondsSince(begin);
    return built;
}

ImportedGraph importGraph(const std::string& onnxFile, ConsoleLogger& logger) {
    const BuildSettings settings;
    const auto owner = std::make_shared<Model>(importModel(onnxFile, settings, logger));
    const Model& model = *owner;
    addProfile(model, settings, logger);
    support::Result<schedule::BuildInput> input =
        api::lowerNetwork(static_cast<const api::Network&>(*model.network),
                          static_cast<const api::BuilderConfig&>(*model.config).settings());
    if (!input.ok()) {
        throw ToolError(ExitCode::kBadInput, cat("'", onnxFile, "': ", input.status().toString()));
    }
    return {owner, std::move(input->graph)};
}

} // namespace tenon::tools
