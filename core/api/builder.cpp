#include "core/api/builder.h"

#include "core/api/device_allocator.h"
#include "core/api/host_memory.h"
#include "core/api/lower_network.h"
#include "core/api/modules.h"
#include "core/api/plugin_provider.h"
#include "core/api/plugin_registry.h"
#include "core/api/plugin_runtime.h"
#include "core/api/runtime.h"
#include "core/plan/writer.h"
#include "core/schedule/build_engine.h"
#include "registry/host_backend.h"
#include "registry/module_registry.h"

#include <cmath>
#include <limits>
#include <mutex>

namespace tenon::api {

using nvinfer1::BuilderFlag;
using nvinfer1::ErrorCode;
using support::Result;
using support::Status;

namespace {

// What building needs: more modules than running, and the provider of plugins.
std::shared_ptr<const registry::RegistrySnapshot> snapshotForBuild(const Reporter& reporter) {
    registerPluginRuntime(reporter);
    auto& modules = registry::ModuleRegistry::process();
    static std::once_flag once;
    std::call_once(once, [&] {
        if (const Status status = modules.addInProcess({pluginTacticProvider()}, {}, nullptr); !status.ok()) {
            reporter.report(status);
        }
    });
    modules.setLogger(reporter.log());
    auto snapshot = modules.snapshot(registry::Purpose::kBuild);
    modules.setLogger(support::defaultLogger()); // the registry outlives the user's logger
    return snapshot;
}

// Tells the user's monitor; once it asks to stop, every later step says so too.
class MonitorProgress final : public schedule::BuildProgress {
public:
    explicit MonitorProgress(nvinfer1::IProgressMonitor& monitor) : mMonitor(monitor) {
        mMonitor.phaseStart(kRoot, nullptr, kRootSteps);
    }
    ~MonitorProgress() override { mMonitor.phaseFinish(kRoot); }
    MonitorProgress(const MonitorProgress&) = delete;
    MonitorProgress& operator=(const MonitorProgress&) = delete;

    void phaseStart(const std::string& phase, const std::string& parent, int32_t steps) override {
        ++mOpen;
        mMonitor.phaseStart(phase.c_str(), parent.empty() ? kRoot : parent.c_str(), steps);
    }
    bool step(const std::string& phase, int32_t done) override {
        // The scheduler counts steps that are done, the monitor indices of steps.
        if (!mStopped && !mMonitor.stepComplete(phase.c_str(), std::max(done - 1, 0))) {
            mStopped = true;
        }
        return !mStopped;
    }
    void phaseFinish(const std::string& phase) override {
        mMonitor.phaseFinish(phase.c_str());
        if (--mOpen == 0 && !mStopped && mRootStep < kRootSteps && !mMonitor.stepComplete(kRoot, mRootStep++)) {
            mStopped = true;
        }
    }

private:
    static constexpr const char* kRoot = "build"; // the scheduler's name for the parent of its phases
    static constexpr int32_t kRootSteps = 4;

    nvinfer1::IProgressMonitor& mMonitor;
    int32_t mOpen = 0; // phases, which lie in one another
    int32_t mRootStep = 0;
    bool mStopped = false;
};

} // namespace

Builder::Builder(nvinfer1::ILogger& logger) : mReporter(logger) {}

Builder::~Builder() noexcept = default;

const std::shared_ptr<const registry::RegistrySnapshot>& Builder::snapshot() const {
    if (mSnapshot == nullptr) {
        mSnapshot = snapshotForBuild(mReporter);
    }
    return mSnapshot;
}

bool Builder::platformHasFastFp16() const noexcept {
    return false;
} // no module computes in kHALF faster than in kFLOAT

nvinfer1::IBuilderConfig* Builder::createBuilderConfig() noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IBuilderConfig*>(nullptr),
                   [&]() -> nvinfer1::IBuilderConfig* { return new BuilderConfig(mReporter); });
}

nvinfer1::INetworkDefinition* Builder::createNetworkV2(nvinfer1::NetworkDefinitionCreationFlags flags) noexcept {
    return guarded(mReporter, static_cast<nvinfer1::INetworkDefinition*>(nullptr),
                   [&]() -> nvinfer1::INetworkDefinition* {
                       if ((flags >> nvinfer1::EnumMax<nvinfer1::NetworkDefinitionCreationFlag>()) != 0) {
                           mReporter.error(ErrorCode::kINVALID_ARGUMENT,
                                           "IBuilder::createNetworkV2: a bit is set that is no creation flag");
                           return nullptr;
                       }
                       return new Network(*this, mReporter, snapshot()->opsPtr(), flags);
                   });
}

nvinfer1::IOptimizationProfile* Builder::createOptimizationProfile() noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IOptimizationProfile*>(nullptr),
                   [&]() -> nvinfer1::IOptimizationProfile* {
                       mProfiles.push_back(std::make_unique<OptimizationProfile>(mReporter));
                       return mProfiles.back().get();
                   });
}

