// IExecutionContext: runs an engine with the shapes and addresses of one caller. Also the callbacks of execution.
//
// Streams on a CPU engine. A plan whose steps all run on host memory is executed by enqueueV3 itself, on the calling
// thread and its team, and is complete when enqueueV3 returns; the stream is not waited for and may be null. It is
// handed unchanged to plugins, whose work must be complete when their enqueue returns. Addresses are host addresses.
//
// Streams on an engine with a device. Addresses are of the device's memory (getTensorLocation says kHOST for the inputs
// that shapes depend on, which are read from host memory). With a stream, which belongs to the device's backend,
// enqueueV3 returns when all work is issued, and all of it is done when the stream is: also copies and what other
// devices do. Steps that run on the host run inside enqueueV3, which waits for what they read. Without a stream
// (null) enqueueV3 returns when everything is done. A context may change streams from run to run; the runs keep their
// order. A change of shapes waits for the run before it.
#pragma once

#include "tenon/allocator.h"
#include "tenon/builder_config.h"

namespace nvinfer1 {

// Implemented by the application: told of each layer's time after an execution, from the thread that asked for it.
class IProfiler {
public:
    virtual void reportLayerTime(char const* layerName, float ms) noexcept = 0;
    virtual ~IProfiler() noexcept = default;
};

// Implemented by the application: shown the content of debug tensors. False makes the execution fail.
class IDebugListener : public IVersionedInterface {
public:
    IDebugListener() = default;
    ~IDebugListener() noexcept override = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return {"IDebugListener", 1, 0}; }

    virtual bool processDebugTensor(void const* addr, TensorLocation location, DataType type, Dims const& shape,
                                    char const* name, cudaStream_t stream) = 0;

protected:
    IDebugListener(IDebugListener const&) = default;
    IDebugListener(IDebugListener&&) = default;
    IDebugListener& operator=(IDebugListener const&) & = default;
    IDebugListener& operator=(IDebugListener&&) & = default;
};

// Deleted by its user before its engine. One thread at a time; contexts of one engine may run at once.
class IExecutionContext : public INoCopy {
public:
    ~IExecutionContext() noexcept override = default;

    virtual void setDebugSync(bool sync) noexcept = 0;
    virtual bool getDebugSync() const noexcept = 0;

    virtual void setProfiler(IProfiler* profiler) noexcept = 0;
    virtual IProfiler* getProfiler() const noexcept = 0;
    virtual ICudaEngine const& getEngine() const noexcept = 0;
    virtual void setName(char const* name) noexcept = 0;
    virtual char const* getName() const noexcept = 0;

    // Memory for intermediate tensors, for a context that was made without.
    virtual void setDeviceMemory(void* memory) noexcept = 0;
    virtual void setDeviceMemoryV2(void* memory, int64_t size) noexcept = 0;

    // In elements, for the format of the tensor; -1 where not known yet.
    virtual Dims getTensorStrides(char const* tensorName) const noexcept = 0;

    // Takes effect for the shapes and enqueues that follow. Forgets the input shapes.
    virtual bool setOptimizationProfileAsync(int32_t profileIndex, cudaStream_t stream) noexcept = 0;
    virtual int32_t getOptimizationProfile() const noexcept = 0;

    // False, with a reason, for dimensions outside the current profile.
    virtual bool setInputShape(char const* tensorName, Dims const& dims) noexcept = 0;
    // -1 for extents that are not known yet; nbDims -1 for an unknown name.
    virtual Dims getTensorShape(char const* tensorName) const noexcept = 0;
    virtual bool allInputDimensionsSpecified() const noexcept = 0;
    virtual bool allInputShapesSpecified() const noexcept = 0;

    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;

    // Addresses in the order of ICudaEngine::getIOTensorName. Complete on return.
    virtual bool executeV2(void* const* bindings) noexcept = 0;

    // Whether an enqueue reports to the profiler, or only reportToProfiler().
    virtual void setEnqueueEmitsProfile(bool enqueueEmitsProfile) noexcept = 0;
    virtual bool getEnqueueEmitsProfile() const noexcept = 0;
    virtual bool reportToProfiler() const noexcept = 0;

    virtual bool setTensorAddress(char const* tensorName, void* data) noexcept = 0;
    virtual void const* getTensorAddress(char const* tensorName) const noexcept = 0;
    virtual bool setOutputTensorAddress(char const* tensorName, void* data) noexcept = 0;
    virtual bool setInputTensorAddress(char const* tensorName, void const* data) noexcept = 0;
    virtual void* getOutputTensorAddress(char const* tensorName) const noexcept = 0;

    // Computes what shapes are known. The number of inputs that still lack a shape or value, writing up to
    // `nbMaxNames` of their names; -1 if the shapes contradict the network.
    virtual int32_t inferShapes(int32_t nbMaxNames, char const** tensorNames) noexcept = 0;

    // Memory that the current shapes need.
    virtual size_t updateDeviceMemorySizeForShapes() noexcept = 0;

    virtual bool setInputConsumedEvent(cudaEvent_t event) noexcept = 0;
    virtual cudaEvent_t getInputConsumedEvent() const noexcept = 0;

    virtual bool setOutputAllocator(char const* tensorName, IOutputAllocator* outputAllocator) noexcept = 0;
    virtual IOutputAllocator* getOutputAllocator(char const* tensorName) const noexcept = 0;
    // Upper bound in bytes for the current shapes; -1 for an unknown name or without a bound.
    virtual int64_t getMaxOutputSize(char const* tensorName) const noexcept = 0;

    virtual bool setTemporaryStorageAllocator(IGpuAllocator* allocator) noexcept = 0;
    virtual IGpuAllocator* getTemporaryStorageAllocator() const noexcept = 0;

    // See the head of this file for what the stream means.
    virtual bool enqueueV3(cudaStream_t stream) noexcept = 0;

    virtual void setPersistentCacheLimit(size_t size) noexcept = 0;
    virtual size_t getPersistentCacheLimit() const noexcept = 0;
    virtual bool setNvtxVerbosity(ProfilingVerbosity verbosity) noexcept = 0;
    virtual ProfilingVerbosity getNvtxVerbosity() const noexcept = 0;
    virtual void setAuxStreams(cudaStream_t* auxStreams, int32_t nbStreams) noexcept = 0;

    virtual bool setDebugListener(IDebugListener* listener) noexcept = 0;
    virtual IDebugListener* getDebugListener() noexcept = 0;
    virtual bool setTensorDebugState(char const* name, bool flag) noexcept = 0;
    virtual bool setAllTensorsDebugState(bool flag) noexcept = 0;
    virtual bool getDebugState(char const* name) const noexcept = 0;
    virtual bool setUnfusedTensorsDebugState(bool flag) noexcept = 0;
    virtual bool getUnfusedTensorsDebugState() const noexcept = 0;

    // Null unless the context was made with a runtime config.
    virtual IRuntimeConfig* getRuntimeConfig() const noexcept = 0;

    // Tenon's own: on, runs are recorded on the device, once for each set of shapes and addresses, and replayed with one call (a CUDA graph). False,
    // with an error that names the step, where the engine's current profile cannot be recorded: a step on the host, or one that may not be.
    virtual bool setGraphCapture(bool capture) noexcept = 0;
    virtual bool getGraphCapture() const noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1
