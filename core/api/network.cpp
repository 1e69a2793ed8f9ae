#include "core/api/network.h"

#include <algorithm>
#include <cctype>

namespace tenon::api {

using nvinfer1::ErrorCode;
using support::cat;
using support::Result;
using support::Status;

namespace {

// An integer input of at most this many elements may decide dimensions.
constexpr int64_t kMaxShapeElements = 256;

bool isIndexType(nvinfer1::DataType type) {
    return type == nvinfer1::DataType::kINT32 || type == nvinfer1::DataType::kINT64 ||
           type == nvinfer1::DataType::kBOOL;
}

// What the IR's text can hold: letters, digits and underscores.
std::string identifier(std::string_view name) {
    std::string text;
    for (const char c : name) {
        text += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    }
    if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) {
        text.insert(text.begin(), '_');
    }
    return text;
}

template <class T>
bool contains(const std::vector<T*>& list, const T* item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

template <class T>
void remove(std::vector<T*>& list, const T* item) {
    list.erase(std::remove(list.begin(), list.end(), item), list.end());
}

} // namespace

Network::Network(nvinfer1::IBuilder& builder, const Reporter& reporter, std::shared_ptr<const ops::OpRegistry> ops,
                 nvinfer1::NetworkDefinitionCreationFlags flags)
    : mBuilder(builder), mReporter(reporter), mOps(std::move(ops)), mFlags(flags) {}

Network::~Network() noexcept = default;

// ---- inputs and outputs ---------------------------------------------------------------------------------------------

bool Network::refuse(const char* adder, std::string_view why) const noexcept {
    return guarded(mReporter, false, [&] {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, cat("INetworkDefinition::", adder, ": ", why));
        return false;
    });
}

bool Network::ownsAll(const char* adder, const std::vector<nvinfer1::ITensor*>& tensors) const {
    for (size_t i = 0; i < tensors.size(); ++i) {
        if (tensors[i] == nullptr) {
            return refuse(adder, cat("input ", i, " is null"));
        }
        if (&static_cast<const Tensor*>(tensors[i])->network() != this) {
            return refuse(adder, cat("input ", i, " ('", tensors[i]->getName(), "') belongs to another network"));
        }
    }
    return true;
}

std::string Network::whyNotInputDims(const Dims& dims) {
    if (!isValid(dims)) {
        return cat("there may be 0 to ", Dims::MAX_DIMS, " dimensions, not ", dims.nbDims);
    }
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        if (dims.d[i] < -1) {
            return cat("extent ", i, " is ", dims.d[i], "; use -1 for one that is known at run time");
        }
    }
    return {};
}

nvinfer1::ITensor* Network::addInput(char const* name, nvinfer1::DataType type, Dims const& dimensions) noexcept {
    return guarded(mReporter, static_cast<nvinfer1::ITensor*>(nullptr), [&]() -> nvinfer1::ITensor* {
        if (name == nullptr || *name == '\0') {
            refuse("addInput", "an input needs a name");
            return nullptr;
        }
        if (!toIr(type)) {
            refuse("addInput", cat("'", name, "': ", api::nameOf(type), " is no element type"));
            return nullptr;
        }
        if (const std::string why = whyNotInputDims(dimensions); !why.empty()) {
            refuse("addInput", cat("'", name, "': ", why));
            return nullptr;
        }
        for (const Tensor* input : mInputs) {
            if (input->name() == name) {
                refuse("addInput", cat("there is already an input named '", name, "'"));
                return nullptr;
            }
        }
        Tensor* tensor = newTensor(name, nullptr, 0);
        tensor->mType = type;
        tensor->mDims = dimensions;
        mInputs.push_back(tensor);
        return tensor;
    });
}

void Network::markOutput(nvinfer1::ITensor& tensor) noexcept {
    guarded(mReporter, false, [&] {
        if (!ownsAll("markOutput", {&tensor})) {
            return false;
        }
        auto& output = static_cast<Tensor&>(tensor);
        if (!contains<Tensor>(mOutputs, &output)) {
            mOutputs.push_back(&output);
        }
        return true;
    });
}

void Network::unmarkOutput(nvinfer1::ITensor& tensor) noexcept {
    auto& output = static_cast<Tensor&>(tensor);
    remove<Tensor>(mOutputs, &output);
    remove<Tensor>(mShapeOutputs, &output);
    output.mRequestedType.reset();
}

