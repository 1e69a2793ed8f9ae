// IBuilderConfig and what it is made of: flags, memory pools, optimization profiles, progress monitors.
#pragma once

#include "tenon/calibrator.h"
#include "tenon/layer.h"
#include "tenon/timing_cache.h"

#include <atomic>

namespace nvinfer1 {

enum class BuilderFlag : int32_t {
    kFP16 = 0,
    kINT8 = 1,
    kDEBUG = 2,
    kGPU_FALLBACK = 3,
    kREFIT = 4,
    kDISABLE_TIMING_CACHE = 5,
    kTF32 = 6,
    kSPARSE_WEIGHTS = 7,
    kSAFETY_SCOPE = 8,
    kOBEY_PRECISION_CONSTRAINTS = 9,
    kPREFER_PRECISION_CONSTRAINTS = 10,
    kDIRECT_IO = 11,
    kREJECT_EMPTY_ALGORITHMS = 12,
    kVERSION_COMPATIBLE = 13,
    kEXCLUDE_LEAN_RUNTIME = 14,
    kFP8 = 15,
    kERROR_ON_TIMING_CACHE_MISS = 16,
    kBF16 = 17,
    kDISABLE_COMPILATION_CACHE = 18,
    kSTRIP_PLAN = 19,
    kWEIGHTLESS = kSTRIP_PLAN,
    kREFIT_IDENTICAL = 20,
    kWEIGHT_STREAMING = 21,
    kINT4 = 22,
    kREFIT_INDIVIDUAL = 23,
    kSTRICT_NANS = 24,
    kMONITOR_MEMORY = 25,
    kFP4 = 26,
    kEDITABLE_TIMING_CACHE = 27,
    kDISTRIBUTIVE_INDEPENDENCE = 28,
};
TENON_ENUM_MAX(BuilderFlag, 29)

// A set of flags: bit (1U << flag).
using BuilderFlags = uint32_t;

enum class QuantizationFlag : int32_t {
    kCALIBRATE_BEFORE_FUSION = 0,
};
TENON_ENUM_MAX(QuantizationFlag, 1)

using QuantizationFlags = uint32_t;

enum class MemoryPoolType : int32_t {
    kWORKSPACE = 0,
    kDLA_MANAGED_SRAM = 1,
    kDLA_LOCAL_DRAM = 2,
    kDLA_GLOBAL_DRAM = 3,
    kTACTIC_DRAM = 4,
    kTACTIC_SHARED_MEMORY = 5,
};
TENON_ENUM_MAX(MemoryPoolType, 6)

enum class PreviewFeature : int32_t {
    kPROFILE_SHARING_0806 = 0,
    kALIASED_PLUGIN_IO_10_03 = 1,
    kRUNTIME_ACTIVATION_RESIZE_10_10 = 2,
    kMULTIDEVICE_RUNTIME_10_16 = 3,
};
TENON_ENUM_MAX(PreviewFeature, 4)

// Libraries whose kernels may be considered. All by default.
enum class TacticSource : int32_t {
    kCUBLAS = 0,
    kCUBLAS_LT = 1,
    kCUDNN = 2,
    kEDGE_MASK_CONVOLUTIONS = 3,
    kJIT_CONVOLUTIONS = 4,
};
TENON_ENUM_MAX(TacticSource, 5)

using TacticSources = uint32_t;

enum class ProfilingVerbosity : int32_t {
    kLAYER_NAMES_ONLY = 0,
    kDEFAULT = kLAYER_NAMES_ONLY,
    kNONE = 1,
    kDETAILED = 2,
    kVERBOSE = kDETAILED,
};
TENON_ENUM_MAX(ProfilingVerbosity, 3)

enum class EngineCapability : int32_t {
    kSTANDARD = 0,
    kDEFAULT = kSTANDARD,
    kSAFETY = 1,
    kSAFE_GPU = kSAFETY,
    kDLA_STANDALONE = 2,
    kSAFE_DLA = kDLA_STANDALONE,
};
TENON_ENUM_MAX(EngineCapability, 3)

enum class HardwareCompatibilityLevel : int32_t {
    kNONE = 0,
    kAMPERE_PLUS = 1,
    kSAME_COMPUTE_CAPABILITY = 2,
};
TENON_ENUM_MAX(HardwareCompatibilityLevel, 3)

enum class RuntimePlatform : int32_t {
    kSAME_AS_BUILD = 0,
    kWINDOWS_AMD64 = 1,
};
TENON_ENUM_MAX(RuntimePlatform, 2)

enum class TilingOptimizationLevel : int32_t {
    kNONE = 0,
    kFAST = 1,
    kMODERATE = 2,
    kFULL = 3,
};
TENON_ENUM_MAX(TilingOptimizationLevel, 4)

// Which of a profile's three points is meant.
enum class OptProfileSelector : int32_t {
    kMIN = 0,
    kOPT = 1,
    kMAX = 2,
};
TENON_ENUM_MAX(OptProfileSelector, 3)

// The range of input dimensions that a plan serves, and the point it is tuned for. Owned by the builder that made it.
class IOptimizationProfile : public INoCopy {
public:
    // False if the dimensions contradict each other or what was set before.
    virtual bool setDimensions(char const* inputName, OptProfileSelector select, Dims const& dims) noexcept = 0;
    // nbDims -1 if not set.
    virtual Dims getDimensions(char const* inputName, OptProfileSelector select) const noexcept = 0;

