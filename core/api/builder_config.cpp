#include "core/api/builder_config.h"

#include "core/api/host_memory.h"
#include "core/schedule/ledger.h"

#include "core/api/type_convert.h"

#include <algorithm>

namespace tenon::api {

using nvinfer1::BuilderFlag;
using nvinfer1::ErrorCode;
using nvinfer1::MemoryPoolType;
using support::cat;

namespace {

constexpr uint32_t bit(BuilderFlag flag) { return 1U << static_cast<uint32_t>(flag); }

struct FlagNote {
    BuilderFlag flag;
    const char* note;
};

// Flags that this build of Tenon cannot honour, with what happens instead.
constexpr FlagNote kUnavailable[] = {
    {BuilderFlag::kINT8, "kINT8 has no effect: no INT8 precision module is installed; layers stay in their own types"},
    {BuilderFlag::kFP8, "kFP8 has no effect: no FP8 precision module is installed; layers stay in their own types"},
    {BuilderFlag::kINT4, "kINT4 has no effect: no INT4 precision module is installed; layers stay in their own types"},
    {BuilderFlag::kFP4, "kFP4 has no effect: no FP4 precision module is installed; layers stay in their own types"},
    {BuilderFlag::kGPU_FALLBACK, "kGPU_FALLBACK has no effect: there is no DLA to fall back from"},
    {BuilderFlag::kREFIT, "kREFIT has no effect: engines cannot be refitted; the plan keeps its weights fixed"},
    {BuilderFlag::kREFIT_IDENTICAL, "kREFIT_IDENTICAL has no effect: engines cannot be refitted"},
    {BuilderFlag::kREFIT_INDIVIDUAL, "kREFIT_INDIVIDUAL has no effect: engines cannot be refitted"},
    {BuilderFlag::kSTRIP_PLAN, "kSTRIP_PLAN has no effect: the plan keeps its weights"},
    {BuilderFlag::kWEIGHT_STREAMING, "kWEIGHT_STREAMING has no effect: weights are read from the mapped plan"},
    {BuilderFlag::kSPARSE_WEIGHTS, "kSPARSE_WEIGHTS has no effect: no module with sparse kernels is installed"},
    {BuilderFlag::kSAFETY_SCOPE, "kSAFETY_SCOPE has no effect: there is no safety runtime"},
    {BuilderFlag::kEXCLUDE_LEAN_RUNTIME, "kEXCLUDE_LEAN_RUNTIME has no effect: a plan never contains a runtime"},
    {BuilderFlag::kEDITABLE_TIMING_CACHE, "kEDITABLE_TIMING_CACHE has no effect: the timing cache cannot be edited"},
};

} // namespace

std::array<std::size_t, nvinfer1::EnumMax<MemoryPoolType>()> BuilderConfig::Settings::defaultPools() {
    std::array<std::size_t, nvinfer1::EnumMax<MemoryPoolType>()> pools{};
    pools[static_cast<size_t>(MemoryPoolType::kWORKSPACE)] = SIZE_MAX;
    pools[static_cast<size_t>(MemoryPoolType::kTACTIC_DRAM)] = SIZE_MAX;
    pools[static_cast<size_t>(MemoryPoolType::kTACTIC_SHARED_MEMORY)] = SIZE_MAX;
    return pools;
}

void BuilderConfig::refuse(const char* function, std::string_view why) const noexcept {
    guarded(mReporter, 0, [&] {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, cat("IBuilderConfig::", function, ": ", why));
        return 0;
    });
}

void BuilderConfig::setAvgTimingIterations(int32_t avgTiming) noexcept {
    if (avgTiming < 1) {
        refuse("setAvgTimingIterations", "must be at least 1");
        return;
    }
    mSettings.avgTiming = avgTiming;
}

void BuilderConfig::setEngineCapability(nvinfer1::EngineCapability capability) noexcept {
    if (capability != nvinfer1::EngineCapability::kSTANDARD) {
        refuse("setEngineCapability", "only kSTANDARD engines can be built");
        return;
    }
    mSettings.capability = capability;
}

void BuilderConfig::setInt8Calibrator(nvinfer1::IInt8Calibrator* calibrator) noexcept {
    mSettings.calibrator = calibrator;
    if (calibrator != nullptr) {
        mReporter.warning("the calibrator will not be called: no INT8 precision module is installed");
    }
}