bool Network::markOutputForShapes(nvinfer1::ITensor& tensor) noexcept {
    return guarded(mReporter, false, [&] {
        auto& output = static_cast<Tensor&>(tensor);
        if (!ownsAll("markOutputForShapes", {&tensor})) {
            return false;
        }
        const nvinfer1::Dims dims = output.getDimensions();
        if (!isIndexType(output.getType()) || dims.nbDims > 1) {
            return refuse("markOutputForShapes", cat("'", output.name(),
                                                     "' must have at most one dimension and type kINT32, kINT64 or "
                                                     "kBOOL; it is ",
                                                     api::nameOf(output.getType()), " ", textOf(dims)));
        }
        if (!contains<Tensor>(mShapeOutputs, &output)) {
            mShapeOutputs.push_back(&output);
        }
        markOutput(tensor);
        return true;
    });
}

bool Network::unmarkOutputForShapes(nvinfer1::ITensor& tensor) noexcept {
    if (!contains<Tensor>(mShapeOutputs, &static_cast<Tensor&>(tensor))) {
        return false;
    }
    unmarkOutput(tensor);
    return true;
}

nvinfer1::ITensor* Network::getInput(int32_t index) const noexcept {
    return index < 0 || static_cast<size_t>(index) >= mInputs.size() ? nullptr : mInputs[static_cast<size_t>(index)];
}

nvinfer1::ITensor* Network::getOutput(int32_t index) const noexcept {
    return index < 0 || static_cast<size_t>(index) >= mOutputs.size() ? nullptr : mOutputs[static_cast<size_t>(index)];
}

nvinfer1::ILayer* Network::getLayer(int32_t index) const noexcept {
    return index < 0 || static_cast<size_t>(index) >= mLayers.size() ? nullptr
                                                                     : &mLayers[static_cast<size_t>(index)]->layer();
}

bool Network::isOutput(const Tensor& tensor) const { return contains<Tensor>(mOutputs, &tensor); }

void Network::removeTensor(nvinfer1::ITensor& tensor) noexcept {
    guarded(mReporter, false, [&] {
        auto& given = static_cast<Tensor&>(tensor);
        if (!ownsAll("removeTensor", {&tensor})) {
            return false;
        }
        if (!given.mConsumers.empty()) {
            return refuse("removeTensor", cat("'", given.name(), "' is still an input of layer '",
                                              given.mConsumers.front()->name(), "'"));
        }
        unmarkOutput(tensor);
        remove<Tensor>(mInputs, &given);
        return true;
    });
}

void Network::setName(char const* name) noexcept {
    guarded(mReporter, false, [&] {
        mName = name == nullptr ? "" : name;
        return true;
    });
}

bool Network::getFlag(nvinfer1::NetworkDefinitionCreationFlag flag) const noexcept {
    return (mFlags & (1U << static_cast<uint32_t>(flag))) != 0;
}

// ---- weights and debug marks ----------------------------------------------------------------------------------------

bool Network::setWeightsName(nvinfer1::Weights weights, char const* name) noexcept {
    return guarded(mReporter, false, [&] {
        if (weights.values == nullptr || name == nullptr || *name == '\0') {
            return refuse("setWeightsName", "needs weights with values and a name");
        }
        for (const auto& [values, taken] : mWeightsNames) {
            if (taken == name && values != weights.values) {
                return refuse("setWeightsName", cat("other weights are already named '", name, "'"));
            }
        }
        mWeightsNames[weights.values] = name;
        return true;
    });
}

std::string Network::weightsName(const void* values) const {
    const auto found = mWeightsNames.find(values);
    return found == mWeightsNames.end() ? std::string() : found->second;
}

bool Network::markWeightsRefittable(char const* name) noexcept {
    return guarded(mReporter, false, [&] {
        for (const auto& [values, known] : mWeightsNames) {
            if (name != nullptr && known == name) {
                mRefittable.insert(known);
                return true;
            }
        }
        return refuse("markWeightsRefittable", cat("no weights are named '", name == nullptr ? "" : name, "'"));
    });
}

bool Network::unmarkWeightsRefittable(char const* name) noexcept {
    return guarded(mReporter, false, [&] { return name != nullptr && mRefittable.erase(name) > 0; });
}

bool Network::areWeightsMarkedRefittable(char const* name) const noexcept {
    return guarded(mReporter, false, [&] { return name != nullptr && mRefittable.count(name) > 0; });
}

bool Network::markDebug(nvinfer1::ITensor& tensor) noexcept {
    return guarded(mReporter, false, [&] {
        return ownsAll("markDebug", {&tensor}) &&
               refuse("markDebug", cat("engines have no debug tensors; mark '", tensor.getName(), "' as an output"));
    });
}

bool Network::unmarkDebug(nvinfer1::ITensor&) noexcept { return true; }

bool Network::isDebugTensor(nvinfer1::ITensor const& tensor) const noexcept {
    return isMarkedDebug(static_cast<const Tensor&>(tensor));
}

bool Network::markUnfusedTensorsAsDebugTensors() noexcept {
    return refuse("markUnfusedTensorsAsDebugTensors",
                  "engines have no debug tensors; mark the tensors of interest as outputs");
}

