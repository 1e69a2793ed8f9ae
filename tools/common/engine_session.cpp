#include "tools/common/engine_session.h"

#include "core/api/engine.h"
#include "core/api/type_convert.h"
#include "core/plan/reader.h"
#include "core/schedule/build_notes.h"
#include "core/support/text.h"
#include "registry/module_registry.h"
#include "registry/text_sink.h"
#include "tools/common/exit_code.h"
#include "tools/common/file_kind.h"
#include "tools/common/input_shapes.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <set>

namespace tenon::tools {

namespace {

using support::cat;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::vector<int64_t> extentsOf(const nvinfer1::Dims& dims) { return {dims.d, dims.d + std::max(dims.nbDims, 0)}; }

} // namespace

EngineSession::EngineSession(std::shared_ptr<Loaded> loaded)
    : mLoaded(std::move(loaded)), mContext(mLoaded->engine->createExecutionContext()) {
    if (!mContext) {
        throw ToolError(ExitCode::kEnvironment, mLoaded->logger->takeError("no execution context could be made"));
    }
}

std::unique_ptr<EngineSession>
EngineSession::load(const HostThreads& threads, ConsoleLogger& logger,
                    const std::function<nvinfer1::ICudaEngine*(nvinfer1::IRuntime&)>& load) {
    const Clock::time_point begin = Clock::now();
    const auto loaded = std::make_shared<Loaded>();
    loaded->logger = &logger;
    loaded->runtime.reset(nvinfer1::createInferRuntime(logger));
    if (!loaded->runtime) {
        throw ToolError(ExitCode::kEnvironment, logger.takeError("no runtime could be made"));
    }
    if (threads.count > 0) {
        loaded->runtime->setMaxThreads(threads.count);
    }
    loaded->runtime->setThreadAffinity(threads.processors.data(), static_cast<int32_t>(threads.processors.size()));
    loaded->runtime->setErrorRecorder(&loaded->lastError);
    loaded->engine.reset(load(*loaded->runtime));
    if (!loaded->engine) {
        throw ToolError(loaded->lastError.isEnvironment() ? ExitCode::kEnvironment : ExitCode::kBadInput,
                        logger.takeError("the plan cannot be loaded"));
    }
    std::unique_ptr<EngineSession> session(new EngineSession(loaded));
    loaded->seconds = secondsSince(begin);
    return session;
}

std::unique_ptr<EngineSession> EngineSession::fromFile(const std::string& planFile, const HostThreads& threads,
                                                       ConsoleLogger& logger) {
    requireFile(planFile, WantedFile::kPlan);
    std::unique_ptr<EngineSession> session =
        load(threads, logger, [&](nvinfer1::IRuntime& runtime) { return runtime.loadEngineFile(planFile.c_str()); });
    if (session->wasStopped()) {
        logger.warn(cat("plan '", planFile, "': ", schedule::kStoppedNote));
    }
    return session;
}

std::unique_ptr<EngineSession> EngineSession::fromMemory(const void* plan, size_t size, const HostThreads& threads,
                                                         ConsoleLogger& logger) {
    return load(threads, logger,
                [&](nvinfer1::IRuntime& runtime) { return runtime.deserializeCudaEngine(plan, size); });
}

std::unique_ptr<EngineSession> EngineSession::another() const {
    return std::unique_ptr<EngineSession>(new EngineSession(mLoaded));
}

std::vector<std::string> EngineSession::inputNames() const {
    std::vector<std::string> names;
    for (int32_t i = 0; i < mLoaded->engine->getNbIOTensors(); ++i) {
        const char* name = mLoaded->engine->getIOTensorName(i);
        if (mLoaded->engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT) {
            names.emplace_back(name);
        }
    }
    return names;
}

std::vector<std::string> EngineSession::outputNames() const {
    std::vector<std::string> names;
    for (int32_t i = 0; i < mLoaded->engine->getNbIOTensors(); ++i) {
        const char* name = mLoaded->engine->getIOTensorName(i);
        if (mLoaded->engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kOUTPUT) {
            names.emplace_back(name);
        }
    }
    return names;
}

void EngineSession::requireInput(const char* option, const std::string& name) const {
    const std::vector<std::string> names = inputNames();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        throw ToolError(ExitCode::kUsage,
                        cat(option, ": there is no input '", name, "'; the inputs are: ", support::join(names, ", ")));
    }
}

