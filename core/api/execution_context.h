// IExecutionContext over a runtime context. One thread at a time.
//
// Streams: include/tenon/execution_context.h says what they mean; runtime/context_state.h keeps it.
#pragma once

#include "core/api/engine.h"
#include "core/runtime/context_state.h"
#include "tenon/execution_context.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

class ExecutionContext final : public nvinfer1::IExecutionContext {
public:
    // `config` is the strategy of the runtime config that the context was made with.
    static support::Result<std::unique_ptr<ExecutionContext>>
    create(const Engine& engine, bool ownMemory, std::optional<nvinfer1::ExecutionContextAllocationStrategy> config);

    void setDebugSync(bool sync) noexcept override { mDebugSync = sync; }
    bool getDebugSync() const noexcept override { return mDebugSync; }
    void setProfiler(nvinfer1::IProfiler* profiler) noexcept override;
    nvinfer1::IProfiler* getProfiler() const noexcept override { return mProfiler; }
    nvinfer1::ICudaEngine const& getEngine() const noexcept override { return mEngine; }
    void setName(char const* name) noexcept override;
    char const* getName() const noexcept override { return mName.c_str(); }
    void setDeviceMemory(void* memory) noexcept override;
    void setDeviceMemoryV2(void* memory, int64_t size) noexcept override;
    Dims getTensorStrides(char const* tensorName) const noexcept override;
    bool setOptimizationProfileAsync(int32_t profileIndex, cudaStream_t stream) noexcept override;
    int32_t getOptimizationProfile() const noexcept override { return mState->profile(); }
    bool setInputShape(char const* tensorName, Dims const& dims) noexcept override;
    Dims getTensorShape(char const* tensorName) const noexcept override;
    bool allInputDimensionsSpecified() const noexcept override;
    bool allInputShapesSpecified() const noexcept override;
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }
    bool executeV2(void* const* bindings) noexcept override;
    void setEnqueueEmitsProfile(bool enqueueEmitsProfile) noexcept override;
    bool getEnqueueEmitsProfile() const noexcept override { return mEmitsProfile; }
    bool reportToProfiler() const noexcept override;
    bool setTensorAddress(char const* tensorName, void* data) noexcept override;
    void const* getTensorAddress(char const* tensorName) const noexcept override;
    bool setOutputTensorAddress(char const* tensorName, void* data) noexcept override;
    bool setInputTensorAddress(char const* tensorName, void const* data) noexcept override;
    void* getOutputTensorAddress(char const* tensorName) const noexcept override;
    int32_t inferShapes(int32_t nbMaxNames, char const** tensorNames) noexcept override;
    size_t updateDeviceMemorySizeForShapes() noexcept override;
    bool setInputConsumedEvent(cudaEvent_t event) noexcept override;
    cudaEvent_t getInputConsumedEvent() const noexcept override { return mInputConsumed; }
    bool setOutputAllocator(char const* tensorName, nvinfer1::IOutputAllocator* outputAllocator) noexcept override;
    nvinfer1::IOutputAllocator* getOutputAllocator(char const* tensorName) const noexcept override;
    int64_t getMaxOutputSize(char const* tensorName) const noexcept override;
    bool setTemporaryStorageAllocator(nvinfer1::IGpuAllocator* allocator) noexcept override;
    nvinfer1::IGpuAllocator* getTemporaryStorageAllocator() const noexcept override { return mTemporary; }
    bool enqueueV3(cudaStream_t stream) noexcept override;
    void setPersistentCacheLimit(size_t size) noexcept override { mPersistentCache = size; }
    size_t getPersistentCacheLimit() const noexcept override { return mPersistentCache; }
    bool setNvtxVerbosity(nvinfer1::ProfilingVerbosity verbosity) noexcept override;
    nvinfer1::ProfilingVerbosity getNvtxVerbosity() const noexcept override { return mNvtx; }
    void setAuxStreams(cudaStream_t* auxStreams, int32_t nbStreams) noexcept override;
    bool setDebugListener(nvinfer1::IDebugListener* listener) noexcept override;
    nvinfer1::IDebugListener* getDebugListener() noexcept override { return mListener; }
    bool setTensorDebugState(char const* name, bool flag) noexcept override;
    bool setAllTensorsDebugState(bool flag) noexcept override;
    bool getDebugState(char const* name) const noexcept override;
    bool setUnfusedTensorsDebugState(bool flag) noexcept override;
    bool getUnfusedTensorsDebugState() const noexcept override { return false; }
    nvinfer1::IRuntimeConfig* getRuntimeConfig() const noexcept override { return mConfig.get(); }
    bool setGraphCapture(bool capture) noexcept override;
    bool getGraphCapture() const noexcept override { return mState->recording(); }

private:
    explicit ExecutionContext(const Engine& engine);
    // The binding's index, or -1 with a report that names `function`.
    int32_t find(const char* function, char const* tensorName) const noexcept;
    bool refuse(const char* function, std::string_view why) const noexcept;
    bool check(const char* function, const support::Status& status) const noexcept;
    bool run() noexcept;
    bool allocateOutputs(std::vector<Dims>& shapes);
    static void* resource(void* context, TnString name);
    static void reportTime(void* context, std::string_view step, float milliseconds);

    const Engine& mEngine;
    Reporter mReporter;
    std::string mName;
    bool mDebugSync = false;
    bool mEmitsProfile = true;
    nvinfer1::IProfiler* mProfiler = nullptr;
    cudaStream_t mStream = nullptr; // of the enqueue that runs
    cudaEvent_t mInputConsumed = nullptr;
    nvinfer1::IGpuAllocator* mTemporary = nullptr;
    nvinfer1::IDebugListener* mListener = nullptr;
    size_t mPersistentCache = 0;
    nvinfer1::ProfilingVerbosity mNvtx = nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY;
    std::vector<nvinfer1::IOutputAllocator*> mOutputAllocators; // by binding; null: none
    bool mAnyOutputAllocator = false;
    std::unique_ptr<RuntimeConfig> mConfig;
    std::unique_ptr<runtime::ContextState> mState; // last: its kernels may use what is above
};

} // namespace tenon::api