    // Values of an input that dimensions depend on.
    virtual bool setShapeValues(char const* inputName, OptProfileSelector select, int32_t const* values,
                                int32_t nbValues) noexcept = 0;
    virtual int32_t getNbShapeValues(char const* inputName) const noexcept = 0;
    virtual int32_t const* getShapeValues(char const* inputName, OptProfileSelector select) const noexcept = 0;

    virtual bool setExtraMemoryTarget(float target) noexcept = 0;
    virtual float getExtraMemoryTarget() const noexcept = 0;

    // Whether each point is complete and min <= opt <= max. The network's view is checked when it is built.
    virtual bool isValid() const noexcept = 0;

    virtual bool setShapeValuesV2(char const* inputName, OptProfileSelector select, int64_t const* values,
                                  int32_t nbValues) noexcept = 0;
    virtual int64_t const* getShapeValuesV2(char const* inputName, OptProfileSelector select) const noexcept = 0;

protected:
    ~IOptimizationProfile() noexcept override = default;
};

// Implemented by the application: told of a build's phases, which nest, from any thread. Returning false from
// stepComplete() cancels the build.
class IProgressMonitor : public IVersionedInterface {
public:
    IProgressMonitor() = default;
    ~IProgressMonitor() noexcept override = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"IProgressMonitor", 1, 0}; }

    virtual void phaseStart(char const* phaseName, char const* parentPhase, int32_t nbSteps) noexcept = 0;
    virtual bool stepComplete(char const* phaseName, int32_t step) noexcept = 0;
    virtual void phaseFinish(char const* phaseName) noexcept = 0;
};

// How to build. Made by IBuilder::createBuilderConfig, deleted by its user. What this build of Tenon cannot do is
// reported as a warning or error when it is set, never dropped in silence. Not thread-safe.
class IBuilderConfig : public INoCopy {
public:
    ~IBuilderConfig() noexcept override = default;

    // Launches whose mean is one sample of a tactic's time.
    virtual void setAvgTimingIterations(int32_t avgTiming) noexcept = 0;
    virtual int32_t getAvgTimingIterations() const noexcept = 0;
    virtual void setEngineCapability(EngineCapability capability) noexcept = 0;
    virtual EngineCapability getEngineCapability() const noexcept = 0;

    virtual void setInt8Calibrator(IInt8Calibrator* calibrator) noexcept = 0;
    virtual IInt8Calibrator* getInt8Calibrator() const noexcept = 0;

    virtual void setFlags(BuilderFlags builderFlags) noexcept = 0;
    virtual BuilderFlags getFlags() const noexcept = 0;
    virtual void clearFlag(BuilderFlag builderFlag) noexcept = 0;
    virtual void setFlag(BuilderFlag builderFlag) noexcept = 0;
    virtual bool getFlag(BuilderFlag builderFlag) const noexcept = 0;

    virtual void setDeviceType(ILayer const* layer, DeviceType deviceType) noexcept = 0;
    virtual DeviceType getDeviceType(ILayer const* layer) const noexcept = 0;
    virtual bool isDeviceTypeSet(ILayer const* layer) const noexcept = 0;
    virtual void resetDeviceType(ILayer const* layer) noexcept = 0;
    virtual bool canRunOnDLA(ILayer const* layer) const noexcept = 0;
    virtual void setDLACore(int32_t dlaCore) noexcept = 0;
    virtual int32_t getDLACore() const noexcept = 0;
    virtual void setDefaultDeviceType(DeviceType deviceType) noexcept = 0;
    virtual DeviceType getDefaultDeviceType() const noexcept = 0;

    // Back to how createBuilderConfig made it.
    virtual void reset() noexcept = 0;

    virtual void setProfileStream(const cudaStream_t stream) noexcept = 0;
    virtual cudaStream_t getProfileStream() const noexcept = 0;

    // The index of the added profile, or -1. The profile is copied.
    virtual int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept = 0;
    virtual int32_t getNbOptimizationProfiles() const noexcept = 0;

    virtual void setProfilingVerbosity(ProfilingVerbosity verbosity) noexcept = 0;
    virtual ProfilingVerbosity getProfilingVerbosity() const noexcept = 0;

    virtual void setAlgorithmSelector(IAlgorithmSelector* selector) noexcept = 0;
    virtual IAlgorithmSelector* getAlgorithmSelector() const noexcept = 0;

    virtual bool setCalibrationProfile(IOptimizationProfile const* profile) noexcept = 0;
    virtual IOptimizationProfile const* getCalibrationProfile() noexcept = 0;

    virtual void setQuantizationFlags(QuantizationFlags flags) noexcept = 0;
    virtual QuantizationFlags getQuantizationFlags() const noexcept = 0;
    virtual void clearQuantizationFlag(QuantizationFlag flag) noexcept = 0;
    virtual void setQuantizationFlag(QuantizationFlag flag) noexcept = 0;
    virtual bool getQuantizationFlag(QuantizationFlag flag) const noexcept = 0;

