// IBuilderConfig's implementation: keeps what was asked for and says at once what cannot be had.
// Used by Builder, which turns it into schedule::BuildOptions.
#pragma once

#include "core/api/optimization_profile.h"
#include "core/api/reporter.h"
#include "core/api/timing_cache.h"
#include "core/schedule/tuning_database.h"
#include "tenon/builder_config.h"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tenon::api {

class BuilderConfig final : public nvinfer1::IBuilderConfig {
public:
    explicit BuilderConfig(const Reporter& reporter) : mReporter(reporter) {}

    void setAvgTimingIterations(int32_t avgTiming) noexcept override;
    int32_t getAvgTimingIterations() const noexcept override { return mSettings.avgTiming; }
    void setEngineCapability(nvinfer1::EngineCapability capability) noexcept override;
    nvinfer1::EngineCapability getEngineCapability() const noexcept override { return mSettings.capability; }
    void setInt8Calibrator(nvinfer1::IInt8Calibrator* calibrator) noexcept override;
    nvinfer1::IInt8Calibrator* getInt8Calibrator() const noexcept override { return mSettings.calibrator; }
    void setFlags(nvinfer1::BuilderFlags builderFlags) noexcept override;
    nvinfer1::BuilderFlags getFlags() const noexcept override { return mSettings.flags; }
    void clearFlag(nvinfer1::BuilderFlag builderFlag) noexcept override;
    void setFlag(nvinfer1::BuilderFlag builderFlag) noexcept override;
    bool getFlag(nvinfer1::BuilderFlag builderFlag) const noexcept override;
    void setDeviceType(nvinfer1::ILayer const* layer, nvinfer1::DeviceType deviceType) noexcept override;
    nvinfer1::DeviceType getDeviceType(nvinfer1::ILayer const* layer) const noexcept override;
    bool isDeviceTypeSet(nvinfer1::ILayer const* layer) const noexcept override;
    void resetDeviceType(nvinfer1::ILayer const* layer) noexcept override;
    bool canRunOnDLA(nvinfer1::ILayer const*) const noexcept override { return false; }
    void setDLACore(int32_t dlaCore) noexcept override;
    int32_t getDLACore() const noexcept override { return -1; }
    void setDefaultDeviceType(nvinfer1::DeviceType deviceType) noexcept override;
    nvinfer1::DeviceType getDefaultDeviceType() const noexcept override { return mSettings.defaultDevice; }
    void reset() noexcept override;
    void setProfileStream(const cudaStream_t stream) noexcept override { mSettings.profileStream = stream; }
    cudaStream_t getProfileStream() const noexcept override { return mSettings.profileStream; }
    int32_t addOptimizationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept override;
    int32_t getNbOptimizationProfiles() const noexcept override {
        return static_cast<int32_t>(mSettings.profiles.size());
    }
    void setProfilingVerbosity(nvinfer1::ProfilingVerbosity verbosity) noexcept override {
        mSettings.verbosity = verbosity;
    }
    nvinfer1::ProfilingVerbosity getProfilingVerbosity() const noexcept override { return mSettings.verbosity; }
    void setAlgorithmSelector(nvinfer1::IAlgorithmSelector* selector) noexcept override;
    nvinfer1::IAlgorithmSelector* getAlgorithmSelector() const noexcept override { return nullptr; }
    bool setCalibrationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept override;
    nvinfer1::IOptimizationProfile const* getCalibrationProfile() noexcept override { return nullptr; }
    void setQuantizationFlags(nvinfer1::QuantizationFlags flags) noexcept override {
        mSettings.quantizationFlags = flags;
    }
    nvinfer1::QuantizationFlags getQuantizationFlags() const noexcept override { return mSettings.quantizationFlags; }
    void clearQuantizationFlag(nvinfer1::QuantizationFlag flag) noexcept override;
    void setQuantizationFlag(nvinfer1::QuantizationFlag flag) noexcept override;
    bool getQuantizationFlag(nvinfer1::QuantizationFlag flag) const noexcept override;
    bool setTacticSources(nvinfer1::TacticSources tacticSources) noexcept override;
    nvinfer1::TacticSources getTacticSources() const noexcept override { return mSettings.tacticSources; }
    nvinfer1::ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept override;
    bool setTimingCache(nvinfer1::ITimingCache const& cache, bool ignoreMismatch) noexcept override;
    nvinfer1::ITimingCache const* getTimingCache() const noexcept override;
    void setMemoryPoolLimit(nvinfer1::MemoryPoolType pool, std::size_t poolSize) noexcept override;
    std::size_t getMemoryPoolLimit(nvinfer1::MemoryPoolType pool) const noexcept override;
    void setPreviewFeature(nvinfer1::PreviewFeature feature, bool enable) noexcept override;
    bool getPreviewFeature(nvinfer1::PreviewFeature feature) const noexcept override;
    void setBuilderOptimizationLevel(int32_t level) noexcept override;
    int32_t getBuilderOptimizationLevel() noexcept override { return mSettings.level; }
    void setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel level) noexcept override;
    nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
        return mSettings.hardwareLevel;
    }
    void setPluginsToSerialize(char const* const* paths, int32_t nbPaths) noexcept override;
    char const* getPluginToSerialize(int32_t index) const noexcept override;
    int32_t getNbPluginsToSerialize() const noexcept override {
        return static_cast<int32_t>(mSettings.pluginLibraries.size());
    }
    void setMaxAuxStreams(int32_t nbStreams) noexcept override;
    int32_t getMaxAuxStreams() const noexcept override { return mSettings.maxAuxStreams; }
    void setProgressMonitor(nvinfer1::IProgressMonitor* monitor) noexcept override { mSettings.monitor = monitor; }
    nvinfer1::IProgressMonitor* getProgressMonitor() const noexcept override { return mSettings.monitor; }
    void setRuntimePlatform(nvinfer1::RuntimePlatform runtimePlatform) noexcept override;
    nvinfer1::RuntimePlatform getRuntimePlatform() const noexcept override {
        return nvinfer1::RuntimePlatform::kSAME_AS_BUILD;
    }
    void setMaxNbTactics(int32_t maxNbTactics) noexcept override;
    int32_t getMaxNbTactics() const noexcept override { return mSettings.maxTactics; }
    bool setTilingOptimizationLevel(nvinfer1::TilingOptimizationLevel level) noexcept override;
    nvinfer1::TilingOptimizationLevel getTilingOptimizationLevel() const noexcept override {
        return nvinfer1::TilingOptimizationLevel::kNONE;
    }
    bool setL2LimitForTiling(int64_t size) noexcept override;
    int64_t getL2LimitForTiling() const noexcept override { return 0; }
    bool setRemoteAutoTuningConfig(char const* config) noexcept override;
    char const* getRemoteAutoTuningConfig() const noexcept override { return ""; }

    bool setTacticProviders(char const* const* names, int32_t nbNames) noexcept override;
    bool setReplayLedger(char const* ledger) noexcept override;
    void setVerificationBudget(float seconds) noexcept override { mSettings.verificationSeconds = seconds; }
    bool setTuningDatabase(char const* text, std::size_t size) noexcept override;
    nvinfer1::IHostMemory* getTuningDatabase() const noexcept override;
    void setStopFlag(std::atomic<bool> const* stop) noexcept override { mSettings.stop = stop; }

    // What Builder reads.
    struct Settings {
        std::vector<std::string> providers;
        std::string replayLedger;
        float verificationSeconds = 10;
        int32_t avgTiming = 1;
        nvinfer1::EngineCapability capability = nvinfer1::EngineCapability::kSTANDARD;
        nvinfer1::IInt8Calibrator* calibrator = nullptr;
        nvinfer1::BuilderFlags flags = 1U << static_cast<uint32_t>(nvinfer1::BuilderFlag::kTF32);
        std::map<nvinfer1::ILayer const*, nvinfer1::DeviceType> devices;
        nvinfer1::DeviceType defaultDevice = nvinfer1::DeviceType::kGPU;
        cudaStream_t profileStream = nullptr;
        std::vector<ProfileInputs> profiles;
        nvinfer1::ProfilingVerbosity verbosity = nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY;
        nvinfer1::QuantizationFlags quantizationFlags = 0;
        nvinfer1::TacticSources tacticSources = (1U << nvinfer1::EnumMax<nvinfer1::TacticSource>()) - 1U;
        std::array<std::size_t, nvinfer1::EnumMax<nvinfer1::MemoryPoolType>()> pools = defaultPools();
        uint32_t previewFeatures = 0;
        int32_t level = 3;
        nvinfer1::HardwareCompatibilityLevel hardwareLevel = nvinfer1::HardwareCompatibilityLevel::kNONE;
        std::vector<std::string> pluginLibraries;
        int32_t maxAuxStreams = -1;
        nvinfer1::IProgressMonitor* monitor = nullptr;
        std::atomic<bool> const* stop = nullptr;
        int32_t maxTactics = -1;
        const TimingCacheObject* timingCache = nullptr; // the user's

        static std::array<std::size_t, nvinfer1::EnumMax<nvinfer1::MemoryPoolType>()> defaultPools();
    };
    const Settings& settings() const { return mSettings; }
    const Reporter& reporter() const { return mReporter; }
    // The cache of a build: the tuning database's, the user's, or an own one that lasts as long as the config. Null if the flag says none.
    schedule::TimingCache* cacheForBuild();
    // Null where none was set.
    schedule::TuningDatabase* tuning() { return mTuning.get(); }

private:
    void refuse(const char* function, std::string_view why) const noexcept;

    Reporter mReporter;
    Settings mSettings;
    std::unique_ptr<TimingCacheObject> mOwnCache;
    std::unique_ptr<schedule::TuningDatabase> mTuning;
};

} // namespace tenon::api
