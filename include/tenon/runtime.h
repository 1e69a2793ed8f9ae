// IRuntime and ICudaEngine: load plans and make execution contexts. The factory functions are at the end.
// Everything here is served by libtenon_runtime alone.
#pragma once

#include "tenon/execution_context.h"
#include "tenon/inspector.h"
#include "tenon/plugin.h"

namespace nvinfer1 {

enum class SerializationFlag : int32_t {
    kEXCLUDE_WEIGHTS = 0,
    kEXCLUDE_LEAN_RUNTIME = 1,
    kINCLUDE_REFIT = 2,
};
TENON_ENUM_MAX(SerializationFlag, 3)

using SerializationFlags = uint32_t;

enum class TempfileControlFlag : int32_t {
    kALLOW_IN_MEMORY_FILES = 0,
    kALLOW_TEMPORARY_FILES = 1,
};
TENON_ENUM_MAX(TempfileControlFlag, 2)

using TempfileControlFlags = uint32_t;

enum class ExecutionContextAllocationStrategy : int32_t {
    kSTATIC = 0,            // for the largest shapes of all profiles, when the context is made
    kON_PROFILE_CHANGE = 1, // for the largest shapes of the current profile
    kUSER_MANAGED = 2,      // by the caller, through setDeviceMemoryV2
};
TENON_ENUM_MAX(ExecutionContextAllocationStrategy, 3)

enum class EngineStat : int32_t {
    kTOTAL_WEIGHTS_SIZE = 0,
    kSTRIPPED_WEIGHTS_SIZE = 1,
};
TENON_ENUM_MAX(EngineStat, 2)

enum class SeekPosition : int32_t {
    kSET = 0,
    kCUR = 1,
    kEND = 2,
};
TENON_ENUM_MAX(SeekPosition, 3)

// Implemented by the application: gives a plan in pieces, from its beginning.
class IStreamReader : public IVersionedInterface {
public:
    ~IStreamReader() override = default;
    IStreamReader() = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"IStreamReader", 1, 0}; }

    // Bytes read; fewer than asked for at the end only; negative for an error.
    virtual int64_t read(void* destination, int64_t nbBytes) = 0;

protected:
    IStreamReader(IStreamReader const&) = default;
    IStreamReader(IStreamReader&&) = default;
    IStreamReader& operator=(IStreamReader const&) & = default;
    IStreamReader& operator=(IStreamReader&&) & = default;
};

// Implemented by the application: as above, with seeking, into memory of any kind.
class IStreamReaderV2 : public IVersionedInterface {
public:
    ~IStreamReaderV2() override = default;
    IStreamReaderV2() = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"IStreamReaderV2", 1, 0}; }

    virtual int64_t read(void* destination, int64_t nbBytes, cudaStream_t stream) noexcept = 0;
    virtual bool seek(int64_t offset, SeekPosition where) noexcept = 0;

protected:
    IStreamReaderV2(IStreamReaderV2 const&) = default;
    IStreamReaderV2(IStreamReaderV2&&) = default;
    IStreamReaderV2& operator=(IStreamReaderV2 const&) & = default;
    IStreamReaderV2& operator=(IStreamReaderV2&&) & = default;
};

// How to write an engine. Made by ICudaEngine::createSerializationConfig, deleted by its user.
class ISerializationConfig : public INoCopy {
public:
    ~ISerializationConfig() noexcept override = default;
    virtual bool setFlags(SerializationFlags serializationFlags) noexcept = 0;
    virtual SerializationFlags getFlags() const noexcept = 0;
    virtual bool clearFlag(SerializationFlag serializationFlag) noexcept = 0;
    virtual bool setFlag(SerializationFlag serializationFlag) noexcept = 0;
    virtual bool getFlag(SerializationFlag serializationFlag) const noexcept = 0;
};

// How to make a context. Made by ICudaEngine::createRuntimeConfig, deleted by its user.
class IRuntimeConfig : public INoCopy {
public:
    ~IRuntimeConfig() noexcept override = default;
    virtual void setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy strategy) noexcept = 0;
    virtual ExecutionContextAllocationStrategy getExecutionContextAllocationStrategy() const noexcept = 0;
};

// A loaded plan, immutable: queries and contexts may come from several threads. Deleted by its user after everything it
// made. Functions that take a tensor name report an error for an unknown one and return the "nothing" value.
class ICudaEngine : public INoCopy {
public:
    ~ICudaEngine() noexcept override = default;

    virtual Dims getTensorShape(char const* tensorName) const noexcept = 0;
    virtual DataType getTensorDataType(char const* tensorName) const noexcept = 0;