void BuilderConfig::setFlags(nvinfer1::BuilderFlags builderFlags) noexcept {
    for (int32_t i = 0; i < 32; ++i) {
        if (i >= nvinfer1::EnumMax<BuilderFlag>() && (builderFlags & (1U << i)) != 0) {
            refuse("setFlags", "a bit is set that is no BuilderFlag");
            return;
        }
    }
    mSettings.flags = 0;
    for (int32_t i = 0; i < nvinfer1::EnumMax<BuilderFlag>(); ++i) {
        if ((builderFlags & (1U << i)) != 0) {
            setFlag(static_cast<BuilderFlag>(i));
        }
    }
}

void BuilderConfig::clearFlag(BuilderFlag builderFlag) noexcept { mSettings.flags &= ~bit(builderFlag); }

void BuilderConfig::setFlag(BuilderFlag builderFlag) noexcept {
    const auto index = static_cast<int32_t>(builderFlag);
    if (index < 0 || index >= nvinfer1::EnumMax<BuilderFlag>()) {
        refuse("setFlag", "no such flag");
        return;
    }
    if ((mSettings.flags & bit(builderFlag)) == 0) {
        for (const FlagNote& note : kUnavailable) {
            if (note.flag == builderFlag) {
                mReporter.warning(note.note);
            }
        }
    }
    mSettings.flags |= bit(builderFlag);
}

bool BuilderConfig::getFlag(BuilderFlag builderFlag) const noexcept {
    return (mSettings.flags & bit(builderFlag)) != 0;
}

void BuilderConfig::setDeviceType(nvinfer1::ILayer const* layer, nvinfer1::DeviceType deviceType) noexcept {
    guarded(mReporter, 0, [&] {
        if (layer == nullptr) {
            refuse("setDeviceType", "the layer is null");
        } else if (deviceType == nvinfer1::DeviceType::kDLA) {
            refuse("setDeviceType", cat("layer '", layer->getName(), "' cannot run on a DLA: there is none"));
        } else {
            mSettings.devices[layer] = deviceType;
        }
        return 0;
    });
}

nvinfer1::DeviceType BuilderConfig::getDeviceType(nvinfer1::ILayer const* layer) const noexcept {
    const auto found = mSettings.devices.find(layer);
    return found == mSettings.devices.end() ? mSettings.defaultDevice : found->second;
}

bool BuilderConfig::isDeviceTypeSet(nvinfer1::ILayer const* layer) const noexcept {
    return mSettings.devices.count(layer) > 0;
}

void BuilderConfig::resetDeviceType(nvinfer1::ILayer const* layer) noexcept { mSettings.devices.erase(layer); }

void BuilderConfig::setDLACore(int32_t dlaCore) noexcept {
    if (dlaCore >= 0) {
        refuse("setDLACore", "there is no DLA on this machine");
    }
}

void BuilderConfig::setDefaultDeviceType(nvinfer1::DeviceType deviceType) noexcept {
    if (deviceType == nvinfer1::DeviceType::kDLA) {
        refuse("setDefaultDeviceType", "there is no DLA on this machine");
        return;
    }
    mSettings.defaultDevice = deviceType;
}

void BuilderConfig::reset() noexcept {
    guarded(mReporter, 0, [&] {
        mSettings = Settings{};
        mOwnCache.reset();
        return 0;
    });
}

int32_t BuilderConfig::addOptimizationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept {
    return guarded(mReporter, -1, [&] {
        if (profile == nullptr) {
            refuse("addOptimizationProfile", "the profile is null");
            return -1;
        }
        const auto& given = static_cast<const OptimizationProfile&>(*profile);
        if (const std::string why = given.whyInvalid(); !why.empty()) {
            refuse("addOptimizationProfile", why);
            return -1;
        }
        mSettings.profiles.push_back(given.inputs());
        return static_cast<int32_t>(mSettings.profiles.size()) - 1;
    });
}

void BuilderConfig::setAlgorithmSelector(nvinfer1::IAlgorithmSelector* selector) noexcept {
    if (selector != nullptr) {
        refuse("setAlgorithmSelector", "algorithm selectors are not available; use the timing cache or the ledger");
    }
}

bool BuilderConfig::setCalibrationProfile(nvinfer1::IOptimizationProfile const*) noexcept {
    mReporter.warning("the calibration profile has no effect: no INT8 precision module is installed");
    return false;
}

void BuilderConfig::clearQuantizationFlag(nvinfer1::QuantizationFlag flag) noexcept {
    mSettings.quantizationFlags &= ~(1U << static_cast<uint32_t>(flag));
}

