#include "core/api/engine.h"

#include "core/api/execution_context.h"
#include "core/api/host_memory.h"
#include "core/api/inspector.h"
#include "core/api/type_convert.h"
#include "core/plan/writer.h"

namespace tenon::api {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::ErrorCode;
using nvinfer1::ExecutionContextAllocationStrategy;
using nvinfer1::OptProfileSelector;
using nvinfer1::TensorFormat;
using nvinfer1::TensorIOMode;
using nvinfer1::TensorLocation;
using support::cat;
using support::Result;

namespace {

const char* typeText(ir::DataType type) {
    switch (type) {
    case ir::DataType::kF32:
        return "FP32";
    case ir::DataType::kF16:
        return "FP16";
    case ir::DataType::kBF16:
        return "BF16";
    case ir::DataType::kF64:
        return "FP64";
    case ir::DataType::kI8:
        return "INT8";
    case ir::DataType::kU8:
        return "UINT8";
    case ir::DataType::kI16:
        return "INT16";
    case ir::DataType::kU16:
        return "UINT16";
    case ir::DataType::kI32:
        return "INT32";
    case ir::DataType::kU32:
        return "UINT32";
    case ir::DataType::kI64:
        return "INT64";
    case ir::DataType::kU64:
        return "UINT64";
    case ir::DataType::kBool:
        return "BOOL";
    case ir::DataType::kF8E4M3:
        return "FP8";
    case ir::DataType::kF8E5M2:
        return "FP8 (E5M2)";
    case ir::DataType::kF8E8M0:
        return "E8M0";
    case ir::DataType::kF4E2M1:
        return "FP4";
    case ir::DataType::kI4:
        return "INT4";
    case ir::DataType::kU4:
        return "UINT4";
    case ir::DataType::kString:
        return "STRING";
    }
    return "";
}

class SerializationConfig final : public nvinfer1::ISerializationConfig {
public:
    bool setFlags(nvinfer1::SerializationFlags flags) noexcept override {
        if ((flags >> nvinfer1::EnumMax<nvinfer1::SerializationFlag>()) != 0) {
            return false;
        }
        mFlags = flags;
        return true;
    }
    nvinfer1::SerializationFlags getFlags() const noexcept override { return mFlags; }
    bool clearFlag(nvinfer1::SerializationFlag flag) noexcept override { return setFlags(mFlags & ~bit(flag)); }
    bool setFlag(nvinfer1::SerializationFlag flag) noexcept override { return setFlags(mFlags | bit(flag)); }
    bool getFlag(nvinfer1::SerializationFlag flag) const noexcept override { return (mFlags & bit(flag)) != 0; }

private:
    static nvinfer1::SerializationFlags bit(nvinfer1::SerializationFlag flag) {
        return 1U << static_cast<uint32_t>(flag);
    }
    nvinfer1::SerializationFlags mFlags = 0;
};

} // namespace

Engine::Engine(std::shared_ptr<const runtime::LoadedPlan> plan, const Reporter& reporter, const EngineOptions& options)
    : mReporter(reporter), mPlan(std::move(plan)), mOptions(options) {
    for (const plan::PlanBinding& binding : mPlan->plan().bindings) {
        mFormatTexts.push_back(cat("Row-major linear ", typeText(binding.dtype), " format"));
    }
    mNarrowValues.resize(mPlan->plan().bindings.size() * static_cast<size_t>(mPlan->profileCount()) * 3);
}

bool Engine::refuse(const char* function, std::string_view why) const noexcept {
    return guarded(mReporter, false, [&] {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, cat("ICudaEngine::", function, ": ", why));
        return false;
    });
}

const plan::PlanBinding* Engine::binding(const char* function, char const* tensorName) const noexcept {
    const int32_t index = tensorName == nullptr ? -1 : mPlan->bindingOf(tensorName);
    if (index < 0) {
        guarded(mReporter, false, [&] {
            std::string names;
            for (const plan::PlanBinding& known : mPlan->plan().bindings) {
                names += cat(names.empty() ? "'" : ", '", known.name, "'");
            }
            return refuse(function, cat("the engine has no input or output named '",
                                        tensorName == nullptr ? "" : tensorName, "'; it has ", names));
        });
        return nullptr;
    }
    return &mPlan->plan().bindings[static_cast<size_t>(index)];
}