void EngineSession::bind(const std::vector<HostTensor>& inputs) {
    std::vector<std::string> names = inputNames();
    std::vector<const HostTensor*> bound(names.size(), nullptr);
    for (size_t i = 0; i < inputs.size(); ++i) {
        auto found = std::find(names.begin(), names.end(), inputs[i].name);
        size_t position = found != names.end() ? static_cast<size_t>(found - names.begin()) : i;
        if (position < bound.size() && !bound[position]) {
            bound[position] = &inputs[i];
        } else if (position >= bound.size()) {
            throw ToolError(ExitCode::kBadInput, cat("there are ", inputs.size(), " inputs, the engine takes ",
                                                     names.size(), ": ", support::join(names, ", ")));
        }
    }
    for (size_t i = 0; i < names.size(); ++i) {
        if (!bound[i]) {
            throw ToolError(ExitCode::kBadInput,
                            cat("input '", names[i], "' is missing; give it with --input ", names[i], "=FILE"));
        }
        requireType(names[i], bound[i]->dtype, *api::toIr(mLoaded->engine->getTensorDataType(names[i].c_str())), "",
                    "plan");
    }
    selectProfile(names, bound);
    for (size_t i = 0; i < names.size(); ++i) {
        if (!mContext->setInputShape(names[i].c_str(), api::toDims(bound[i]->dims))) {
            throw ToolError(ExitCode::kUsage,
                            mLoaded->logger->takeError(
                                cat("input '", names[i], "' of shape ", shapeText(bound[i]->dims), " does not fit")));
        }
        alignas(std::max_align_t) static constexpr std::byte kNothing{}; // an empty input still needs an address
        const std::vector<std::byte>& bytes = bound[i]->bytes;
        mContext->setInputTensorAddress(
            names[i].c_str(), addressFor(names[i], bytes.empty() ? &kNothing : bytes.data(), bytes.size(), true));
    }
    const char* missing = nullptr;
    if (mContext->inferShapes(1, &missing) != 0) {
        throw ToolError(ExitCode::kUsage, mLoaded->logger->takeError("the shapes of the outputs cannot be computed"));
    }
    mOutputs.clear();
    for (const std::string& name : outputNames()) {
        HostTensor output;
        output.name = name;
        output.dtype = *api::toIr(mLoaded->engine->getTensorDataType(name.c_str()));
        nvinfer1::Dims dims = mContext->getTensorShape(name.c_str());
        output.dims.assign(dims.d, dims.d + std::max(dims.nbDims, 0));
        output.resize();
        mOutputs.push_back(std::move(output));
    }
    for (HostTensor& output : mOutputs) {
        // An empty output still needs an address.
        output.bytes.reserve(1);
        mContext->setOutputTensorAddress(output.name.c_str(),
                                         addressFor(output.name, output.bytes.data(), output.bytes.size(), false));
    }
}

InputShape EngineSession::shapeOf(const std::string& input) const {
    using Selector = nvinfer1::OptProfileSelector;
    const nvinfer1::ICudaEngine& engine = *mLoaded->engine;
    const runtime::LoadedPlan& plan = static_cast<const api::Engine&>(engine).plan();
    InputShape shape;
    shape.name = input;
    shape.extents = plan.plan().bindings[static_cast<size_t>(plan.bindingOf(input))].dimNames;
    for (int32_t p = 0; p < engine.getNbOptimizationProfiles(); ++p) {
        shape.profiles.push_back({extentsOf(engine.getProfileShape(input.c_str(), p, Selector::kMIN)),
                                  extentsOf(engine.getProfileShape(input.c_str(), p, Selector::kMAX))});
    }
    return shape;
}