bool Network::unmarkUnfusedTensorsAsDebugTensors() noexcept { return true; }

// ---- inference ------------------------------------------------------------------------------------------------------

Tensor* Network::newTensor(std::string name, LayerCore* producer, int32_t index) {
    mTensors.push_back(std::make_unique<Tensor>(*this, std::move(name), producer, index));
    return mTensors.back().get();
}

void Network::layerChanged(LayerCore& layer) noexcept {
    guarded(mReporter, false, [&] {
        invalidate({&layer});
        return true;
    });
}

void Network::inputChanged(Tensor& input) noexcept {
    input.mEmittedValid = false;
    guarded(mReporter, false, [&] {
        invalidate(input.mConsumers);
        return true;
    });
}

void Network::invalidate(std::vector<LayerCore*> layers) noexcept {
    // Layers that are not inferred have no inferred layer behind them, so each is visited once.
    while (!layers.empty()) {
        LayerCore* layer = layers.back();
        layers.pop_back();
        if (!layer->mInferred) {
            continue;
        }
        layer->mInferred = false;
        for (Tensor* output : layer->mOutputs) {
            output->mEmittedValid = false;
            layers.insert(layers.end(), output->mConsumers.begin(), output->mConsumers.end());
        }
    }
}

std::string Network::symbolFor(const std::string& what, const std::string& wanted) const {
    const auto known = mSymbolNames.find(what);
    if (known != mSymbolNames.end()) {
        return known->second;
    }
    const auto isTaken = [this](const std::string& name) {
        return std::any_of(mSymbolNames.begin(), mSymbolNames.end(),
                           [&](const auto& entry) { return entry.second == name; });
    };
    std::string name = identifier(wanted);
    for (int32_t i = 2; isTaken(name); ++i) {
        name = cat(identifier(wanted), "_v", i);
    }
    mSymbolNames.emplace(what, name);
    return name;
}

std::string Network::symbolName(const Tensor& input, int32_t dim) const {
    const std::string& named = input.dimensionName(dim);
    return named.empty() ? symbolFor(cat("extent ", dim, " of ", input.name()), cat(input.name(), "_", dim))
                         : symbolFor(cat("dimension ", named), named);
}

EmitValue Network::inputValue(const Tensor& input, size_t index, ir::ExprPool& pool, bool withElements) const {
    EmitValue value;
    value.type.dtype = *toIr(input.mType);
    for (int32_t i = 0; i < input.mDims.nbDims; ++i) {
        if (input.mDims.d[i] >= 0) {
            value.type.dims.push_back(pool.constant(input.mDims.d[i]));
            continue;
        }
        ir::Symbol symbol;
        symbol.name = symbolName(input, i);
        symbol.source = ir::SymbolSource::kInputDim;
        symbol.input = static_cast<int32_t>(index);
        symbol.index = i;
        symbol.bounds = {0, INT64_MAX};
        value.type.dims.push_back(pool.symbol(symbol));
    }
    const int64_t elements = volume(input.mDims);
    if (withElements && isIndexType(input.mType) && input.mDims.nbDims <= 1 && elements >= 0 &&
        elements <= kMaxShapeElements) {
        std::vector<ir::DimExpr> contents;
        for (int64_t i = 0; i < elements; ++i) {
            ir::Symbol symbol;
            symbol.name = symbolFor(cat("element ", i, " of ", input.name()), cat(input.name(), "_at_", i));
            symbol.source = ir::SymbolSource::kInputElement;
            symbol.input = static_cast<int32_t>(index);
            symbol.index = static_cast<int32_t>(i);
            contents.push_back(pool.symbol(symbol));
        }
        value.contents = std::move(contents);
    }
    return value;
}

void Network::infer(const Tensor& tensor) {
    if (tensor.mProducer == nullptr) {
        auto& input = const_cast<Tensor&>(tensor);
        if (!input.mEmittedValid) {
            const auto at = std::find(mInputs.begin(), mInputs.end(), &input);
            input.mEmitted = inputValue(input, static_cast<size_t>(at - mInputs.begin()), mPool, true);
            input.mEmittedValid = true;
        }
        return;
    }
    std::vector<LayerCore*> stack{tensor.mProducer};
    std::unordered_set<const LayerCore*> waiting;
    while (!stack.empty()) {
        LayerCore* layer = stack.back();
        if (layer->mInferred) {
            stack.pop_back();
            continue;
        }
        LayerCore* first = nullptr; // an input's producer that must go before
        for (Tensor* input : layer->mInputs) {
            if (input != nullptr && input->mProducer != nullptr && !input->mProducer->mInferred) {
                first = input->mProducer;
                break;
            }
        }
        if (first == nullptr) {
            inferLayer(*layer);
            stack.pop_back();
        } else if (!waiting.insert(layer).second && waiting.count(first) > 0) {
            layer->mInferenceStatus = support::invalidArgument("layer '", layer->name(), "' is part of a cycle");
            layer->mInferred = true;
            mReporter.report(layer->mInferenceStatus);
            stack.pop_back();
        } else {
            stack.push_back(first);
        }
    }
}

