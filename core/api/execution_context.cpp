#include "core/api/execution_context.h"

#include "core/api/device_allocator.h"
#include "core/api/plugin_runtime.h"
#include "core/api/type_convert.h"

#include <algorithm>

namespace tenon::api {

using nvinfer1::Dims;
using nvinfer1::ErrorCode;
using support::cat;
using support::Result;
using support::Status;

namespace {

constexpr uint64_t kOutputAlignment = 256;

} // namespace

ExecutionContext::ExecutionContext(const Engine& engine)
    : mEngine(engine), mReporter(engine.reporter()), mOutputAllocators(engine.plan().plan().bindings.size(), nullptr) {}

Result<std::unique_ptr<ExecutionContext>>
ExecutionContext::create(const Engine& engine, bool ownMemory,
                         std::optional<nvinfer1::ExecutionContextAllocationStrategy> config) {
    std::unique_ptr<ExecutionContext> context(new ExecutionContext(engine));
    runtime::ContextOptions options;
    options.threads = engine.options().threads;
    options.processors = engine.options().processors;
    options.allocator = callbacksOf(engine.options().allocator);
    options.resourceContext = context.get();
    options.resource = &ExecutionContext::resource;
    options.ownArena = ownMemory;
    options.log = context->mReporter.log();
    TN_ASSIGN_OR_RETURN(context->mState, runtime::ContextState::create(engine.planPtr(), options));
    if (config) {
        context->mConfig = std::make_unique<RuntimeConfig>();
        context->mConfig->setExecutionContextAllocationStrategy(*config);
    }
    return context;
}

void* ExecutionContext::resource(void* context, TnString name) {
    auto* self = static_cast<ExecutionContext*>(context);
    const std::string_view wanted(name.data, name.size);
    if (wanted == kStreamResource) {
        return &self->mStream;
    }
    if (wanted == kAllocatorResource) {
        return self->mTemporary != nullptr ? self->mTemporary : self->mEngine.options().allocator;
    }
    if (wanted == kRecorderResource) {
        return self->mReporter.recorder();
    }
    return nullptr;
}

bool ExecutionContext::refuse(const char* function, std::string_view why) const noexcept {
    return guarded(mReporter, false, [&] {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, cat("IExecutionContext::", function, ": ", why));
        return false;
    });
}

bool ExecutionContext::check(const char* function, const Status& status) const noexcept {
    if (status.ok()) {
        return true;
    }
    return guarded(mReporter, false, [&] {
        mReporter.report(status.withContext(cat("in IExecutionContext::", function)));
        return false;
    });
}

int32_t ExecutionContext::find(const char* function, char const* tensorName) const noexcept {
    const int32_t index = tensorName == nullptr ? -1 : mEngine.plan().bindingOf(tensorName);
    if (index < 0) {
        guarded(mReporter, false, [&] {
            return refuse(function, cat("the engine has no input or output named '",
                                        tensorName == nullptr ? "" : tensorName, "'"));
        });
    }
    return index;
}

void ExecutionContext::setName(char const* name) noexcept {
    guarded(mReporter, 0, [&] {
        mName = name == nullptr ? "" : name;
        return 0;
    });
}

// ---- memory ---------------------------------------------------------------------------------------------------------

void ExecutionContext::setDeviceMemory(void* memory) noexcept {
    setDeviceMemoryV2(memory, mEngine.plan().arenaBytes(mState->profile()));
}

void ExecutionContext::setDeviceMemoryV2(void* memory, int64_t size) noexcept {
    check("setDeviceMemoryV2", mState->setArena(memory, size));
}

size_t ExecutionContext::updateDeviceMemorySizeForShapes() noexcept {
    return static_cast<size_t>(mEngine.plan().arenaBytes(mState->profile()));
}

bool ExecutionContext::setTemporaryStorageAllocator(nvinfer1::IGpuAllocator* allocator) noexcept {
    mTemporary = allocator;
    return true;
}

