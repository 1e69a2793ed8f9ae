#include "tools/common/engine_session.h"

#include "core/api/engine.h"
#include "core/api/type_convert.h"
#include "core/plan/reader.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <random>

#include <unistd.h>

#include "registry/module_registry.h"

namespace tenon::tools {

namespace {

using support::cat;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

int64_t parseNumber(std::string_view text, const std::string& whole) {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
        throw ToolError(ExitCode::kUsage, cat("'", whole, "': '", text, "' is no extent"));
    }
    return value;
}

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

ShapeRange parseShapeRange(const std::string& text) {
    ShapeRange range;
    if (text == "scalar") {
        return range;
    }
    for (std::string_view part : support::split(text, 'x')) {
        std::vector<std::string_view> points;
        while (true) {
            size_t dots = part.find("..");
            points.push_back(part.substr(0, dots));
            if (dots == std::string_view::npos) {
                break;
            }
            part.remove_prefix(dots + 2);
        }
        if (points.size() != 1 && points.size() != 3) {
            throw ToolError(ExitCode::kUsage, cat("'", text, "': give an extent as N or as MIN..OPT..MAX"));
        }
        int64_t low = parseNumber(points[0], text);
        int64_t opt = points.size() == 3 ? parseNumber(points[1], text) : low;
        int64_t high = points.size() == 3 ? parseNumber(points[2], text) : low;
        if (low > opt || opt > high) {
            throw ToolError(ExitCode::kUsage, cat("'", text, "': ", low, "..", opt, "..", high, " does not rise"));
        }
        range.min.push_back(low);
        range.opt.push_back(opt);
        range.max.push_back(high);
    }
    return range;
}

std::map<std::string, std::vector<int64_t>> parseNamedShapes(const std::string& text) {
    std::map<std::string, std::vector<int64_t>> shapes;
    for (std::string_view part : support::split(text, ',')) {
        // The extents follow the last colon: names may have colons of their own.
        size_t colon = part.rfind(':');
        if (colon == std::string_view::npos || colon == 0) {
            throw ToolError(ExitCode::kUsage, cat("'", part, "': expected NAME:1x3x224x224"));
        }
        std::vector<int64_t> dims;
        std::string_view extents = part.substr(colon + 1);
        if (extents != "scalar") {
            for (std::string_view extent : support::split(extents, 'x')) {
                dims.push_back(parseNumber(extent, std::string(part)));
            }
        }
        std::string name(part.substr(0, colon));
        if (name.size() >= 2 && name.front() == '\'' && name.back() == '\'') {
            name = name.substr(1, name.size() - 2);
        }
        shapes[name] = std::move(dims);
    }
    return shapes;
}

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

// Range of one dynamic input: what was asked for, else what the data sets have, else 1.
ShapeRange rangeOf(const nvinfer1::ITensor& input, size_t position, const BuildSettings& settings) {
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
        for (int32_t i = 0; i < dims.nbDims; ++i) {
            range.opt.push_back(dims.d[i] < 0 ? 1 : dims.d[i]);
        }
        range.min = range.max = range.opt;
        std::fprintf(
            stderr,
            "warning: input '%s' has extents that the model leaves open, and no --shapes: the plan is for %s only\n",
            name.c_str(), shapeText(range.opt).c_str());
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

} // namespace

BuiltPlan buildPlan(const std::string& onnxFile, const BuildSettings& settings, ConsoleLogger& logger) {
    Clock::time_point begin = Clock::now();
    if (!settings.timingCacheFile.empty()) {
        checkOutput(settings.timingCacheFile, onnxFile);
    }
    loadExtensions(settings.modules, settings.plugins, logger);
    std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
    if (!builder) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no builder could be made"));
    }
    if (settings.threads > 0) {
        builder->setMaxThreads(settings.threads);
    }
    std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    if (!parser) {
        throw ToolError(ExitCode::kEnvironment, "the ONNX parser module is missing; `tenon modules` says why");
    }
    logger.ignoreErrors(true); // the list below has them all
    const bool parsed =
        parser->parseFromFile(onnxFile.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING));
    logger.ignoreErrors(false);
    if (!parsed) {
        std::string message = cat("'", onnxFile, "' has ", parser->getNbErrors(),
                                  parser->getNbErrors() == 1 ? " problem:" : " problems:");
        for (int i = 0; i < parser->getNbErrors(); ++i) {
            message += cat("\n  ", parser->getError(i)->desc());
        }
        throw ToolError(ExitCode::kBadInput, message);
    }
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    config->setBuilderOptimizationLevel(settings.level);
    config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
    if (settings.bf16) {
        config->setFlag(nvinfer1::BuilderFlag::kBF16);
    }
    if (!settings.tf32) {
        config->clearFlag(nvinfer1::BuilderFlag::kTF32);
    }
    if (settings.fp16) {
        config->setFlag(nvinfer1::BuilderFlag::kFP16);
    }
    if (!settings.providers.empty()) {
        std::vector<char const*> names;
        for (const std::string& name : settings.providers) {
            names.push_back(name.c_str());
        }
        checkProviders(settings.providers);
        if (!config->setTacticProviders(names.data(), static_cast<int32_t>(names.size()))) {
            throw ToolError(ExitCode::kUsage, logger.takeError("--backend names an unknown provider"));
        }
    }
    if (!settings.replayPlan.empty()) {
        support::Result<plan::Plan> replayed = plan::readPlanFile(settings.replayPlan);
        if (!replayed.ok()) {
            throw ToolError(ExitCode::kBadInput, replayed.status().toString());
        }
        if (!config->setReplayLedger(replayed->ledgerJson.c_str())) {
            throw ToolError(ExitCode::kBadInput, cat("'", settings.replayPlan, "' cannot be replayed: ",
                                                     logger.takeError("it has no decision ledger")));
        }
    }
    for (const auto& [name, range] : settings.shapes) {
        bool known = false;
        std::string names;
        for (int32_t i = 0; i < network->getNbInputs(); ++i) {
            known = known || name == network->getInput(i)->getName();
            names += cat(i ? ", " : "", network->getInput(i)->getName());
        }
        if (!known) {
            throw ToolError(ExitCode::kUsage, cat("--shapes names '", name,
                                                  "', which is no input of the model; its inputs are: ", names));
        }
    }
    nvinfer1::IOptimizationProfile* profile = nullptr;
    for (int32_t i = 0; i < network->getNbInputs(); ++i) {
        nvinfer1::ITensor& input = *network->getInput(i);
        nvinfer1::Dims dims = input.getDimensions();
        bool dynamic = std::any_of(dims.d, dims.d + std::max(dims.nbDims, 0), [](int64_t d) { return d < 0; });
        std::optional<ShapeRange> values =
            input.isShapeTensor() ? valuesOf(static_cast<size_t>(i), settings) : std::nullopt;
        if (!dynamic && !settings.shapes.count(input.getName()) && !values) {
            continue;
        }
        if (!profile) {
            profile = builder->createOptimizationProfile();
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
        ShapeRange range = rangeOf(input, static_cast<size_t>(i), settings);
        bool set = profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMIN, toDims(range.min)) &&
                   profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kOPT, toDims(range.opt)) &&
                   profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMAX, toDims(range.max));
        if (!set) {
            throw ToolError(ExitCode::kUsage, cat("shapes of input '", input.getName(),
                                                  "': ", logger.takeError("they contradict each other")));
        }
    }
    if (profile && config->addOptimizationProfile(profile) < 0) {
        throw ToolError(ExitCode::kUsage, logger.takeError("the shapes do not fit the model"));
    }
    std::unique_ptr<nvinfer1::ITimingCache> cache;
    if (!settings.timingCacheFile.empty()) {
        std::string bytes;
        readTimingCache(settings.timingCacheFile, bytes);
        cache.reset(config->createTimingCache(bytes.data(), bytes.size()));
        if (!cache && bytes.find("tenon_timing_cache") == std::string::npos) {
            throw ToolError(ExitCode::kUsage, cat("--timing-cache: '", settings.timingCacheFile,
                                                  "' is some other file, and stays as it is; name a new one"));
        }
        if (!cache) {
            std::fprintf(stderr, "warning: timing cache '%s' cannot be used and is made anew: %s\n",
                         settings.timingCacheFile.c_str(), logger.takeError("it is damaged").c_str());
            cache.reset(config->createTimingCache(nullptr, 0));
        }
        config->setTimingCache(*cache, true);
    }
    if (!settings.tuningFile.empty()) {
        std::string text;
        readTimingCache(settings.tuningFile, text);
        if (!config->setTuningDatabase(text.data(), text.size())) {
            throw ToolError(ExitCode::kBadInput,
                            cat("'", settings.tuningFile, "': ", logger.takeError("no tuning database")));
        }
    }
    catchInterrupt();
    ConsoleProgress progress;
    config->setProgressMonitor(&progress);
    BuiltPlan built;
    built.plan.reset(builder->buildSerializedNetwork(*network, *config));
    config->setProgressMonitor(nullptr);
    built.cancelled = interrupted();
    if (!built.plan) {
        throw ToolError(ExitCode::kWrong, cat("the build failed: ", logger.takeError("see the log")));
    }
    if (cache) {
        saveTimes(settings.timingCacheFile, std::unique_ptr<nvinfer1::IHostMemory>(cache->serialize()));
    }
    if (!settings.tuningFile.empty()) {
        saveTimes(settings.tuningFile, std::unique_ptr<nvinfer1::IHostMemory>(config->getTuningDatabase()));
    }
    built.seconds = secondsSince(begin);
    return built;
}