void Network::inferLayer(LayerCore& layer) {
    layer.mInferred = true;
    layer.mInferenceStatus = support::okStatus();
    std::vector<const EmitValue*> inputs;
    for (Tensor* input : layer.mInputs) {
        if (input == nullptr) {
            inputs.push_back(nullptr);
            continue;
        }
        if (input->mProducer == nullptr) {
            infer(*input);
        }
        if (!input->mEmittedValid) { // reported where it went wrong
            layer.mInferenceStatus = support::invalidArgument("the type of input '", input->name(), "' is not known");
            return;
        }
        inputs.push_back(&input->mEmitted);
    }
    Emitter emitter(*mOps, mPool, nullptr);
    LayerScope scope(layer, emitter, std::move(inputs));
    Status status = layer.lowerWithSettings(scope);
    if (!status.ok()) {
        layer.mInferenceStatus = std::move(status).withContext(cat("in layer '", layer.name(), "'"));
        mReporter.report(layer.mInferenceStatus);
        return;
    }
    for (size_t i = 0; i < layer.mOutputs.size(); ++i) {
        layer.mOutputs[i]->mEmitted = std::move(scope.outputs()[i]);
        layer.mOutputs[i]->mEmittedValid = true;
    }
}

void Network::removeLastLayer() noexcept {
    const std::unique_ptr<LayerCore> layer = std::move(mLayers.back());
    mLayers.pop_back();
    for (Tensor* input : layer->mInputs) {
        if (input != nullptr) {
            remove<LayerCore>(input->mConsumers, layer.get());
        }
    }
    // Its outputs are the tensors added last.
    mTensors.resize(mTensors.size() - layer->mOutputs.size());
}

Result<std::vector<LayerCore*>> Network::sortedLayers() const {
    std::vector<LayerCore*> order;
    std::unordered_set<const LayerCore*> done;
    std::unordered_set<const LayerCore*> waiting;
    std::vector<LayerCore*> stack;
    for (const auto& root : mLayers) {
        stack.push_back(root.get());
        while (!stack.empty()) {
            LayerCore* layer = stack.back();
            if (done.count(layer) > 0) {
                stack.pop_back();
                continue;
            }
            const bool seen = !waiting.insert(layer).second;
            LayerCore* first = nullptr;
            for (Tensor* input : layer->mInputs) {
                if (input != nullptr && input->mProducer != nullptr && done.count(input->mProducer) == 0) {
                    first = input->mProducer;
                    break;
                }
            }
            if (first == nullptr) {
                order.push_back(layer);
                done.insert(layer);
                stack.pop_back();
            } else if (seen && waiting.count(first) > 0) {
                return support::invalidArgument("layer '", first->name(), "' depends on its own output");
            } else {
                stack.push_back(first);
            }
        }
    }
    return order;
}

std::unordered_set<const Tensor*> Network::shapeTensors() const {
    std::unordered_set<const Tensor*> found;
    std::vector<const Tensor*> open(mShapeOutputs.begin(), mShapeOutputs.end());
    for (const auto& layer : mLayers) {
        for (size_t i = 0; i < layer->mInputs.size(); ++i) {
            if (layer->mInputs[i] != nullptr && layer->isShapeInput(i)) {
                open.push_back(layer->mInputs[i]);
            }
        }
    }
    while (!open.empty()) {
        const Tensor* tensor = open.back();
        open.pop_back();
        if (!found.insert(tensor).second || tensor->mProducer == nullptr || !tensor->mProducer->forwardsShapes()) {
            continue;
        }
        for (const Tensor* input : tensor->mProducer->mInputs) {
            if (input != nullptr) {
                open.push_back(input);
            }
        }
    }
    return found;
}

bool Network::isExecutionTensor(const Tensor& tensor) const {
    const std::unordered_set<const Tensor*> shapes = shapeTensors();
    if (shapes.count(&tensor) == 0 || isOutput(tensor)) {
        return true;
    }
    // Needed for more than its values' part in dimensions?
    for (const LayerCore* consumer : tensor.mConsumers) {
        for (size_t i = 0; i < consumer->mInputs.size(); ++i) {
            if (consumer->mInputs[i] == &tensor && !consumer->isShapeInput(i)) {
                for (const Tensor* output : consumer->mOutputs) {
                    if (shapes.count(output) == 0) {
                        return true;
                    }
                }
            }
        }
    }
    return false;
}

} // namespace tenon::api
