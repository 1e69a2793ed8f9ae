// From a plan to an engine and its contexts, and from inputs to outputs: through the public API, and the runtime's memory of devices.
// Used by the verbs run and bench and by trtexec.
#pragma once

#include "core/runtime/device.h"
#include "tools/common/console.h"
#include "tools/common/host_tensor.h"
#include "tools/common/host_threads.h"
#include "tools/common/input_shapes.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tenon::tools {

// What inputs hold that nobody brings: of EngineSession::randomInputs, for help texts.
inline constexpr const char* kRandomInputs =
    "random, floats from -1 to 1, bytes and bools 0 or 1, i32 and i64 zeros, and the plan's best values where "
    "they are shapes";

// One context of an engine. One thread at a time; sessions of one engine run at the same time.
class EngineSession {
public:
    // Throws ToolError. Of a file a warning says where its build was stopped.
    static std::unique_ptr<EngineSession> fromFile(const std::string& planFile, const HostThreads& threads,
                                                   ConsoleLogger& logger);
    static std::unique_ptr<EngineSession> fromMemory(const void* plan, size_t size, const HostThreads& threads,
                                                     ConsoleLogger& logger);
    // Another context of the same engine. Throws ToolError.
    std::unique_ptr<EngineSession> another() const;

    nvinfer1::ICudaEngine& engine() { return *mLoaded->engine; }
    nvinfer1::IExecutionContext& context() { return *mContext; }
    std::vector<std::string> inputNames() const;
    std::vector<std::string> outputNames() const;
    // Throws ToolError(kUsage) where the engine has no such input; `option` says who named it.
    void requireInput(const char* option, const std::string& name) const;
    double loadSeconds() const { return mLoaded->seconds; }

    // Selects a profile that takes these shapes, sets shapes and addresses, allocates outputs. The tensors must live until the last run.
    // Inputs are matched by name, unnamed ones by position. Throws ToolError: kUsage for shapes that the plan does not
    // take, kBadInput for what else does not fit.
    void bind(const std::vector<HostTensor>& inputs);
    // Inputs of the profile's optimal shapes, or of `shapes`: of inputs, and of extents by the names that the model gives them, which hold
    // for all inputs that have them. Values as kRandomInputs says. Throws ToolError(kUsage).
    std::vector<HostTensor> randomInputs(const std::map<std::string, std::vector<int64_t>>& shapes);
    // Runs on what bind left in the device's memory, if the plan has a device. Throws ToolError(kWrong).
    void enqueue();
    // Whether the plan's build was stopped before its end.
    bool wasStopped() const;
    int32_t level() const; // of the plan's build
    // Whether the plan computes on a device beside the host.
    bool hasDevice() const;
    // Whether activations are quantized somewhere in the network.
    bool isQuantized() const;
    // "bf16" or "f16" where some steps compute in it, by their tensors or their kernels' names; else empty.
    std::string halfType() const;
    // Milliseconds that the host spends in enqueuing each of `runs` runs on a stream that it waits for after every few; empty where the plan has no
    // device.
    // Throws ToolError(kWrong).
    std::vector<double> enqueueTimes(int32_t runs);
    // Milliseconds of each step in each of `runs` runs, with the step's name, in order. Throws ToolError(kWrong).
    std::vector<std::pair<std::string, std::vector<double>>> profile(int32_t runs);
    // Of the last run. Throws ToolError(kWrong).
    std::vector<HostTensor> outputs();
    // Runs are recorded on the device and replayed. Throws ToolError(kUsage) where the plan cannot be.
    void captureGraph();

    // Makes the first device of each backend that the plan uses ready, as whatever uses it first would have to. Seconds.
    static double openDevices(const std::string& planFile);
    // Devices beside the host that backends have here.
    static int32_t deviceCount();

private:
    struct Loaded {
        ConsoleLogger* logger = nullptr;
        LastError lastError; // outlives the runtime, which reports to it
        std::unique_ptr<nvinfer1::IRuntime> runtime;
        std::unique_ptr<nvinfer1::ICudaEngine> engine;
        double seconds = 0;
    };

    explicit EngineSession(std::shared_ptr<Loaded> loaded);
    static std::unique_ptr<EngineSession> load(const HostThreads& threads, ConsoleLogger& logger,
                                               const std::function<nvinfer1::ICudaEngine*(nvinfer1::IRuntime&)>& load);

    // A binding's memory where the plan wants it; empty: host memory is what it wants.
    struct DeviceTensor {
        const runtime::Device* device = nullptr;
        runtime::GrowingBuffer memory;
    };
    // The address to bind for host memory: itself, or a copy in the memory of the binding's device.
    void* addressFor(const std::string& name, const void* host, size_t bytes, bool upload);
    void checkCopied(const support::Status& status) const;
    InputShape shapeOf(const std::string& input) const;
    // The first profile that takes all of them. Throws ToolError(kUsage).
    void selectProfile(const std::vector<std::string>& names, const std::vector<const HostTensor*>& inputs);
    NamedExtents namedExtents(const std::map<std::string, std::vector<int64_t>>& shapes) const;

    std::shared_ptr<Loaded> mLoaded;
    std::unique_ptr<nvinfer1::IExecutionContext> mContext;
    std::string mBound;  // the shapes of the inputs, for messages
    std::string mAdvice; // what may be wrong with them
    std::vector<HostTensor> mOutputs;
    std::map<std::string, DeviceTensor> mDeviceTensors; // by binding
};

} // namespace tenon::tools