void EngineSession::start(int32_t threads, ConsoleLogger& logger,
                          const std::function<nvinfer1::ICudaEngine*(nvinfer1::IRuntime&)>& load) {
    Clock::time_point begin = Clock::now();
    mLogger = &logger;
    mRuntime.reset(nvinfer1::createInferRuntime(logger));
    if (!mRuntime) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no runtime could be made"));
    }
    if (threads > 0) {
        mRuntime->setMaxThreads(threads);
    }
    mEngine.reset(load(*mRuntime));
    if (!mEngine) {
        std::string why = logger.takeError("the plan cannot be loaded");
        // The library says Environment where the plan is fine and this machine lacks something.
        bool environment = why.find("Environment") != std::string::npos;
        throw ToolError(environment ? ExitCode::kEnvironment : ExitCode::kBadInput, why);
    }
    mContext.reset(mEngine->createExecutionContext());
    if (!mContext) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no execution context could be made"));
    }
    mLoadSeconds = secondsSince(begin);
}

std::unique_ptr<EngineSession> EngineSession::fromFile(const std::string& planFile, int32_t threads,
                                                       ConsoleLogger& logger) {
    std::unique_ptr<EngineSession> session(new EngineSession());
    session->start(threads, logger,
                   [&](nvinfer1::IRuntime& runtime) { return runtime.loadEngineFile(planFile.c_str()); });
    return session;
}