bool Engine::isProfile(const char* function, int32_t profileIndex) const noexcept {
    if (profileIndex >= 0 && profileIndex < mPlan->profileCount()) {
        return true;
    }
    return guarded(mReporter, false, [&] {
        return refuse(function, cat("there is no profile ", profileIndex, "; the engine has ", mPlan->profileCount()));
    });
}

// ---- inputs and outputs ---------------------------------------------------------------------------------------------

Dims Engine::declaredDims(const plan::PlanBinding& binding) const noexcept {
    if (binding.dims.size() > static_cast<size_t>(Dims::MAX_DIMS)) {
        return unknownRank();
    }
    Dims dims{static_cast<int32_t>(binding.dims.size()), {}};
    for (size_t i = 0; i < binding.dims.size(); ++i) {
        const ir::ExprNode& node = mPlan->plan().expressions[static_cast<size_t>(binding.dims[i])];
        dims.d[i] = node.op == ir::ExprOp::kConstant ? node.value : -1;
    }
    return dims;
}

Dims Engine::getTensorShape(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("getTensorShape", tensorName);
    return found == nullptr ? invalidDims() : declaredDims(*found);
}

DataType Engine::getTensorDataType(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("getTensorDataType", tensorName);
    return found == nullptr ? DataType::kFLOAT : toPublic(found->dtype);
}

TensorLocation Engine::getTensorLocation(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("getTensorLocation", tensorName);
    return found != nullptr && found->isShapeInput ? TensorLocation::kHOST : TensorLocation::kDEVICE;
}

bool Engine::isShapeInferenceIO(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("isShapeInferenceIO", tensorName);
    return found != nullptr && found->isShapeInput;
}

TensorIOMode Engine::getTensorIOMode(char const* tensorName) const noexcept {
    const int32_t index = tensorName == nullptr ? -1 : mPlan->bindingOf(tensorName);
    if (index < 0) {
        return TensorIOMode::kNONE;
    }
    return index < mPlan->inputCount() ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
}

char const* Engine::getAliasedInputTensor(char const* tensorName) const noexcept {
    binding("getAliasedInputTensor", tensorName);
    return nullptr;
}

int32_t Engine::getNbIOTensors() const noexcept { return static_cast<int32_t>(mPlan->plan().bindings.size()); }

char const* Engine::getIOTensorName(int32_t index) const noexcept {
    if (index < 0 || index >= getNbIOTensors()) {
        refuse("getIOTensorName", "the index is out of range");
        return nullptr;
    }
    return mPlan->plan().bindings[static_cast<size_t>(index)].name.c_str();
}

// ---- formats --------------------------------------------------------------------------------------------------------

int32_t Engine::getTensorBytesPerComponent(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("getTensorBytesPerComponent", tensorName);
    return found == nullptr ? -1 : static_cast<int32_t>(bytesOf(found->dtype, 1));
}

int32_t Engine::getTensorBytesPerComponent(char const* tensorName, int32_t profileIndex) const noexcept {
    return isProfile("getTensorBytesPerComponent", profileIndex) ? getTensorBytesPerComponent(tensorName) : -1;
}

int32_t Engine::getTensorComponentsPerElement(char const* tensorName) const noexcept {
    return binding("getTensorComponentsPerElement", tensorName) == nullptr ? -1 : 1;
}

int32_t Engine::getTensorComponentsPerElement(char const* tensorName, int32_t profileIndex) const noexcept {
    return isProfile("getTensorComponentsPerElement", profileIndex) ? getTensorComponentsPerElement(tensorName) : -1;
}

TensorFormat Engine::getTensorFormat(char const* tensorName) const noexcept {
    binding("getTensorFormat", tensorName);
    return TensorFormat::kLINEAR;
}

TensorFormat Engine::getTensorFormat(char const* tensorName, int32_t profileIndex) const noexcept {
    isProfile("getTensorFormat", profileIndex);
    return getTensorFormat(tensorName);
}