void EngineSession::selectProfile(const std::vector<std::string>& names, const std::vector<const HostTensor*>& inputs) {
    std::vector<InputShape> shapes;
    NamedExtents extents;
    std::string all;
    for (size_t i = 0; i < names.size(); ++i) {
        shapes.push_back(shapeOf(names[i]));
        requireTaken(shapes.back(), inputs[i]->dims);
        extents.add(shapes.back(), inputs[i]->dims);
        InputShape bound = shapes.back();
        bound.profiles = {{inputs[i]->dims, inputs[i]->dims}};
        all += cat(all.empty() ? "" : ", ", "'", names[i], "' ", bound.text());
    }
    mBound = all;
    mAdvice = adviceOnTwins(shapes, [&](size_t i) { return inputs[i]->dims; });
    for (int32_t p = 0; p < mLoaded->engine->getNbOptimizationProfiles(); ++p) {
        bool fits = true;
        for (size_t i = 0; fits && i < shapes.size(); ++i) {
            fits = shapes[i].profiles[static_cast<size_t>(p)].takes(inputs[i]->dims);
        }
        if (fits) {
            if (mContext->getOptimizationProfile() != p) {
                mContext->setOptimizationProfileAsync(p, nullptr);
            }
            return;
        }
    }
    throw ToolError(ExitCode::kUsage, cat("no profile of the plan takes these shapes together: ", all));
}

NamedExtents EngineSession::namedExtents(const std::map<std::string, std::vector<int64_t>>& shapes) const {
    NamedExtents extents;
    const std::vector<std::string> inputs = inputNames();
    std::set<std::string> names;
    for (const std::string& input : inputs) {
        const InputShape shape = shapeOf(input);
        names.insert(shape.extents.begin(), shape.extents.end());
        if (const auto asked = shapes.find(input); asked != shapes.end()) {
            requireTaken(shape, asked->second);
            extents.add(shape, asked->second);
        }
    }
    names.erase("");
    for (const auto& [name, asked] : shapes) {
        if (std::find(inputs.begin(), inputs.end(), name) != inputs.end()) {
            continue;
        }
        if (names.count(name) == 0) {
            throw ToolError(ExitCode::kUsage, cat("--shapes: there is no input '", name,
                                                  "'; the inputs are: ", support::join(inputs, ", "),
                                                  names.empty() ? "" : "; extents: ", support::join(names, ", ")));
        }
        if (asked.size() != 1) {
            throw ToolError(ExitCode::kUsage, cat("--shapes: '", name, "' is an extent, and has one number"));
        }
        extents.add(name, asked[0], "its name");
    }
    return extents;
}

std::vector<HostTensor> EngineSession::randomInputs(const std::map<std::string, std::vector<int64_t>>& shapes) {
    const NamedExtents named = namedExtents(shapes);
    std::vector<HostTensor> inputs;
    std::mt19937 random(1);
    for (const std::string& name : inputNames()) {
        HostTensor input;
        input.name = name;
        input.dtype = *api::toIr(mLoaded->engine->getTensorDataType(name.c_str()));
        auto asked = shapes.find(name);
        if (asked != shapes.end()) {
            input.dims = asked->second;
        } else {
            nvinfer1::Dims dims = mLoaded->engine->getProfileShape(name.c_str(), 0, nvinfer1::OptProfileSelector::kOPT);
            if (dims.nbDims < 0) {
                dims = mLoaded->engine->getTensorShape(name.c_str());
            }
            input.dims.assign(dims.d, dims.d + std::max(dims.nbDims, 0));
            const InputShape shape = shapeOf(name);
            for (size_t d = 0; d < shape.extents.size() && d < input.dims.size(); ++d) {
                if (const int64_t* const known = named.find(shape.extents[d])) {
                    input.dims[d] = *known;
                }
            }
            requireTaken(shape, input.dims);
        }
        input.resize();
        const int64_t* const values =
            mLoaded->engine->getProfileTensorValuesV2(name.c_str(), 0, nvinfer1::OptProfileSelector::kOPT);
        // Scales that are powers of two have no sign.
        std::uniform_real_distribution<float> uniform(input.dtype == ir::DataType::kF8E8M0 ? 0 : -1, 1);
        std::bernoulli_distribution bit; // valid as masks and bytes of any kind
        // These may be indices, and a table may have one entry.
        const bool mayIndex = input.dtype == ir::DataType::kI32 || input.dtype == ir::DataType::kI64;
        for (int64_t i = 0; i < input.elements(); ++i) {
            input.setNumberAt(i, values != nullptr          ? static_cast<double>(values[i])
                                 : ir::isFloat(input.dtype) ? static_cast<double>(uniform(random))
                                 : mayIndex                 ? 0.0
                                                            : static_cast<double>(bit(random)));
        }
        inputs.push_back(std::move(input));
    }
    return inputs;
}