std::unique_ptr<EngineSession> EngineSession::fromMemory(const void* plan, size_t size, int32_t threads,
                                                         ConsoleLogger& logger) {
    std::unique_ptr<EngineSession> session(new EngineSession());
    session->start(threads, logger,
                   [&](nvinfer1::IRuntime& runtime) { return runtime.deserializeCudaEngine(plan, size); });
    return session;
}

std::vector<std::string> EngineSession::inputNames() const {
    std::vector<std::string> names;
    for (int32_t i = 0; i < mEngine->getNbIOTensors(); ++i) {
        const char* name = mEngine->getIOTensorName(i);
        if (mEngine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT) {
            names.emplace_back(name);
        }
    }
    return names;
}

std::vector<std::string> EngineSession::outputNames() const {
    std::vector<std::string> names;
    for (int32_t i = 0; i < mEngine->getNbIOTensors(); ++i) {
        const char* name = mEngine->getIOTensorName(i);
        if (mEngine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kOUTPUT) {
            names.emplace_back(name);
        }
    }
    return names;
}

void EngineSession::requireInput(const char* option, const std::string& name) const {
    const std::vector<std::string> names = inputNames();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        throw ToolError(ExitCode::kUsage,
                        cat(option, ": there is no input '", name, "'; the inputs are: ", support::join(names, ", ")));
    }
}