// ---- shapes ---------------------------------------------------------------------------------------------------------

bool ExecutionContext::setOptimizationProfileAsync(int32_t profileIndex, cudaStream_t) noexcept {
    return guarded(mReporter, false,
                   [&] { return check("setOptimizationProfileAsync", mState->setProfile(profileIndex)); });
}

bool ExecutionContext::setInputShape(char const* tensorName, Dims const& dims) noexcept {
    const int32_t index = find("setInputShape", tensorName);
    if (index < 0) {
        return false;
    }
    if (!isValid(dims)) {
        return refuse("setInputShape", "the number of dimensions is out of range");
    }
    return guarded(mReporter, false, [&] {
        return check("setInputShape", mState->setInputShape(index, {dims.d, static_cast<size_t>(dims.nbDims)}));
    });
}

Dims ExecutionContext::getTensorShape(char const* tensorName) const noexcept {
    const int32_t index = find("getTensorShape", tensorName);
    if (index < 0) {
        return invalidDims();
    }
    return guarded(mReporter, invalidDims(), [&] {
        const Result<std::vector<int64_t>> shape = mState->shape(index);
        return check("getTensorShape", shape.status()) ? toDims(shape.value()) : invalidDims();
    });
}

Dims ExecutionContext::getTensorStrides(char const* tensorName) const noexcept {
    Dims dims = getTensorShape(tensorName);
    int64_t stride = 1;
    for (int32_t i = dims.nbDims - 1; i >= 0; --i) {
        const int64_t extent = dims.d[i];
        dims.d[i] = stride;
        if (stride < 0 || extent < 0 || __builtin_mul_overflow(stride, extent, &stride)) {
            stride = -1;
        }
    }
    return dims;
}

bool ExecutionContext::allInputDimensionsSpecified() const noexcept {
    return guarded(mReporter, false, [&] {
        const std::vector<int32_t> missing = mState->missingInputs();
        return std::all_of(missing.begin(), missing.end(), [this](int32_t i) {
            return mEngine.plan().plan().bindings[static_cast<size_t>(i)].isShapeInput;
        });
    });
}

bool ExecutionContext::allInputShapesSpecified() const noexcept {
    return guarded(mReporter, false, [&] { return mState->missingInputs().empty(); });
}

int32_t ExecutionContext::inferShapes(int32_t nbMaxNames, char const** tensorNames) noexcept {
    return guarded(mReporter, -1, [&] {
        const std::vector<int32_t> missing = mState->missingInputs();
        for (size_t i = 0; tensorNames != nullptr && i < missing.size() && static_cast<int32_t>(i) < nbMaxNames; ++i) {
            tensorNames[i] = mEngine.plan().plan().bindings[static_cast<size_t>(missing[i])].name.c_str();
        }
        if (!missing.empty()) {
            return static_cast<int32_t>(missing.size());
        }
        return check("inferShapes", mState->inferShapes()) ? 0 : -1;
    });
}

// ---- addresses ------------------------------------------------------------------------------------------------------

bool ExecutionContext::setTensorAddress(char const* tensorName, void* data) noexcept {
    const int32_t index = find("setTensorAddress", tensorName);
    return index >= 0 &&
           guarded(mReporter, false, [&] { return check("setTensorAddress", mState->setAddress(index, data)); });
}

void const* ExecutionContext::getTensorAddress(char const* tensorName) const noexcept {
    const int32_t index = find("getTensorAddress", tensorName);
    return index < 0 ? nullptr : mState->address(index);
}

bool ExecutionContext::setOutputTensorAddress(char const* tensorName, void* data) noexcept {
    const int32_t index = find("setOutputTensorAddress", tensorName);
    if (index >= 0 && index < mEngine.plan().inputCount()) {
        return refuse("setOutputTensorAddress", "the tensor is an input");
    }
    return index >= 0 && setTensorAddress(tensorName, data);
}

