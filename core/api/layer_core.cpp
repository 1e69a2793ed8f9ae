#include "core/api/layer_core.h"

#include "core/api/network.h"

namespace tenon::api {

using nvinfer1::ErrorCode;
using support::cat;
using support::Result;
using support::Status;

// ---- LayerScope -----------------------------------------------------------------------------------------------------

Status LayerScope::lowerTo(const std::string& op, ir::AttributeMap attributes,
                           const std::vector<const EmitValue*>& inputs, size_t outputs) {
    TN_ASSIGN_OR_RETURN(mOutputs, mEmitter.emit(op, std::move(attributes), inputs, outputs));
    return support::okStatus();
}

void LayerScope::setOutput(size_t i, EmitValue value) {
    if (mOutputs.size() <= i) {
        mOutputs.resize(i + 1);
    }
    mOutputs[i] = std::move(value);
}

Result<EmitValue> LayerScope::weights(const nvinfer1::Weights& weights, std::vector<int64_t> dims,
                                      std::string_view role) const {
    const int64_t expected = volume(dims);
    if (expected < 0 || weights.count != expected) {
        return support::invalidArgument("the ", role, " weights have ", weights.count, " elements, ",
                                        textOf(toDims(dims)), " needs ", expected);
    }
    if (weights.values == nullptr && expected > 0) {
        return support::invalidArgument("the ", role, " weights have no values");
    }
    const std::optional<ir::DataType> dtype = toIr(weights.type);
    if (!dtype) {
        return support::invalidArgument("the ", role, " weights have no element type: ", nameOf(weights.type));
    }
    auto constant = std::make_shared<ir::Constant>();
    constant->dtype = *dtype;
    constant->dims = std::move(dims);
    constant->data = static_cast<const std::byte*>(weights.values); // the network's user keeps it alive
    constant->bytes = bytesOf(*dtype, expected);
    constant->weightsName = mLayer.network().weightsName(weights.values);
    if (constant->weightsName.empty()) {
        constant->weightsName = cat(mLayer.name(), ":", role);
    }
    return mEmitter.constant(std::move(constant));
}

// ---- LayerCore ------------------------------------------------------------------------------------------------------

LayerCore::LayerCore(Network& network, nvinfer1::LayerType type, std::string_view kind, std::vector<Tensor*> inputs)
    : mNetwork(network), mType(type), mKind(kind),
      mName(cat("(Unnamed Layer* ", network.layerCount(), ") [", kind, "]")), mInputs(std::move(inputs)) {
    for (Tensor* input : mInputs) {
        if (input != nullptr) {
            input->mConsumers.push_back(this);
        }
    }
}

LayerCore::~LayerCore() = default;

void LayerCore::addOutputs(size_t count) {
    for (size_t i = 0; i < count; ++i) {
        std::string name = cat(mName, "_output");
        if (i > 0) {
            name += cat("_", i);
        }
        mOutputs.push_back(mNetwork.newTensor(std::move(name), this, static_cast<int32_t>(i)));
    }
    mOutputTypes.resize(count);
}

void LayerCore::changed() noexcept { mNetwork.layerChanged(*this); }

void LayerCore::refuse(std::string_view setter, std::string_view why) const noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        mNetwork.reporter().error(ErrorCode::kINVALID_ARGUMENT, cat(setter, " of layer '", mName, "': ", why));
        return 0;
    });
}

bool LayerCore::require(bool ok, std::string_view setter, std::string_view why) const noexcept {
    if (!ok) {
        refuse(setter, why);
    }
    return ok;
}

ir::NodeSettings LayerCore::settings() const {
    ir::NodeSettings settings;
    if (mPrecision) {
        settings.precision = toIr(*mPrecision);
    }
    for (const std::optional<nvinfer1::DataType>& type : mOutputTypes) {
        settings.outputs.push_back(type ? toIr(*type) : std::nullopt);
    }
    settings.metadata = mMetadata;
    for (const Tensor* output : mOutputs) {
        settings.debugOutput = settings.debugOutput || mNetwork.isMarkedDebug(*output);
    }
    return settings;
}