void EngineSession::bind(const std::vector<HostTensor>& inputs) {
    std::vector<std::string> names = inputNames();
    std::vector<const HostTensor*> bound(names.size(), nullptr);
    for (size_t i = 0; i < inputs.size(); ++i) {
        auto found = std::find(names.begin(), names.end(), inputs[i].name);
        size_t position = found != names.end() ? static_cast<size_t>(found - names.begin()) : i;
        if (position < bound.size() && !bound[position]) {
            bound[position] = &inputs[i];
        } else if (position >= bound.size()) {
            throw ToolError(ExitCode::kBadInput, cat("there are ", inputs.size(), " inputs, the engine takes ",
                                                     names.size(), ": ", support::join(names, ", ")));
        }
    }
    auto fits = [&](int32_t profile) {
        for (size_t i = 0; i < names.size(); ++i) {
            nvinfer1::Dims low =
                mEngine->getProfileShape(names[i].c_str(), profile, nvinfer1::OptProfileSelector::kMIN);
            nvinfer1::Dims high =
                mEngine->getProfileShape(names[i].c_str(), profile, nvinfer1::OptProfileSelector::kMAX);
            for (int32_t d = 0; bound[i] && d < low.nbDims && d < static_cast<int32_t>(bound[i]->dims.size()); ++d) {
                int64_t extent = bound[i]->dims[static_cast<size_t>(d)];
                if (extent < low.d[d] || extent > high.d[d]) {
                    return false;
                }
            }
        }
        return true;
    };
    for (int32_t p = 0; p < mEngine->getNbOptimizationProfiles(); ++p) {
        if (fits(p) || p + 1 == mEngine->getNbOptimizationProfiles()) {
            if (mContext->getOptimizationProfile() != p) {
                mContext->setOptimizationProfileAsync(p, nullptr);
            }
            break;
        }
    }
    for (size_t i = 0; i < names.size(); ++i) {
        if (!bound[i]) {
            throw ToolError(ExitCode::kBadInput,
                            cat("input '", names[i], "' is missing; give it with --input ", names[i], "=FILE"));
        }
        ir::DataType wanted = *api::toIr(mEngine->getTensorDataType(names[i].c_str()));
        if (bound[i]->dtype != wanted) {
            throw ToolError(ExitCode::kBadInput,
                            cat("input '", names[i], "' has elements of ", ir::nameOf(bound[i]->dtype),
                                ", the engine takes ", ir::nameOf(wanted)));
        }
        if (!mContext->setInputShape(names[i].c_str(), toDims(bound[i]->dims))) {
            throw ToolError(ExitCode::kBadInput, mLogger->takeError(cat("input '", names[i], "' of shape ",
                                                                        shapeText(bound[i]->dims), " does not fit")));
        }
        mContext->setInputTensorAddress(names[i].c_str(),
                                        addressFor(names[i], bound[i]->bytes.data(), bound[i]->bytes.size(), true));
    }
    const char* missing = nullptr;
    if (mContext->inferShapes(1, &missing) != 0) {
        throw ToolError(ExitCode::kBadInput, mLogger->takeError("the shapes of the outputs cannot be computed"));
    }
    mOutputs.clear();
    for (const std::string& name : outputNames()) {
        HostTensor output;
        output.name = name;
        output.dtype = *api::toIr(mEngine->getTensorDataType(name.c_str()));
        nvinfer1::Dims dims = mContext->getTensorShape(name.c_str());
        output.dims.assign(dims.d, dims.d + std::max(dims.nbDims, 0));
        output.resize();
        mOutputs.push_back(std::move(output));
    }
    for (HostTensor& output : mOutputs) {
        // An empty output still needs an address.
        output.bytes.reserve(1);
        mContext->setOutputTensorAddress(output.name.c_str(),
                                         addressFor(output.name, output.bytes.data(), output.bytes.size(), false));
    }
}