bool ExecutionContext::setInputTensorAddress(char const* tensorName, void const* data) noexcept {
    const int32_t index = find("setInputTensorAddress", tensorName);
    if (index >= mEngine.plan().inputCount()) {
        return refuse("setInputTensorAddress", "the tensor is an output");
    }
    return index >= 0 && setTensorAddress(tensorName, const_cast<void*>(data)); // inputs are only read
}

void* ExecutionContext::getOutputTensorAddress(char const* tensorName) const noexcept {
    const int32_t index = find("getOutputTensorAddress", tensorName);
    return index < mEngine.plan().inputCount() ? nullptr : mState->address(index);
}

bool ExecutionContext::setOutputAllocator(char const* tensorName,
                                          nvinfer1::IOutputAllocator* outputAllocator) noexcept {
    const int32_t index = find("setOutputAllocator", tensorName);
    if (index < 0) {
        return false;
    }
    if (index < mEngine.plan().inputCount()) {
        return refuse("setOutputAllocator", "the tensor is an input");
    }
    mOutputAllocators[static_cast<size_t>(index)] = outputAllocator;
    mAnyOutputAllocator = std::any_of(mOutputAllocators.begin(), mOutputAllocators.end(),
                                      [](const nvinfer1::IOutputAllocator* a) { return a != nullptr; });
    return true;
}

nvinfer1::IOutputAllocator* ExecutionContext::getOutputAllocator(char const* tensorName) const noexcept {
    const int32_t index = find("getOutputAllocator", tensorName);
    return index < 0 ? nullptr : mOutputAllocators[static_cast<size_t>(index)];
}

int64_t ExecutionContext::getMaxOutputSize(char const* tensorName) const noexcept {
    const int32_t index = find("getMaxOutputSize", tensorName);
    if (index < 0) {
        return -1;
    }
    return guarded(mReporter, int64_t{-1}, [&] {
        const Result<int64_t> bytes = mState->bytes(index);
        return bytes ? bytes.value() : -1;
    });
}

bool ExecutionContext::setInputConsumedEvent(cudaEvent_t event) noexcept {
    mInputConsumed = event; // enqueueV3 waits until they are, so there is nothing to record
    return true;
}

// ---- execution ------------------------------------------------------------------------------------------------------

bool ExecutionContext::allocateOutputs(std::vector<Dims>& shapes) {
    if (!check("enqueueV3", mState->inferShapes())) {
        return false;
    }
    shapes.assign(mOutputAllocators.size(), invalidDims());
    for (size_t i = 0; i < mOutputAllocators.size(); ++i) {
        nvinfer1::IOutputAllocator* allocator = mOutputAllocators[i];
        if (allocator == nullptr) {
            continue;
        }
        const auto index = static_cast<int32_t>(i);
        const std::string& name = mEngine.plan().plan().bindings[i].name;
        const Result<int64_t> bytes = mState->bytes(index);
        const Result<std::vector<int64_t>> shape = mState->shape(index);
        if (!check("enqueueV3", bytes.status()) || !check("enqueueV3", shape.status())) {
            return false;
        }
        if (bytes.value() < 0) {
            return refuse("enqueueV3", cat("the size of output '", name, "' is not known before the run"));
        }
        shapes[i] = toDims(shape.value());
        void* memory = allocator->reallocateOutputAsync(
            name.c_str(), mState->address(index), static_cast<uint64_t>(bytes.value()), kOutputAlignment, mStream);
        if (memory == nullptr && bytes.value() > 0) {
            mReporter.error(ErrorCode::kFAILED_ALLOCATION,
                            cat("IExecutionContext::enqueueV3: the output allocator gave no ", bytes.value(),
                                " bytes for '", name, "'"));
            return false;
        }
        if (!check("enqueueV3", mState->setAddress(index, memory))) {
            return false;
        }
    }
    return true;
}