void Builder::reset() noexcept {
    mProfiles.clear();
    mAllocator = nullptr;
    mThreads = 0;
    mReporter.setRecorder(nullptr);
}

bool Builder::setMaxThreads(int32_t maxThreads) noexcept {
    if (maxThreads < 1) {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, "IBuilder::setMaxThreads: must be at least 1");
        return false;
    }
    mThreads = maxThreads;
    return true;
}

int32_t Builder::getMaxThreads() const noexcept {
    return mThreads > 0 ? mThreads
                        : guarded(mReporter, 1, [] { return std::max(1, registry::hostDescription().cores); });
}

nvinfer1::IPluginRegistry& Builder::getPluginRegistry() noexcept { return PluginRegistry::process(); }

// ---- building -------------------------------------------------------------------------------------------------------

schedule::BuildOptions Builder::optionsOf(const Network& network, BuilderConfig& config) const {
    const BuilderConfig::Settings& settings = config.settings();
    schedule::BuildOptions options;
    options.log = mReporter.log();
    options.level = settings.level;
    options.threads = mThreads;
    options.deviceMemory = callbacksOf(mAllocator);
    options.providers = settings.providers;
    const auto useSource = [&](nvinfer1::TacticSource source, const char* provider) {
        if ((settings.tacticSources >> static_cast<uint32_t>(source) & 1U) == 0) {
            options.forbiddenProviders.emplace_back(provider);
        }
    };
    useSource(nvinfer1::TacticSource::kCUBLAS_LT, "cublaslt");
    useSource(nvinfer1::TacticSource::kCUDNN, "cudnn");
    const std::size_t workspace = config.getMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE);
    options.workspaceLimit = static_cast<int64_t>(
        std::min<std::size_t>(workspace, static_cast<std::size_t>(std::numeric_limits<int64_t>::max())));
    const auto has = [&config](BuilderFlag flag) { return config.getFlag(flag); };
    if (has(BuilderFlag::kBF16)) {
        options.precision.computeTypes |= uint64_t{1} << TN_BF16;
    }
    if (has(BuilderFlag::kFP16)) {
        options.precision.computeTypes |= uint64_t{1} << TN_F16;
    }
    if (has(BuilderFlag::kTF32)) {
        options.precision.computeTypes |= TN_COMPUTE_TF32;
    }
    options.precision.stronglyTyped = network.getFlag(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
    options.precision.obeyConstraints = has(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
    options.timingCache = config.cacheForBuild();
    if (const schedule::TuningDatabase* tuning = config.tuning(); tuning != nullptr) {
        options.recordedTarget = tuning->device;
    }
    options.errorOnCacheMiss = has(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
    options.verifyBudgetSeconds = static_cast<double>(settings.verificationSeconds);
    options.verify = options.verifyBudgetSeconds > 0;
    options.verifyAll = std::isinf(options.verifyBudgetSeconds);
    options.maxTactics = std::max(settings.maxTactics, 0);
    options.timingIterations = settings.avgTiming;
    options.replayLedger = settings.replayLedger;
    return options;
}

Result<schedule::BuildResult> Builder::build(const Network& network, BuilderConfig& config) const {
    for (const auto& input : network.inputs()) {
        if (input->dynamicRangeIsSet()) {
            mReporter.warning("dynamic ranges have no effect: no INT8 precision module is installed");
            break;
        }
    }
    schedule::BuildOptions options = optionsOf(network, config);
    TN_ASSIGN_OR_RETURN(schedule::BuildInput input, lowerNetwork(network, config.settings()));
    std::unique_ptr<MonitorProgress> progress;
    if (nvinfer1::IProgressMonitor* monitor = config.settings().monitor; monitor != nullptr) {
        progress = std::make_unique<MonitorProgress>(*monitor);
        options.progress = progress.get();
    }
    if (const std::atomic<bool>* stop = config.settings().stop; stop != nullptr) {
        options.cancelled = [stop] { return stop->load(); };
    }
    TN_ASSIGN_OR_RETURN(schedule::BuildResult result, schedule::buildEngine(std::move(input), options, snapshot()));
    if (schedule::TuningDatabase* tuning = config.tuning(); tuning != nullptr && !tuning->device) {
        tuning->device = result.device;
    }
    if (result.cancelled) {
        mReporter.warning("the build was stopped early: the plan is complete, but not every tactic was timed");
    }
    return result;
}

nvinfer1::IHostMemory* Builder::buildSerializedNetwork(nvinfer1::INetworkDefinition& network,
                                                       nvinfer1::IBuilderConfig& config) noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IHostMemory*>(nullptr), [&]() -> nvinfer1::IHostMemory* {
        Result<schedule::BuildResult> result =
            build(static_cast<const Network&>(network), static_cast<BuilderConfig&>(config));
        if (!result) {
            mReporter.report(result.status().withContext("while building the network"));
            return nullptr;
        }
        Result<std::vector<std::byte>> bytes = plan::planToBytes(result->plan);
        if (!bytes) {
            mReporter.report(bytes.status().withContext("while writing the plan"));
            return nullptr;
        }
        return new HostMemory(std::move(bytes).value());
    });
}