char const* Engine::getTensorFormatDesc(char const* tensorName) const noexcept {
    const plan::PlanBinding* found = binding("getTensorFormatDesc", tensorName);
    return found == nullptr ? nullptr : mFormatTexts[static_cast<size_t>(mPlan->bindingOf(found->name))].c_str();
}

char const* Engine::getTensorFormatDesc(char const* tensorName, int32_t profileIndex) const noexcept {
    return isProfile("getTensorFormatDesc", profileIndex) ? getTensorFormatDesc(tensorName) : nullptr;
}

int32_t Engine::getTensorVectorizedDim(char const* tensorName) const noexcept {
    binding("getTensorVectorizedDim", tensorName);
    return -1;
}

int32_t Engine::getTensorVectorizedDim(char const* tensorName, int32_t profileIndex) const noexcept {
    isProfile("getTensorVectorizedDim", profileIndex);
    return getTensorVectorizedDim(tensorName);
}

// ---- profiles -------------------------------------------------------------------------------------------------------

int32_t Engine::getNbOptimizationProfiles() const noexcept { return mPlan->profileCount(); }

Dims Engine::getProfileShape(char const* tensorName, int32_t profileIndex, OptProfileSelector select) const noexcept {
    const plan::PlanBinding* found = binding("getProfileShape", tensorName);
    if (found == nullptr || !isProfile("getProfileShape", profileIndex)) {
        return invalidDims();
    }
    const auto point = static_cast<size_t>(select);
    if (!found->isInput || point >= 3) {
        refuse("getProfileShape", "profiles speak of inputs, with the selectors kMIN, kOPT and kMAX");
        return invalidDims();
    }
    return toDims(found->profiles[static_cast<size_t>(profileIndex)][point]);
}

int64_t const* Engine::getProfileTensorValuesV2(char const* tensorName, int32_t profileIndex,
                                                OptProfileSelector select) const noexcept {
    const plan::PlanBinding* found = binding("getProfileTensorValuesV2", tensorName);
    const auto point = static_cast<size_t>(select);
    if (found == nullptr || !isProfile("getProfileTensorValuesV2", profileIndex) || !found->isShapeInput ||
        point >= 3) {
        return nullptr;
    }
    return found->profileValues[static_cast<size_t>(profileIndex)][point].data();
}

int32_t const* Engine::getProfileTensorValues(char const* tensorName, int32_t profileIndex,
                                              OptProfileSelector select) const noexcept {
    const plan::PlanBinding* found = binding("getProfileTensorValues", tensorName);
    const int64_t* wide = getProfileTensorValuesV2(tensorName, profileIndex, select);
    if (wide == nullptr) {
        return nullptr;
    }
    return guarded(mReporter, static_cast<int32_t const*>(nullptr), [&]() -> int32_t const* {
        const auto profile = static_cast<size_t>(profileIndex);
        const auto point = static_cast<size_t>(select);
        const size_t slot =
            (static_cast<size_t>(mPlan->bindingOf(found->name)) * static_cast<size_t>(mPlan->profileCount()) +
             profile) *
                3 +
            point;
        std::vector<int32_t> narrow;
        for (const int64_t value : found->profileValues[profile][point]) {
            if (value < INT32_MIN || value > INT32_MAX) {
                refuse("getProfileTensorValues", "a value needs 64 bits: use getProfileTensorValuesV2");
                return nullptr;
            }
            narrow.push_back(static_cast<int32_t>(value));
        }
        const std::lock_guard<std::mutex> lock(mNarrowMutex);
        if (mNarrowValues[slot] != narrow) {
            mNarrowValues[slot] = std::move(narrow);
        }
        return mNarrowValues[slot].data();
    });
}

// ---- memory, layers, serialization ----------------------------------------------------------------------------------

size_t Engine::getDeviceMemorySize() const noexcept { return static_cast<size_t>(getDeviceMemorySizeV2()); }

size_t Engine::getDeviceMemorySizeForProfile(int32_t profileIndex) const noexcept {
    return static_cast<size_t>(std::max<int64_t>(getDeviceMemorySizeForProfileV2(profileIndex), 0));
}

int64_t Engine::getDeviceMemorySizeV2() const noexcept { return mPlan->largestArenaBytes(); }