void EngineSession::checkCopied(const support::Status& status) const {
    if (!status.ok()) {
        throw ToolError(ExitCode::kWrong, status.toString());
    }
}

void* EngineSession::addressFor(const std::string& name, const void* host, size_t bytes, bool upload) {
    const runtime::LoadedPlan& plan = static_cast<const api::Engine&>(*mLoaded->engine).plan();
    const TnPlacement placement = plan.plan().bindings[static_cast<size_t>(plan.bindingOf(name))].placement;
    if (placement == TN_PLACEMENT_HOST) {
        return const_cast<void*>(host); // inputs are only read
    }
    DeviceTensor& tensor = mDeviceTensors[name];
    if (tensor.device == nullptr) {
        tensor.device = &plan.devices().at(placement);
        tensor.memory = runtime::GrowingBuffer(tensor.device->allocator());
    }
    checkCopied(tensor.memory.reserve(static_cast<int64_t>(std::max<size_t>(bytes, 1)), name.c_str()));
    if (upload) {
        checkCopied(tensor.device->copy(tensor.memory.data(), host, static_cast<int64_t>(bytes), nullptr));
    }
    return tensor.memory.data();
}

std::vector<HostTensor> EngineSession::outputs() {
    for (HostTensor& output : mOutputs) {
        if (const auto found = mDeviceTensors.find(output.name); found != mDeviceTensors.end()) {
            checkCopied(found->second.device->copy(output.bytes.data(), found->second.memory.data(),
                                                   static_cast<int64_t>(output.bytes.size()), nullptr));
        }
    }
    return mOutputs;
}

void EngineSession::captureGraph() {
    if (!mContext->setGraphCapture(true)) {
        throw ToolError(ExitCode::kUsage, mLoaded->logger->takeError("the plan cannot be recorded"));
    }
}

double EngineSession::openDevices(const std::string& planFile) {
    // Whoever needs them reports what is wrong.
    const support::Result<plan::Plan> plan = plan::readPlanFile(planFile, {false});
    const Clock::time_point begin = Clock::now();
    for (const plan::PlanDevice& device : plan.ok() ? plan->devices : std::vector<plan::PlanDevice>()) {
        const auto snapshot = registry::ModuleRegistry::process().snapshotWith({"backend:" + device.backend});
        const registry::BackendEntry* backend = snapshot->backend(device.backend);
        if (backend != nullptr && backend->table.device_count(backend->table.self, registry::TextSink().sink()) > 0) {
            static_cast<void>(runtime::DeviceStream::create(runtime::Device(*backend, 0)));
        }
    }
    return secondsSince(begin);
}

int32_t EngineSession::deviceCount() {
    int32_t count = 0;
    const auto snapshot = registry::ModuleRegistry::process().snapshotWith({"backend:"});
    for (const registry::BackendEntry& backend : snapshot->backends()) {
        if (backend.name != "host") {
            count += std::max(0, backend.table.device_count(backend.table.self, registry::TextSink().sink()));
        }
    }
    return count;
}

