// Layers that make or convert tensors: constant, identity, cast, quantize, dequantize.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

namespace tenon::api {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::Weights;
using support::cat;
using support::Status;

namespace {

class ConstantLayer final : public LayerOf<nvinfer1::IConstantLayer> {
public:
    ConstantLayer(Network& network, std::vector<Tensor*> inputs, const Dims& dims, const Weights& weights)
        : LayerOf(network, LayerType::kCONSTANT, "Constant", std::move(inputs)), mDims(dims), mWeights(weights) {
        addOutputs(1);
    }
    void setWeights(Weights weights) noexcept override { assign(mWeights, weights); }
    Weights getWeights() const noexcept override { return mWeights; }
    void setDimensions(Dims const& dims) noexcept override {
        if (require(volume(dims) >= 0, "setDimensions", "extents must not be negative")) {
            assign(mDims, dims);
        }
    }
    Dims getDimensions() const noexcept override { return mDims; }
    Status lower(LayerScope& scope) const override {
        TN_ASSIGN_OR_RETURN(EmitValue value, scope.weights(mWeights, toVector(mDims), "constant"));
        scope.setOutput(0, std::move(value));
        return support::okStatus();
    }

private:
    Dims mDims;
    Weights mWeights;
};

class IdentityLayer final : public LayerOf<nvinfer1::IIdentityLayer> {
public:
    IdentityLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kIDENTITY, "Identity", std::move(inputs)) {
        addOutputs(1);
    }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("identity", {}, scope.inputs()); }
};

class CastLayer final : public LayerOf<nvinfer1::ICastLayer> {
public:
    CastLayer(Network& network, std::vector<Tensor*> inputs, DataType to)
        : LayerOf(network, LayerType::kCAST, "Cast", std::move(inputs)), mTo(to) {
        addOutputs(1);
    }
    void setToType(DataType to) noexcept override {
        if (require(toIr(to).has_value(), "setToType", "no such element type")) {
            assign(mTo, to);
        }
    }
    DataType getToType() const noexcept override { return mTo; }
    Status lower(LayerScope& scope) const override {
        return scope.lowerTo("cast", attributes({{"to", *toIr(mTo)}}), scope.inputs());
    }

private:
    DataType mTo;
};

// Quantize and dequantize differ in op, kind and the types that they may give.
template <class I, bool kQuantizes>
class QuantizationLayer final : public LayerOf<I> {
public:
    QuantizationLayer(Network& network, std::vector<Tensor*> inputs, DataType to)
        : LayerOf<I>(network, kQuantizes ? LayerType::kQUANTIZE : LayerType::kDEQUANTIZE,
                     kQuantizes ? "Quantize" : "Dequantize", std::move(inputs)),
          mTo(to) {
        this->addOutputs(1);
    }
    size_t maxInputs() const override { return 3; }
    bool forwardsShapes() const override { return false; }
    int32_t getAxis() const noexcept override { return mAxis; }
    void setAxis(int32_t axis) noexcept override {
        if (this->require(axis >= 0, "setAxis", "must not be negative")) {
            this->assign(mAxis, axis);
        }
    }
    void setToType(DataType to) noexcept override {
        if (this->require(toIr(to).has_value(), "setToType", "no such element type")) {
            this->assign(mTo, to);
        }
    }
    DataType getToType() const noexcept override { return mTo; }
    Status lower(LayerScope& scope) const override {
        ir::AttributeMap map = attributes({{"to", *toIr(mTo)}});
        if (mAxis >= 0) {
            map.set("axis", int64_t{mAxis});
        }
        return scope.lowerTo(kQuantizes ? "quantize" : "dequantize", std::move(map), scope.inputs());
    }

private:
    DataType mTo;
    int32_t mAxis = -1;
};

using QuantizeLayer = QuantizationLayer<nvinfer1::IQuantizeLayer, true>;
using DequantizeLayer = QuantizationLayer<nvinfer1::IDequantizeLayer, false>;

} // namespace

nvinfer1::IQuantizeLayer* Network::addQuantize(ITensor& input, ITensor& scale) noexcept {
    return addQuantize(input, scale, DataType::kINT8);
}

nvinfer1::IQuantizeLayer* Network::addQuantize(ITensor& input, ITensor& scale, DataType outputType) noexcept {
    if (!toIr(outputType)) {
        refuse("addQuantize", "no such element type");
        return nullptr;
    }
    return addLayer<QuantizeLayer>("addQuantize", {&input, &scale}, outputType);
}

nvinfer1::IDequantizeLayer* Network::addDequantize(ITensor& input, ITensor& scale) noexcept {
    return addDequantize(input, scale, DataType::kFLOAT);
}

nvinfer1::IDequantizeLayer* Network::addDequantize(ITensor& input, ITensor& scale, DataType outputType) noexcept {
    if (!toIr(outputType)) {
        refuse("addDequantize", "no such element type");
        return nullptr;
    }
    return addLayer<DequantizeLayer>("addDequantize", {&input, &scale}, outputType);
}

nvinfer1::IConstantLayer* Network::addConstant(Dims const& dimensions, Weights weights) noexcept {
    return guarded(mReporter, static_cast<ConstantLayer*>(nullptr), [&]() -> ConstantLayer* {
        const int64_t elements = volume(dimensions);
        if (elements < 0 || weights.count != elements || (weights.values == nullptr && elements > 0)) {
            refuse("addConstant", cat("the dimensions ", textOf(dimensions), " need ", elements,
                                      " values, the weights have ", weights.values == nullptr ? 0 : weights.count));
            return nullptr;
        }
        if (!toIr(weights.type)) {
            refuse("addConstant", "the weights have no known element type");
            return nullptr;
        }
        return addLayer<ConstantLayer>("addConstant", {}, dimensions, weights);
    });
}

nvinfer1::IIdentityLayer* Network::addIdentity(ITensor& input) noexcept {
    return addLayer<IdentityLayer>("addIdentity", {&input});
}

nvinfer1::ICastLayer* Network::addCast(ITensor& input, DataType toType) noexcept {
    if (!toIr(toType)) {
        refuse("addCast", "no such element type");
        return nullptr;
    }
    return addLayer<CastLayer>("addCast", {&input}, toType);
}

} // namespace tenon::api