void BuilderConfig::setQuantizationFlag(nvinfer1::QuantizationFlag flag) noexcept {
    mSettings.quantizationFlags |= 1U << static_cast<uint32_t>(flag);
}

bool BuilderConfig::getQuantizationFlag(nvinfer1::QuantizationFlag flag) const noexcept {
    return (mSettings.quantizationFlags & (1U << static_cast<uint32_t>(flag))) != 0;
}

bool BuilderConfig::setTacticSources(nvinfer1::TacticSources tacticSources) noexcept {
    if ((tacticSources >> nvinfer1::EnumMax<nvinfer1::TacticSource>()) != 0) {
        refuse("setTacticSources", "a bit is set that is no TacticSource");
        return false;
    }
    mSettings.tacticSources = tacticSources;
    return true;
}

nvinfer1::ITimingCache* BuilderConfig::createTimingCache(void const* blob, std::size_t size) const noexcept {
    return guarded(mReporter, static_cast<nvinfer1::ITimingCache*>(nullptr), [&]() -> nvinfer1::ITimingCache* {
        if (size == 0) {
            return new TimingCacheObject(mReporter, schedule::TimingCache());
        }
        if (blob == nullptr) {
            refuse("createTimingCache", "the blob is null");
            return nullptr;
        }
        support::Result<schedule::TimingCache> cache =
            schedule::TimingCache::deserialize({static_cast<const char*>(blob), size});
        if (!cache) {
            mReporter.report(cache.status().withContext("in IBuilderConfig::createTimingCache"));
            return nullptr;
        }
        return new TimingCacheObject(mReporter, std::move(cache).value());
    });
}

bool BuilderConfig::setTimingCache(nvinfer1::ITimingCache const& cache, bool) noexcept {
    // Samples of another target are kept apart by key, so there is no mismatch to ignore.
    mSettings.timingCache = static_cast<const TimingCacheObject*>(&cache);
    return true;
}

nvinfer1::ITimingCache const* BuilderConfig::getTimingCache() const noexcept {
    return mSettings.timingCache != nullptr ? mSettings.timingCache : mOwnCache.get();
}

schedule::TimingCache* BuilderConfig::cacheForBuild() {
    if (mTuning != nullptr) {
        return &mTuning->times;
    }
    if (getFlag(BuilderFlag::kDISABLE_TIMING_CACHE)) {
        return nullptr;
    }
    if (mSettings.timingCache != nullptr) {
        return &mSettings.timingCache->cache();
    }
    if (mOwnCache == nullptr) {
        mOwnCache = std::make_unique<TimingCacheObject>(mReporter, schedule::TimingCache());
    }
    return &mOwnCache->cache();
}

void BuilderConfig::setMemoryPoolLimit(MemoryPoolType pool, std::size_t poolSize) noexcept {
    const auto index = static_cast<int32_t>(pool);
    if (index < 0 || index >= nvinfer1::EnumMax<MemoryPoolType>()) {
        refuse("setMemoryPoolLimit", "no such pool");
        return;
    }
    mSettings.pools[static_cast<size_t>(index)] = poolSize;
}

std::size_t BuilderConfig::getMemoryPoolLimit(MemoryPoolType pool) const noexcept {
    const auto index = static_cast<int32_t>(pool);
    return index < 0 || index >= nvinfer1::EnumMax<MemoryPoolType>() ? 0 : mSettings.pools[static_cast<size_t>(index)];
}

void BuilderConfig::setPreviewFeature(nvinfer1::PreviewFeature feature, bool enable) noexcept {
    const uint32_t mask = 1U << static_cast<uint32_t>(feature);
    mSettings.previewFeatures = enable ? mSettings.previewFeatures | mask : mSettings.previewFeatures & ~mask;
}

bool BuilderConfig::getPreviewFeature(nvinfer1::PreviewFeature feature) const noexcept {
    return (mSettings.previewFeatures & (1U << static_cast<uint32_t>(feature))) != 0;
}

void BuilderConfig::setBuilderOptimizationLevel(int32_t level) noexcept {
    if (level < 0) {
        refuse("setBuilderOptimizationLevel", "the level goes from 0 to 5");
        return;
    }
    mSettings.level = std::min(level, 5);
}

void BuilderConfig::setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel level) noexcept {
    mSettings.hardwareLevel = level;
    if (level != nvinfer1::HardwareCompatibilityLevel::kNONE) {
        mReporter.warning("the hardware compatibility level speaks of GPUs and has no effect on a CPU plan");
    }
}