    // Layers of the plan, which are fewer than the network's where layers were fused.
    virtual int32_t getNbLayers() const noexcept = 0;

    // The plan, owned by the caller. Null on failure.
    virtual IHostMemory* serialize() const noexcept = 0;

    // Owned by the caller. Null on failure.
    virtual IExecutionContext* createExecutionContext(
        ExecutionContextAllocationStrategy strategy = ExecutionContextAllocationStrategy::kSTATIC) noexcept = 0;
    virtual IExecutionContext* createExecutionContext(IRuntimeConfig* runtimeConfig) noexcept = 0;
    virtual IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept = 0;
    virtual IRuntimeConfig* createRuntimeConfig() noexcept = 0;

    virtual TensorLocation getTensorLocation(char const* tensorName) const noexcept = 0;
    virtual bool isShapeInferenceIO(char const* tensorName) const noexcept = 0;
    virtual TensorIOMode getTensorIOMode(char const* tensorName) const noexcept = 0;
    // The input whose memory an output shares, or null.
    virtual char const* getAliasedInputTensor(char const* tensorName) const noexcept = 0;

    // Bytes that a context needs for intermediate tensors.
    virtual size_t getDeviceMemorySize() const noexcept = 0;
    virtual size_t getDeviceMemorySizeForProfile(int32_t profileIndex) const noexcept = 0;
    virtual int64_t getDeviceMemorySizeV2() const noexcept = 0;
    virtual int64_t getDeviceMemorySizeForProfileV2(int32_t profileIndex) const noexcept = 0;

    virtual bool isRefittable() const noexcept = 0;

    // The vectorised formats: bytes of a component, components per element, the dimension that is vectorised.
    // 1 component and dimension -1 for the others.
    virtual int32_t getTensorBytesPerComponent(char const* tensorName) const noexcept = 0;
    virtual int32_t getTensorBytesPerComponent(char const* tensorName, int32_t profileIndex) const noexcept = 0;
    virtual int32_t getTensorComponentsPerElement(char const* tensorName) const noexcept = 0;
    virtual int32_t getTensorComponentsPerElement(char const* tensorName, int32_t profileIndex) const noexcept = 0;
    virtual TensorFormat getTensorFormat(char const* tensorName) const noexcept = 0;
    virtual TensorFormat getTensorFormat(char const* tensorName, int32_t profileIndex) const noexcept = 0;
    virtual char const* getTensorFormatDesc(char const* tensorName) const noexcept = 0;
    virtual char const* getTensorFormatDesc(char const* tensorName, int32_t profileIndex) const noexcept = 0;
    virtual int32_t getTensorVectorizedDim(char const* tensorName) const noexcept = 0;
    virtual int32_t getTensorVectorizedDim(char const* tensorName, int32_t profileIndex) const noexcept = 0;

    virtual char const* getName() const noexcept = 0;

    virtual int32_t getNbOptimizationProfiles() const noexcept = 0;
    virtual Dims getProfileShape(char const* tensorName, int32_t profileIndex,
                                 OptProfileSelector select) const noexcept = 0;
    virtual int32_t const* getProfileTensorValues(char const* tensorName, int32_t profileIndex,
                                                  OptProfileSelector select) const noexcept = 0;
    virtual int64_t const* getProfileTensorValuesV2(char const* tensorName, int32_t profileIndex,
                                                    OptProfileSelector select) const noexcept = 0;

    virtual EngineCapability getEngineCapability() const noexcept = 0;
    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;
    virtual bool hasImplicitBatchDimension() const noexcept = 0;
    virtual TacticSources getTacticSources() const noexcept = 0;
    virtual ProfilingVerbosity getProfilingVerbosity() const noexcept = 0;
    virtual IEngineInspector* createEngineInspector() const noexcept = 0;

    virtual int32_t getNbIOTensors() const noexcept = 0;
    virtual char const* getIOTensorName(int32_t index) const noexcept = 0;

    virtual HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept = 0;
    virtual int32_t getNbAuxStreams() const noexcept = 0;

    virtual ISerializationConfig* createSerializationConfig() noexcept = 0;
    virtual IHostMemory* serializeWithConfig(ISerializationConfig& config) const noexcept = 0;

    // Weight streaming: a plan on host memory has nothing to stream, so sizes are 0 and budgets are refused.
    virtual int64_t getStreamableWeightsSize() const noexcept = 0;
    virtual bool setWeightStreamingBudgetV2(int64_t gpuMemoryBudget) noexcept = 0;
    virtual int64_t getWeightStreamingBudgetV2() const noexcept = 0;
    virtual int64_t getWeightStreamingAutomaticBudget() const noexcept = 0;
    virtual int64_t getWeightStreamingScratchMemorySize() const noexcept = 0;

