// ICudaEngine over a loaded plan. Made by Runtime; Builder goes through a plan and Runtime too.
#pragma once

#include "core/api/reporter.h"
#include "core/runtime/loaded_plan.h"
#include "tenon/runtime.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

// What contexts inherit.
struct EngineOptions {
    int32_t threads = 0;             // of a context's team; 0: as the plan has it
    std::vector<int32_t> processors; // that they are pinned to
    nvinfer1::IGpuAllocator* allocator = nullptr;
};

class Engine final : public nvinfer1::ICudaEngine {
public:
    Engine(std::shared_ptr<const runtime::LoadedPlan> plan, const Reporter& reporter, const EngineOptions& options);

    Dims getTensorShape(char const* tensorName) const noexcept override;
    DataType getTensorDataType(char const* tensorName) const noexcept override;
    int32_t getNbLayers() const noexcept override;
    nvinfer1::IHostMemory* serialize() const noexcept override;
    nvinfer1::IExecutionContext*
    createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override;
    nvinfer1::IExecutionContext* createExecutionContext(nvinfer1::IRuntimeConfig* runtimeConfig) noexcept override;
    nvinfer1::IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept override;
    nvinfer1::IRuntimeConfig* createRuntimeConfig() noexcept override;
    nvinfer1::TensorLocation getTensorLocation(char const* tensorName) const noexcept override;
    bool isShapeInferenceIO(char const* tensorName) const noexcept override;
    nvinfer1::TensorIOMode getTensorIOMode(char const* tensorName) const noexcept override;
    char const* getAliasedInputTensor(char const* tensorName) const noexcept override;
    size_t getDeviceMemorySize() const noexcept override;
    size_t getDeviceMemorySizeForProfile(int32_t profileIndex) const noexcept override;
    int64_t getDeviceMemorySizeV2() const noexcept override;
    int64_t getDeviceMemorySizeForProfileV2(int32_t profileIndex) const noexcept override;
    bool isRefittable() const noexcept override { return false; }
    int32_t getTensorBytesPerComponent(char const* tensorName) const noexcept override;
    int32_t getTensorBytesPerComponent(char const* tensorName, int32_t profileIndex) const noexcept override;
    int32_t getTensorComponentsPerElement(char const* tensorName) const noexcept override;
    int32_t getTensorComponentsPerElement(char const* tensorName, int32_t profileIndex) const noexcept override;
    nvinfer1::TensorFormat getTensorFormat(char const* tensorName) const noexcept override;
    nvinfer1::TensorFormat getTensorFormat(char const* tensorName, int32_t profileIndex) const noexcept override;
    char const* getTensorFormatDesc(char const* tensorName) const noexcept override;
    char const* getTensorFormatDesc(char const* tensorName, int32_t profileIndex) const noexcept override;
    int32_t getTensorVectorizedDim(char const* tensorName) const noexcept override;
    int32_t getTensorVectorizedDim(char const* tensorName, int32_t profileIndex) const noexcept override;
    char const* getName() const noexcept override;
    int32_t getNbOptimizationProfiles() const noexcept override;
    Dims getProfileShape(char const* tensorName, int32_t profileIndex,
                         nvinfer1::OptProfileSelector select) const noexcept override;
    int32_t const* getProfileTensorValues(char const* tensorName, int32_t profileIndex,
                                          nvinfer1::OptProfileSelector select) const noexcept override;
    int64_t const* getProfileTensorValuesV2(char const* tensorName, int32_t profileIndex,
                                            nvinfer1::OptProfileSelector select) const noexcept override;
    nvinfer1::EngineCapability getEngineCapability() const noexcept override {
        return nvinfer1::EngineCapability::kSTANDARD;
    }
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }
    bool hasImplicitBatchDimension() const noexcept override { return false; }
    nvinfer1::TacticSources getTacticSources() const noexcept override { return 0; }
    nvinfer1::ProfilingVerbosity getProfilingVerbosity() const noexcept override {
        return nvinfer1::ProfilingVerbosity::kDETAILED;
    }
    nvinfer1::IEngineInspector* createEngineInspector() const noexcept override;
    int32_t getNbIOTensors() const noexcept override;
    char const* getIOTensorName(int32_t index) const noexcept override;
    nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
        return nvinfer1::HardwareCompatibilityLevel::kNONE;
    }
    int32_t getNbAuxStreams() const noexcept override { return 0; }
    nvinfer1::ISerializationConfig* createSerializationConfig() noexcept override;
    nvinfer1::IHostMemory* serializeWithConfig(nvinfer1::ISerializationConfig& config) const noexcept override;
    int64_t getStreamableWeightsSize() const noexcept override { return 0; }
    bool setWeightStreamingBudgetV2(int64_t gpuMemoryBudget) noexcept override;
    int64_t getWeightStreamingBudgetV2() const noexcept override { return 0; }
    int64_t getWeightStreamingAutomaticBudget() const noexcept override { return 0; }
    int64_t getWeightStreamingScratchMemorySize() const noexcept override { return 0; }
    bool isDebugTensor(char const*) const noexcept override { return false; }
    int64_t getEngineStat(nvinfer1::EngineStat stat) const noexcept override;

    const runtime::LoadedPlan& plan() const { return *mPlan; }
    const std::shared_ptr<const runtime::LoadedPlan>& planPtr() const { return mPlan; }
    const Reporter& reporter() const { return mReporter; }
    const EngineOptions& options() const { return mOptions; }
    // The binding, or null with a report that names `function`.
    const plan::PlanBinding* binding(const char* function, char const* tensorName) const noexcept;
    // -1 where an extent is no constant.
    Dims declaredDims(const plan::PlanBinding& binding) const noexcept;

private:
    nvinfer1::IExecutionContext*
    makeContext(bool ownMemory, std::optional<nvinfer1::ExecutionContextAllocationStrategy> strategyOfConfig) noexcept;
    bool isProfile(const char* function, int32_t profileIndex) const noexcept;
    bool refuse(const char* function, std::string_view why) const noexcept;

    Reporter mReporter;
    std::shared_ptr<const runtime::LoadedPlan> mPlan;
    EngineOptions mOptions;
    std::vector<std::string> mFormatTexts; // by binding
    mutable std::mutex mNarrowMutex;
    mutable std::vector<std::vector<int32_t>> mNarrowValues; // what getProfileTensorValues points to
};

class RuntimeConfig final : public nvinfer1::IRuntimeConfig {
public:
    void
    setExecutionContextAllocationStrategy(nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override {
        mStrategy = strategy;
    }
    nvinfer1::ExecutionContextAllocationStrategy getExecutionContextAllocationStrategy() const noexcept override {
        return mStrategy;
    }

private:
    nvinfer1::ExecutionContextAllocationStrategy mStrategy = nvinfer1::ExecutionContextAllocationStrategy::kSTATIC;
};

} // namespace tenon::api