    virtual bool setTacticSources(TacticSources tacticSources) noexcept = 0;
    virtual TacticSources getTacticSources() const noexcept = 0;

    // Owned by the caller. An empty blob makes an empty cache; a blob that cannot be read, an error and null.
    virtual ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept = 0;
    // The cache to read and extend; not owned, must outlive the builds.
    virtual bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept = 0;
    // The cache in use: the one that was set, or one that the config owns. Null before the first build.
    virtual ITimingCache const* getTimingCache() const noexcept = 0;

    virtual void setMemoryPoolLimit(MemoryPoolType pool, std::size_t poolSize) noexcept = 0;
    virtual std::size_t getMemoryPoolLimit(MemoryPoolType pool) const noexcept = 0;

    virtual void setPreviewFeature(PreviewFeature feature, bool enable) noexcept = 0;
    virtual bool getPreviewFeature(PreviewFeature feature) const noexcept = 0;

    // 0: no timing; 3: default; 5: everything. Others mean the nearest of these below.
    virtual void setBuilderOptimizationLevel(int32_t level) noexcept = 0;
    virtual int32_t getBuilderOptimizationLevel() noexcept = 0;

    virtual void setHardwareCompatibilityLevel(HardwareCompatibilityLevel hardwareCompatibilityLevel) noexcept = 0;
    virtual HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept = 0;

    virtual void setPluginsToSerialize(char const* const* paths, int32_t nbPaths) noexcept = 0;
    virtual char const* getPluginToSerialize(int32_t index) const noexcept = 0;
    virtual int32_t getNbPluginsToSerialize() const noexcept = 0;

    virtual void setMaxAuxStreams(int32_t nbStreams) noexcept = 0;
    virtual int32_t getMaxAuxStreams() const noexcept = 0;

    virtual void setProgressMonitor(IProgressMonitor* monitor) noexcept = 0;
    virtual IProgressMonitor* getProgressMonitor() const noexcept = 0;

    virtual void setRuntimePlatform(RuntimePlatform runtimePlatform) noexcept = 0;
    virtual RuntimePlatform getRuntimePlatform() const noexcept = 0;

    // Tactics to time per task at most; -1 for no limit.
    virtual void setMaxNbTactics(int32_t maxNbTactics) noexcept = 0;
    virtual int32_t getMaxNbTactics() const noexcept = 0;

    virtual bool setTilingOptimizationLevel(TilingOptimizationLevel level) noexcept = 0;
    virtual TilingOptimizationLevel getTilingOptimizationLevel() const noexcept = 0;
    virtual bool setL2LimitForTiling(int64_t size) noexcept = 0;
    virtual int64_t getL2LimitForTiling() const noexcept = 0;

    virtual bool setRemoteAutoTuningConfig(char const* config) noexcept = 0;
    virtual char const* getRemoteAutoTuningConfig() const noexcept = 0;

    // Tenon's own: the tactic providers that a build may use, by name ("cpu", "onednn"); none means all. False, with an error, for a null name.
    virtual bool setTacticProviders(char const* const* names, int32_t nbNames) noexcept = 0;
    // Tenon's own: takes every decision from the decision ledger of an earlier plan (its JSON text, copied) instead of timing; the same
    // network, modules and options then give the same bytes. Null or "" goes back to timing. False, with an error, for a text that is no ledger.
    virtual bool setReplayLedger(char const* ledger) noexcept = 0;
    // Tenon's own: seconds of the reference on chosen tactics; then exact kernels of others serve, maxima aside. 0: none, infinity: all tactics; 10 at first.
    virtual void setVerificationBudget(float seconds) noexcept = 0;
    // Tenon's own: the tuning database of the builds to come (its text, copied; "" for an empty one), in place of the timing cache. It holds measured times
    // and, once a build had a device, the device's description: on a machine without that device builds are then for it, kernels are compiled
    // and not timed, and what has no time in the database is estimated, with a warning and a note in the ledger. Null goes back to the timing
    // cache. False, with an error, for a text that is no tuning database.
    virtual bool setTuningDatabase(char const* text, std::size_t size) noexcept = 0;
    // Tenon's own: the tuning database with what builds added to it. The caller deletes it. Null when none was set.
    virtual IHostMemory* getTuningDatabase() const noexcept = 0;
    // Tenon's own: builds to come look at this flag every few milliseconds and stop as when a progress monitor says false, which is asked between
    // steps only: nothing more is timed or compared, and the plan is the best of what is known. Any thread may set it. Not owned; null: none.
    virtual void setStopFlag(std::atomic<bool> const* stop) noexcept = 0;

    // The 8.x names of one pool's limit.
    void setMaxWorkspaceSize(std::size_t workspaceSize) noexcept {
        setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, workspaceSize);
    }
    std::size_t getMaxWorkspaceSize() const noexcept { return getMemoryPoolLimit(MemoryPoolType::kWORKSPACE); }

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1