Status LayerCore::lowerWithSettings(LayerScope& scope) const {
    TN_RETURN_IF_ERROR(lower(scope));
    if (scope.outputs().size() != mOutputs.size()) {
        return support::internalError("the layer gave ", scope.outputs().size(), " outputs instead of ",
                                      mOutputs.size());
    }
    for (size_t i = 0; i < mOutputs.size(); ++i) {
        const std::optional<ir::DataType> wanted = mOutputTypes[i] ? toIr(*mOutputTypes[i]) : std::nullopt;
        if (wanted && *wanted != scope.outputs()[i].type.dtype) {
            ir::AttributeMap attributes;
            attributes.set("to", *wanted);
            const EmitValue from = scope.outputs()[i];
            TN_ASSIGN_OR_RETURN(scope.outputs()[i], scope.emitter().emit1("cast", std::move(attributes), {&from}));
        }
    }
    return support::okStatus();
}

void LayerCore::assignName(const char* name) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        if (require(name != nullptr, "ILayer::setName", "the name is null")) {
            mName = name;
        }
        return 0;
    });
}

nvinfer1::ITensor* LayerCore::inputAt(int32_t index) const noexcept {
    return index < 0 || static_cast<size_t>(index) >= mInputs.size() ? nullptr : mInputs[static_cast<size_t>(index)];
}

nvinfer1::ITensor* LayerCore::outputAt(int32_t index) const noexcept {
    return index < 0 || static_cast<size_t>(index) >= mOutputs.size() ? nullptr : mOutputs[static_cast<size_t>(index)];
}

void LayerCore::assignInput(int32_t index, nvinfer1::ITensor& tensor) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        auto& given = static_cast<Tensor&>(tensor);
        const size_t limit = std::max(maxInputs(), mInputs.size());
        if (index < 0 || static_cast<size_t>(index) >= limit) {
            refuse("ILayer::setInput", cat("there is no input ", index, "; this layer takes ", limit));
            return 0;
        }
        if (!require(&given.network() == &mNetwork, "ILayer::setInput", "the tensor belongs to another network")) {
            return 0;
        }
        const auto i = static_cast<size_t>(index);
        if (mInputs.size() <= i) {
            mInputs.resize(i + 1, nullptr);
        }
        if (Tensor* old = mInputs[i]; old != nullptr) {
            auto use = std::find(old->mConsumers.begin(), old->mConsumers.end(), this);
            if (use != old->mConsumers.end()) {
                old->mConsumers.erase(use);
            }
        }
        mInputs[i] = &given;
        given.mConsumers.push_back(this);
        changed();
        return 0;
    });
}

void LayerCore::assignPrecision(nvinfer1::DataType type) noexcept {
    if (require(toIr(type).has_value(), "ILayer::setPrecision", "no such element type")) {
        mPrecision = type;
    }
}

nvinfer1::DataType LayerCore::precision() const noexcept {
    return mPrecision ? *mPrecision : nvinfer1::DataType::kFLOAT;
}

void LayerCore::assignOutputType(int32_t index, nvinfer1::DataType type) noexcept {
    if (require(outputAt(index) != nullptr, "ILayer::setOutputType", "there is no such output") &&
        require(toIr(type).has_value(), "ILayer::setOutputType", "no such element type")) {
        mOutputTypes[static_cast<size_t>(index)] = type;
        changed();
    }
}

nvinfer1::DataType LayerCore::outputTypeAt(int32_t index) const noexcept {
    const nvinfer1::ITensor* output = outputAt(index);
    if (output == nullptr) {
        return nvinfer1::DataType::kFLOAT;
    }
    const auto& wanted = mOutputTypes[static_cast<size_t>(index)];
    return wanted ? *wanted : output->getType();
}

bool LayerCore::hasOutputType(int32_t index) const noexcept {
    return outputAt(index) != nullptr && mOutputTypes[static_cast<size_t>(index)].has_value();
}

void LayerCore::clearOutputType(int32_t index) noexcept {
    if (outputAt(index) != nullptr) {
        mOutputTypes[static_cast<size_t>(index)].reset();
        changed();
    }
}

void LayerCore::assignMetadata(const char* text) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        mMetadata = text == nullptr ? "" : text;
        return 0;
    });
}

} // namespace tenon::api
