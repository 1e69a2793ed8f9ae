// IBuilder: turns a network into a plan. The factory function is at the end.
#pragma once

#include "tenon/builder_config.h"
#include "tenon/network.h"

namespace nvinfer1 {

// Implemented by the application: receives a plan in pieces, so that no second copy of it is in memory.
class IStreamWriter : public IVersionedInterface {
public:
    IStreamWriter() = default;
    ~IStreamWriter() noexcept override = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"IStreamWriter", 1, 0}; }

    // Bytes written; anything but `nbBytes` makes the build fail.
    virtual int64_t write(void const* data, int64_t nbBytes) = 0;

protected:
    IStreamWriter(IStreamWriter const&) = default;
    IStreamWriter(IStreamWriter&&) = default;
    IStreamWriter& operator=(IStreamWriter const&) & = default;
    IStreamWriter& operator=(IStreamWriter&&) & = default;
};

// Makes networks, configs and plans. Deleted by its user, after everything it made. Builds with different networks and
// configs may run at the same time.
class IBuilder : public INoCopy {
public:
    ~IBuilder() noexcept override = default;

    // Whether the target computes in the type faster than in kFLOAT.
    virtual bool platformHasFastFp16() const noexcept = 0;
    virtual bool platformHasFastInt8() const noexcept = 0;
    virtual bool platformHasTf32() const noexcept = 0;

    virtual int32_t getMaxDLABatchSize() const noexcept = 0;
    virtual int32_t getNbDLACores() const noexcept = 0;

    virtual void setGpuAllocator(IGpuAllocator* allocator) noexcept = 0;

    virtual IBuilderConfig* createBuilderConfig() noexcept = 0;
    virtual INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept = 0;
    virtual IOptimizationProfile* createOptimizationProfile() noexcept = 0;

    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;

    virtual void reset() noexcept = 0;

    // The plan, owned by the caller. Null on failure.
    virtual IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept = 0;
    virtual bool buildSerializedNetworkToStream(INetworkDefinition& network, IBuilderConfig& config,
                                                IStreamWriter& writer) noexcept = 0;
    // The engine, owned by the caller. Null on failure.
    virtual ICudaEngine* buildEngineWithConfig(INetworkDefinition& network, IBuilderConfig& config) noexcept = 0;

    // Whether every node has an implementation. Says which have none, and why, in the log.
    virtual bool isNetworkSupported(INetworkDefinition const& network, IBuilderConfig const& config) const noexcept = 0;

    virtual ILogger* getLogger() const noexcept = 0;
    // False for less than 1.
    virtual bool setMaxThreads(int32_t maxThreads) noexcept = 0;
    virtual int32_t getMaxThreads() const noexcept = 0;
    virtual IPluginRegistry& getPluginRegistry() noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1

extern "C" {
// `logger` is an nvinfer1::ILogger*; `version` is the caller's NV_TENSORRT_VERSION. Null on failure.
TENSORRTAPI void* TENON_ENTRY(tenon_createInferBuilder, createInferBuilder_INTERNAL)(void* logger,
                                                                                     int32_t version) noexcept;
}

namespace nvinfer1 {
// The registry that builds for a capability use: the process's one for kSTANDARD, null for the others.
extern "C" TENSORRTAPI IPluginRegistry* TENON_ENTRY(tenon_getBuilderPluginRegistry,
                                                    getBuilderPluginRegistry)(EngineCapability capability) noexcept;

inline namespace TENON_ENTRY_NAMESPACE {

// A builder that logs to `logger`, which must outlive it. The caller deletes it. Null on failure.
inline IBuilder* createInferBuilder(ILogger& logger) noexcept {
    return static_cast<IBuilder*>(TENON_ENTRY(tenon_createInferBuilder, createInferBuilder_INTERNAL)(
        &logger, static_cast<int32_t>(NV_TENSORRT_VERSION)));
}

} // namespace TENON_ENTRY_NAMESPACE
} // namespace nvinfer1
