// IBuilder's implementation: makes networks and configs, and drives a build from lowering to plan.
// Builds of different networks and configs may run at once; everything else is for one thread.
#pragma once

#include "core/api/builder_config.h"
#include "core/api/network.h"
#include "core/api/optimization_profile.h"
#include "core/schedule/build_options.h"
#include "registry/registry_snapshot.h"
#include "tenon/builder.h"
#include "tenon/runtime.h"

#include <memory>
#include <vector>

namespace tenon::api {

class Builder final : public nvinfer1::IBuilder {
public:
    explicit Builder(nvinfer1::ILogger& logger);
    ~Builder() noexcept override;

    bool platformHasFastFp16() const noexcept override;
    bool platformHasFastInt8() const noexcept override { return false; }
    bool platformHasTf32() const noexcept override { return false; }
    int32_t getMaxDLABatchSize() const noexcept override { return 0; }
    int32_t getNbDLACores() const noexcept override { return 0; }
    void setGpuAllocator(nvinfer1::IGpuAllocator* allocator) noexcept override { mAllocator = allocator; }
    nvinfer1::IBuilderConfig* createBuilderConfig() noexcept override;
    nvinfer1::INetworkDefinition* createNetworkV2(nvinfer1::NetworkDefinitionCreationFlags flags) noexcept override;
    nvinfer1::IOptimizationProfile* createOptimizationProfile() noexcept override;
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }
    void reset() noexcept override;
    nvinfer1::IHostMemory* buildSerializedNetwork(nvinfer1::INetworkDefinition& network,
                                                  nvinfer1::IBuilderConfig& config) noexcept override;
    bool buildSerializedNetworkToStream(nvinfer1::INetworkDefinition& network, nvinfer1::IBuilderConfig& config,
                                        nvinfer1::IStreamWriter& writer) noexcept override;
    nvinfer1::ICudaEngine* buildEngineWithConfig(nvinfer1::INetworkDefinition& network,
                                                 nvinfer1::IBuilderConfig& config) noexcept override;
    bool isNetworkSupported(nvinfer1::INetworkDefinition const& network,
                            nvinfer1::IBuilderConfig const& config) const noexcept override;
    nvinfer1::ILogger* getLogger() const noexcept override { return &mReporter.logger(); }
    bool setMaxThreads(int32_t maxThreads) noexcept override;
    int32_t getMaxThreads() const noexcept override;
    nvinfer1::IPluginRegistry& getPluginRegistry() noexcept override;

private:
    support::Result<schedule::BuildResult> build(const Network& network, BuilderConfig& config) const;
    schedule::BuildOptions optionsOf(const Network& network, BuilderConfig& config) const;
    const std::shared_ptr<const registry::RegistrySnapshot>& snapshot() const;

    Reporter mReporter;
    mutable std::shared_ptr<const registry::RegistrySnapshot> mSnapshot; // of the first use; kept from then on
    nvinfer1::IGpuAllocator* mAllocator = nullptr;
    int32_t mThreads = 0; // 0: all
    std::vector<std::unique_ptr<OptimizationProfile>> mProfiles;
};

} // namespace tenon::api