bool Builder::buildSerializedNetworkToStream(nvinfer1::INetworkDefinition& network, nvinfer1::IBuilderConfig& config,
                                             nvinfer1::IStreamWriter& writer) noexcept {
    return guarded(mReporter, false, [&] {
        Result<schedule::BuildResult> result =
            build(static_cast<const Network&>(network), static_cast<BuilderConfig&>(config));
        if (!result) {
            mReporter.report(result.status().withContext("while building the network"));
            return false;
        }
        const Status status = plan::writePlan(result->plan, [&writer](std::span<const std::byte> bytes) {
            const auto size = static_cast<int64_t>(bytes.size());
            const int64_t written = writer.write(bytes.data(), size);
            return written == size ? support::okStatus()
                                   : support::makeError(support::Code::kIo, "the stream writer took ", written, " of ",
                                                        size, " bytes");
        });
        if (!status.ok()) {
            mReporter.report(status.withContext("while writing the plan"));
        }
        return status.ok();
    });
}

nvinfer1::ICudaEngine* Builder::buildEngineWithConfig(nvinfer1::INetworkDefinition& network,
                                                      nvinfer1::IBuilderConfig& config) noexcept {
    // Through bytes: the plan's constants may point into the network's weights, which an engine outlives.
    const std::unique_ptr<nvinfer1::IHostMemory> bytes(buildSerializedNetwork(network, config));
    if (bytes == nullptr) {
        return nullptr;
    }
    Runtime runtime(mReporter.logger());
    runtime.setErrorRecorder(mReporter.recorder());
    runtime.setGpuAllocator(mAllocator);
    if (mThreads > 0) {
        runtime.setMaxThreads(mThreads);
    }
    return runtime.deserializeCudaEngine(bytes->data(), bytes->size());
}

bool Builder::isNetworkSupported(nvinfer1::INetworkDefinition const& network,
                                 nvinfer1::IBuilderConfig const& config) const noexcept {
    return guarded(mReporter, false, [&] {
        // A build at level 0 times nothing: what fails there is not supported.
        auto& settings = const_cast<BuilderConfig&>(static_cast<const BuilderConfig&>(config));
        const auto& lowered = static_cast<const Network&>(network);
        schedule::BuildOptions options = optionsOf(lowered, settings);
        options.level = 0;
        options.verify = options.verifyAll = false;
        options.timingCache = nullptr;
        options.errorOnCacheMiss = false;
        options.replayLedger.clear();
        Result<schedule::BuildInput> input = lowerNetwork(lowered, settings.settings());
        if (!input) {
            mReporter.report(input.status().withContext("in IBuilder::isNetworkSupported"));
            return false;
        }
        const Result<schedule::BuildResult> result =
            schedule::buildEngine(std::move(input).value(), options, snapshot());
        if (!result) {
            mReporter.report(result.status().withContext("in IBuilder::isNetworkSupported"));
        }
        return result.ok();
    });
}

} // namespace tenon::api

// ---- what libtenon exports ------------------------------------------------------------------------------------------

namespace {

bool checkVersion(const tenon::api::Reporter& reporter, const char* function, int32_t version) {
    if (version / 10000 == NV_TENSORRT_MAJOR) {
        return true;
    }
    reporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                   tenon::support::cat(function, ": the caller was compiled with headers of version ", version,
                                       ", this library has those of ", NV_TENSORRT_VERSION));
    return false;
}

} // namespace

extern "C" void* tenon_createInferBuilder(void* logger, int32_t version) noexcept {
    if (logger == nullptr) {
        return nullptr;
    }
    auto& sink = *static_cast<nvinfer1::ILogger*>(logger);
    const tenon::api::Reporter reporter(sink);
    return tenon::api::guarded(reporter, static_cast<void*>(nullptr), [&]() -> void* {
        if (!checkVersion(reporter, "createInferBuilder", version)) {
            return nullptr;
        }
        tenon::api::rememberLogger(&sink);
        return static_cast<nvinfer1::IBuilder*>(new tenon::api::Builder(sink));
    });
}

namespace nvinfer1 {
extern "C" IPluginRegistry* tenon_getBuilderPluginRegistry(EngineCapability capability) noexcept {
    return capability == EngineCapability::kSTANDARD ? &tenon::api::PluginRegistry::process() : nullptr;
}
} // namespace nvinfer1