void BuilderConfig::setPluginsToSerialize(char const* const* paths, int32_t nbPaths) noexcept {
    guarded(mReporter, 0, [&] {
        if (nbPaths < 0 || (paths == nullptr && nbPaths > 0)) {
            refuse("setPluginsToSerialize", "the paths are missing");
            return 0;
        }
        mSettings.pluginLibraries.assign(paths, paths + nbPaths);
        if (nbPaths > 0) {
            mReporter.warning("plugin libraries are not put into plans: load them with IPluginRegistry::loadLibrary "
                              "before the plan is deserialized");
        }
        return 0;
    });
}

char const* BuilderConfig::getPluginToSerialize(int32_t index) const noexcept {
    return index < 0 || index >= getNbPluginsToSerialize()
               ? nullptr
               : mSettings.pluginLibraries[static_cast<size_t>(index)].c_str();
}

void BuilderConfig::setMaxAuxStreams(int32_t nbStreams) noexcept {
    if (nbStreams < 0) {
        refuse("setMaxAuxStreams", "must not be negative");
        return;
    }
    mSettings.maxAuxStreams = nbStreams;
}

void BuilderConfig::setRuntimePlatform(nvinfer1::RuntimePlatform runtimePlatform) noexcept {
    if (runtimePlatform != nvinfer1::RuntimePlatform::kSAME_AS_BUILD) {
        refuse("setRuntimePlatform", "plans can be built for this platform only");
    }
}

void BuilderConfig::setMaxNbTactics(int32_t maxNbTactics) noexcept {
    if (maxNbTactics == 0 || maxNbTactics < -1) {
        refuse("setMaxNbTactics", "must be positive, or -1 for no limit");
        return;
    }
    mSettings.maxTactics = maxNbTactics;
}

bool BuilderConfig::setTilingOptimizationLevel(nvinfer1::TilingOptimizationLevel level) noexcept {
    if (level != nvinfer1::TilingOptimizationLevel::kNONE) {
        mReporter.warning("tiling optimization is not available and has no effect");
    }
    return level == nvinfer1::TilingOptimizationLevel::kNONE;
}

bool BuilderConfig::setL2LimitForTiling(int64_t) noexcept {
    mReporter.warning("tiling optimization is not available: its limit has no effect");
    return false;
}

bool BuilderConfig::setRemoteAutoTuningConfig(char const* config) noexcept {
    if (config != nullptr && *config != '\0') {
        refuse("setRemoteAutoTuningConfig", "remote tuning is not available");
        return false;
    }
    return true;
}

bool BuilderConfig::setTacticProviders(char const* const* names, int32_t nbNames) noexcept {
    std::vector<std::string> providers;
    for (int32_t i = 0; i < nbNames; ++i) {
        if (names == nullptr || names[i] == nullptr) {
            mReporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                            support::cat("setTacticProviders: name ", i, " is null"));
            return false;
        }
        providers.emplace_back(names[i]);
    }
    mSettings.providers = std::move(providers);
    return true;
}

bool BuilderConfig::setReplayLedger(char const* ledger) noexcept {
    std::string text = ledger != nullptr ? ledger : "";
    if (!text.empty()) {
        support::Result<schedule::TimingCache> times = schedule::timesOf(text);
        if (!times.ok()) {
            mReporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                            support::cat("setReplayLedger: ", times.status().message()));
            return false;
        }
    }
    mSettings.replayLedger = std::move(text);
    return true;
}

bool BuilderConfig::setTuningDatabase(char const* text, std::size_t size) noexcept {
    return guarded(mReporter, false, [&] {
        auto database = std::make_unique<schedule::TuningDatabase>();
        if (text != nullptr && size > 0) {
            support::Result<schedule::TuningDatabase> read =
                schedule::TuningDatabase::deserialize(std::string_view(text, size));
            if (!read.ok()) {
                refuse("setTuningDatabase", read.status().message());
                return false;
            }
            *database = std::move(*read);
        }
        mTuning = text != nullptr ? std::move(database) : nullptr;
        return true;
    });
}

nvinfer1::IHostMemory* BuilderConfig::getTuningDatabase() const noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IHostMemory*>(nullptr), [&]() -> nvinfer1::IHostMemory* {
        return mTuning == nullptr ? nullptr : new HostMemory(mTuning->serialize());
    });
}

} // namespace tenon::api