int64_t Engine::getDeviceMemorySizeForProfileV2(int32_t profileIndex) const noexcept {
    return isProfile("getDeviceMemorySizeForProfileV2", profileIndex) ? mPlan->arenaBytes(profileIndex) : -1;
}

int32_t Engine::getNbLayers() const noexcept {
    size_t steps = 0;
    for (const plan::PlanProgram& program : mPlan->plan().programs) {
        steps += program.steps.size();
    }
    return static_cast<int32_t>(steps);
}

char const* Engine::getName() const noexcept { return mPlan->plan().networkName.c_str(); }

nvinfer1::IHostMemory* Engine::serialize() const noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IHostMemory*>(nullptr), [&]() -> nvinfer1::IHostMemory* {
        Result<std::vector<std::byte>> bytes = plan::planToBytes(mPlan->plan());
        if (!bytes) {
            mReporter.report(bytes.status().withContext("in ICudaEngine::serialize"));
            return nullptr;
        }
        return new HostMemory(std::move(bytes).value());
    });
}

nvinfer1::ISerializationConfig* Engine::createSerializationConfig() noexcept {
    return guarded(mReporter, static_cast<nvinfer1::ISerializationConfig*>(nullptr),
                   [&]() -> nvinfer1::ISerializationConfig* { return new SerializationConfig(); });
}

nvinfer1::IHostMemory* Engine::serializeWithConfig(nvinfer1::ISerializationConfig& config) const noexcept {
    if (config.getFlag(nvinfer1::SerializationFlag::kEXCLUDE_WEIGHTS)) {
        refuse("serializeWithConfig", "kEXCLUDE_WEIGHTS is not available: the plan keeps its weights");
        return nullptr;
    }
    return serialize();
}

bool Engine::setWeightStreamingBudgetV2(int64_t) noexcept {
    return refuse("setWeightStreamingBudgetV2", "the engine's weights are in host memory; there is nothing to stream");
}

int64_t Engine::getEngineStat(nvinfer1::EngineStat stat) const noexcept {
    if (stat == nvinfer1::EngineStat::kSTRIPPED_WEIGHTS_SIZE) {
        return 0;
    }
    int64_t total = 0;
    for (const plan::PlanConstant& constant : mPlan->plan().constants) {
        total += constant.bytes;
    }
    return stat == nvinfer1::EngineStat::kTOTAL_WEIGHTS_SIZE ? total : -1;
}

// ---- contexts and inspectors ----------------------------------------------------------------------------------------

nvinfer1::IExecutionContext*
Engine::makeContext(bool ownMemory, std::optional<ExecutionContextAllocationStrategy> strategyOfConfig) noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IExecutionContext*>(nullptr),
                   [&]() -> nvinfer1::IExecutionContext* {
                       Result<std::unique_ptr<ExecutionContext>> context =
                           ExecutionContext::create(*this, ownMemory, strategyOfConfig);
                       if (!context) {
                           mReporter.report(context.status().withContext("in ICudaEngine::createExecutionContext"));
                           return nullptr;
                       }
                       return std::move(context).value().release();
                   });
}

nvinfer1::IExecutionContext* Engine::createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept {
    return makeContext(strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED, std::nullopt);
}

nvinfer1::IExecutionContext* Engine::createExecutionContext(nvinfer1::IRuntimeConfig* runtimeConfig) noexcept {
    if (runtimeConfig == nullptr) {
        refuse("createExecutionContext", "the runtime config is null");
        return nullptr;
    }
    const ExecutionContextAllocationStrategy strategy = runtimeConfig->getExecutionContextAllocationStrategy();
    return makeContext(strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED, strategy);
}

nvinfer1::IExecutionContext* Engine::createExecutionContextWithoutDeviceMemory() noexcept {
    return makeContext(false, std::nullopt);
}

nvinfer1::IRuntimeConfig* Engine::createRuntimeConfig() noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IRuntimeConfig*>(nullptr),
                   [&]() -> nvinfer1::IRuntimeConfig* { return new RuntimeConfig(); });
}

nvinfer1::IEngineInspector* Engine::createEngineInspector() const noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IEngineInspector*>(nullptr),
                   [&]() -> nvinfer1::IEngineInspector* { return new EngineInspector(*this); });
}

} // namespace tenon::api