    virtual bool isDebugTensor(char const* name) const noexcept = 0;
    virtual int64_t getEngineStat(EngineStat stat) const noexcept = 0;

    void destroy() noexcept { delete this; }
};

// Loads plans. Deleted by its user after its engines. Thread-safe apart from the setters.
class IRuntime : public INoCopy {
public:
    ~IRuntime() noexcept override = default;

    virtual void setDLACore(int32_t dlaCore) noexcept = 0;
    virtual int32_t getDLACore() const noexcept = 0;
    virtual int32_t getNbDLACores() const noexcept = 0;
    virtual void setGpuAllocator(IGpuAllocator* allocator) noexcept = 0;
    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;

    // Owned by the caller. Null on failure. The blob is copied.
    virtual ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept = 0;
    virtual ICudaEngine* deserializeCudaEngine(IStreamReader& streamReader) noexcept = 0;
    virtual ICudaEngine* deserializeCudaEngine(IStreamReaderV2& streamReader) noexcept = 0;

    virtual ILogger* getLogger() const noexcept = 0;
    virtual bool setMaxThreads(int32_t maxThreads) noexcept = 0;
    virtual int32_t getMaxThreads() const noexcept = 0;

    virtual void setTemporaryDirectory(char const* path) noexcept = 0;
    virtual char const* getTemporaryDirectory() const noexcept = 0;
    virtual void setTempfileControlFlags(TempfileControlFlags flags) noexcept = 0;
    virtual TempfileControlFlags getTempfileControlFlags() const noexcept = 0;

    virtual IPluginRegistry& getPluginRegistry() noexcept = 0;

    // Another version's runtime from a library. Null: plans of Tenon load in any runtime of their format version.
    virtual IRuntime* loadRuntime(char const* path) noexcept = 0;

    // Whether a plan may bring plugin libraries, which run code of the plan's author.
    virtual void setEngineHostCodeAllowed(bool allowed) noexcept = 0;
    virtual bool getEngineHostCodeAllowed() const noexcept = 0;

    // Tenon's own: loads a plan file by mapping it, so that weights are read as they are needed.
    virtual ICudaEngine* loadEngineFile(char const* path) noexcept = 0;
    // Tenon's own: pins the threads of contexts to come, of which thread i gets processor i of the list, in turn. Thread 0 is the one that
    // enqueues: it is the application's and is left alone. Without processors they may run anywhere, as at first. False, with an error, for a
    // negative number; creating a context fails where the process may not use a processor.
    virtual bool setThreadAffinity(int32_t const* processors, int32_t nbProcessors) noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1

extern "C" {
// `logger` is an nvinfer1::ILogger*; `version` is the caller's NV_TENSORRT_VERSION. Null on failure.
TENSORRTAPI void* TENON_ENTRY(tenon_createInferRuntime, createInferRuntime_INTERNAL)(void* logger,
                                                                                     int32_t version) noexcept;
// The TensorRT interface version of the library, as NV_TENSORRT_VERSION.
TENSORRTAPI int32_t TENON_ENTRY(tenon_getInferLibVersion, getInferLibVersion)() noexcept;
TENSORRTAPI int32_t TENON_ENTRY(tenon_getInferLibMajorVersion, getInferLibMajorVersion)() noexcept;
TENSORRTAPI int32_t TENON_ENTRY(tenon_getInferLibMinorVersion, getInferLibMinorVersion)() noexcept;
TENSORRTAPI int32_t TENON_ENTRY(tenon_getInferLibPatchVersion, getInferLibPatchVersion)() noexcept;
TENSORRTAPI int32_t TENON_ENTRY(tenon_getInferLibBuildVersion, getInferLibBuildVersion)() noexcept;
}

namespace nvinfer1 {
inline namespace TENON_ENTRY_NAMESPACE {

// A runtime that logs to `logger`, which must outlive it. The caller deletes it. Null on failure.
inline IRuntime* createInferRuntime(ILogger& logger) noexcept {
    return static_cast<IRuntime*>(TENON_ENTRY(tenon_createInferRuntime, createInferRuntime_INTERNAL)(
        &logger, static_cast<int32_t>(NV_TENSORRT_VERSION)));
}

} // namespace TENON_ENTRY_NAMESPACE
} // namespace nvinfer1