bool EngineSession::wasStopped() const {
    return static_cast<const api::Engine&>(*mLoaded->engine).plan().plan().stopped;
}

int32_t EngineSession::level() const { return static_cast<const api::Engine&>(*mLoaded->engine).plan().plan().level; }

bool EngineSession::hasDevice() const {
    return !static_cast<const api::Engine&>(*mLoaded->engine).plan().devices().hostOnly();
}

bool EngineSession::isQuantized() const {
    const std::string_view graph = static_cast<const api::Engine&>(*mLoaded->engine).plan().plan().graphText.view();
    return graph.find(" = quantize(") != std::string_view::npos ||
           graph.find(" = dynamic_quantize(") != std::string_view::npos;
}

std::string EngineSession::halfType() const {
    const plan::Plan& plan = static_cast<const api::Engine&>(*mLoaded->engine).plan().plan();
    for (const plan::PlanProgram& program : plan.programs) {
        for (const plan::PlanTensor& tensor : program.tensors) {
            if (tensor.dtype == ir::DataType::kBF16 || tensor.dtype == ir::DataType::kF16) {
                return std::string(ir::nameOf(tensor.dtype));
            }
        }
    }
    for (const plan::PlanKernel& kernel : plan.kernels) {
        for (const char* type : {"bf16", "f16"}) {
            if (kernel.tactic.find(type) != std::string::npos) {
                return type;
            }
        }
    }
    return {};
}

std::vector<double> EngineSession::enqueueTimes(int32_t runs) {
    if (!hasDevice()) {
        return {};
    }
    const runtime::DeviceSet& devices = static_cast<const api::Engine&>(*mLoaded->engine).plan().devices();
    const runtime::Device& device = devices.at(devices.primary());
    support::Result<runtime::DeviceStream> stream = runtime::DeviceStream::create(device);
    checkCopied(stream.ok() ? support::Status() : stream.status());
    if (stream->get() == nullptr) {
        return {};
    }
    // Whatever the backend, a stream begins with the native handle.
    void* native = nullptr;
    std::memcpy(&native, stream->get(), sizeof native);
    // Some follow each other: after a wait for the device, the host's caches would be what is measured.
    constexpr int32_t kInRow = 8;
    std::vector<double> times;
    for (int32_t i = 0; i < runs; ++i) {
        const Clock::time_point begin = Clock::now();
        if (!mContext->enqueueV3(static_cast<cudaStream_t>(native))) {
            throw ToolError(ExitCode::kWrong, mLoaded->logger->takeError("the execution failed"));
        }
        times.push_back(secondsSince(begin) * 1e3);
        if (i % kInRow == kInRow - 1 || i == runs - 1) {
            checkCopied(device.synchronize(stream->get()));
        }
    }
    return times;
}

std::vector<std::pair<std::string, std::vector<double>>> EngineSession::profile(int32_t runs) {
    class Collector final : public nvinfer1::IProfiler {
    public:
        void reportLayerTime(char const* layerName, float ms) noexcept override {
            if (mAt == steps.size()) {
                steps.push_back({layerName, {}});
            }
            steps[mAt++].second.push_back(static_cast<double>(ms));
        }
        void nextRun() { mAt = 0; }
        std::vector<std::pair<std::string, std::vector<double>>> steps;

    private:
        size_t mAt = 0;
    };
    Collector collector;
    mContext->setProfiler(&collector);
    for (int32_t i = 0; i < runs; ++i) {
        collector.nextRun();
        enqueue();
    }
    mContext->setProfiler(nullptr);
    return std::move(collector.steps);
}

void EngineSession::enqueue() {
    if (!mContext->enqueueV3(nullptr)) {
        const std::string why = mLoaded->logger->takeError("the execution failed");
        if (mLoaded->lastError.isUsage()) {
            throw ToolError(ExitCode::kUsage, cat(why, "; the inputs are ", mBound, mAdvice));
        }
        throw ToolError(ExitCode::kWrong, why);
    }
}

} // namespace tenon::tools