bool ExecutionContext::run() noexcept {
    return guarded(mReporter, false, [&] {
        if (!mAnyOutputAllocator) {
            const Status status = mState->enqueue(mStream);
            return status.ok() || check("enqueueV3", status);
        }
        std::vector<Dims> shapes;
        if (!allocateOutputs(shapes)) {
            return false;
        }
        for (size_t i = 0; i < mOutputAllocators.size(); ++i) {
            if (mOutputAllocators[i] != nullptr) {
                mOutputAllocators[i]->notifyShape(mEngine.plan().plan().bindings[i].name.c_str(), shapes[i]);
            }
        }
        return check("enqueueV3", mState->enqueue(mStream));
    });
}

bool ExecutionContext::enqueueV3(cudaStream_t stream) noexcept {
    mStream = stream;
    bool done = run();
    if (done && mInputConsumed != nullptr) {
        done = check("enqueueV3", mState->wait());
    }
    mStream = nullptr;
    return done;
}

bool ExecutionContext::executeV2(void* const* bindings) noexcept {
    if (bindings == nullptr) {
        return refuse("executeV2", "the addresses are missing");
    }
    const bool bound = guarded(mReporter, false, [&] {
        for (int32_t i = 0; i < mEngine.getNbIOTensors(); ++i) {
            if (!check("executeV2", mState->setAddress(i, bindings[i]))) {
                return false;
            }
        }
        return true;
    });
    return bound && enqueueV3(nullptr);
}

bool ExecutionContext::setGraphCapture(bool capture) noexcept {
    return guarded(mReporter, false, [&] { return check("setGraphCapture", mState->setRecording(capture)); });
}

// ---- profiling and debugging ----------------------------------------------------------------------------------------

void ExecutionContext::reportTime(void* context, std::string_view step, float milliseconds) {
    nvinfer1::IProfiler* profiler = static_cast<ExecutionContext*>(context)->mProfiler;
    const std::string name(step);
    profiler->reportLayerTime(name.c_str(), milliseconds);
}

void ExecutionContext::setProfiler(nvinfer1::IProfiler* profiler) noexcept {
    mProfiler = profiler;
    runtime::StepProfiler hooks;
    if (profiler != nullptr) {
        hooks.context = this;
        hooks.report = &ExecutionContext::reportTime;
    }
    check("setProfiler", mState->setProfiler(hooks));
}

void ExecutionContext::setEnqueueEmitsProfile(bool enqueueEmitsProfile) noexcept {
    mEmitsProfile = enqueueEmitsProfile;
    mState->setEnqueueEmitsProfile(enqueueEmitsProfile);
}

bool ExecutionContext::reportToProfiler() const noexcept {
    return guarded(mReporter, false, [&] { return mState->reportToProfiler(); });
}

bool ExecutionContext::setNvtxVerbosity(nvinfer1::ProfilingVerbosity verbosity) noexcept {
    mNvtx = verbosity;
    return true;
}

void ExecutionContext::setAuxStreams(cudaStream_t*, int32_t nbStreams) noexcept {
    if (nbStreams > 0) {
        mReporter.warning("IExecutionContext::setAuxStreams has no effect: the engine uses no auxiliary streams");
    }
}

bool ExecutionContext::setDebugListener(nvinfer1::IDebugListener* listener) noexcept {
    mListener = listener;
    return true;
}

bool ExecutionContext::setTensorDebugState(char const* name, bool) noexcept {
    return guarded(mReporter, false, [&] {
        return refuse("setTensorDebugState",
                      cat("'", name == nullptr ? "" : name, "' is no debug tensor of this engine"));
    });
}

bool ExecutionContext::setAllTensorsDebugState(bool) noexcept { return true; } // there are none

bool ExecutionContext::getDebugState(char const*) const noexcept { return false; }

bool ExecutionContext::setUnfusedTensorsDebugState(bool flag) noexcept {
    return !flag || refuse("setUnfusedTensorsDebugState", "engines have no debug tensors");
}

} // namespace tenon::api