std::vector<HostTensor> EngineSession::randomInputs(const std::map<std::string, std::vector<int64_t>>& shapes) {
    for (const auto& [name, extents] : shapes) {
        requireInput("--shapes", name);
    }
    std::vector<HostTensor> inputs;
    std::mt19937 random(1);
    for (const std::string& name : inputNames()) {
        HostTensor input;
        input.name = name;
        input.dtype = *api::toIr(mEngine->getTensorDataType(name.c_str()));
        auto asked = shapes.find(name);
        if (asked != shapes.end()) {
            input.dims = asked->second;
        } else {
            nvinfer1::Dims dims = mEngine->getProfileShape(name.c_str(), 0, nvinfer1::OptProfileSelector::kOPT);
            if (dims.nbDims < 0) {
                dims = mEngine->getTensorShape(name.c_str());
            }
            input.dims.assign(dims.d, dims.d + std::max(dims.nbDims, 0));
        }
        input.resize();
        if (input.dtype == ir::DataType::kF32) {
            std::uniform_real_distribution<float> uniform(-1, 1);
            for (int64_t i = 0; i < input.elements(); ++i) {
                float value = uniform(random);
                std::memcpy(input.bytes.data() + static_cast<size_t>(i) * sizeof(float), &value, sizeof(float));
            }
        }
        inputs.push_back(std::move(input));
    }
    return inputs;
}

void EngineSession::checkCopied(const support::Status& status) const {
    if (!status.ok()) {
        throw ToolError(ExitCode::kWrong, status.toString());
    }
}

void* EngineSession::addressFor(const std::string& name, const void* host, size_t bytes, bool upload) {
    const runtime::LoadedPlan& plan = static_cast<const api::Engine&>(*mEngine).plan();
    const TnPlacement placement = plan.plan().bindings[static_cast<size_t>(plan.bindingOf(name))].placement;
    if (placement == TN_PLACEMENT_HOST) {
        return const_cast<void*>(host); // inputs are only read
    }
    DeviceTensor& tensor = mDeviceTensors[name];
    if (tensor.device == nullptr) {
        tensor.device = &plan.devices().at(placement);
        tensor.memory = runtime::GrowingBuffer(tensor.device->allocator());
    }
    checkCopied(tensor.memory.reserve(static_cast<int64_t>(std::max<size_t>(bytes, 1)), name.c_str()));
    if (upload) {
        checkCopied(tensor.device->copy(tensor.memory.data(), host, static_cast<int64_t>(bytes), nullptr));
    }
    return tensor.memory.data();
}

std::vector<HostTensor> EngineSession::outputs() {
    for (HostTensor& output : mOutputs) {
        if (const auto found = mDeviceTensors.find(output.name); found != mDeviceTensors.end()) {
            checkCopied(found->second.device->copy(output.bytes.data(), found->second.memory.data(),
                                                   static_cast<int64_t>(output.bytes.size()), nullptr));
        }
    }
    return mOutputs;
}

void EngineSession::captureGraph() {
    if (!mContext->setGraphCapture(true)) {
        throw ToolError(ExitCode::kUsage, mLogger->takeError("the plan cannot be recorded"));
    }
}

void EngineSession::enqueue() {
    if (!mContext->enqueueV3(nullptr)) {
        throw ToolError(ExitCode::kWrong, mLogger->takeError("the execution failed"));
    }
}

} // namespace tenon::tools
