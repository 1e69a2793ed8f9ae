// Layers that compute element by element or reduce: element-wise, unary, reduction, top-k, select, cumulative sum, einsum.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

namespace tenon::api {

using nvinfer1::CumulativeOperation;
using nvinfer1::DataType;
using nvinfer1::ElementWiseOperation;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::ReduceOperation;
using nvinfer1::TopKOperation;
using nvinfer1::UnaryOperation;
using support::Status;

namespace {

template <class E>
bool isEnumerator(E value) {
    return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) < nvinfer1::EnumMax<E>();
}

bool isIndexType(DataType type) { return type == DataType::kINT32 || type == DataType::kINT64; }

// ---- element-wise ---------------------------------------------------------------------------------------------------

const char* opOf(ElementWiseOperation operation) {
    switch (operation) {
    case ElementWiseOperation::kSUM:
        return "binary.add";
    case ElementWiseOperation::kPROD:
        return "binary.mul";
    case ElementWiseOperation::kMAX:
        return "binary.max";
    case ElementWiseOperation::kMIN:
        return "binary.min";
    case ElementWiseOperation::kSUB:
        return "binary.sub";
    case ElementWiseOperation::kDIV:
        return "binary.div";
    case ElementWiseOperation::kPOW:
        return "binary.pow";
    case ElementWiseOperation::kFLOOR_DIV:
        return "binary.floor_div";
    case ElementWiseOperation::kAND:
        return "binary.and";
    case ElementWiseOperation::kOR:
        return "binary.or";
    case ElementWiseOperation::kXOR:
        return "binary.xor";
    case ElementWiseOperation::kEQUAL:
        return "binary.equal";
    case ElementWiseOperation::kGREATER:
        return "binary.greater";
    case ElementWiseOperation::kLESS:
        return "binary.less";
    }
    return "";
}

class ElementWiseLayer final : public LayerOf<nvinfer1::IElementWiseLayer> {
public:
    ElementWiseLayer(Network& network, std::vector<Tensor*> inputs, ElementWiseOperation operation)
        : LayerOf(network, LayerType::kELEMENTWISE, "ElementWise", std::move(inputs)), mOperation(operation) {
        addOutputs(1);
    }
    void setOperation(ElementWiseOperation operation) noexcept override {
        if (require(isEnumerator(operation), "setOperation", "no such operation")) {
            assign(mOperation, operation);
        }
    }
    ElementWiseOperation getOperation() const noexcept override { return mOperation; }
    Status lower(LayerScope& scope) const override {
        const ir::TensorType& a = scope.input(0)->type;
        const ir::TensorType& b = scope.input(1)->type;
        if (a.ranked && b.ranked && a.rank() != b.rank()) {
            return support::invalidArgument("the inputs of an element-wise layer have ", a.rank(), " and ", b.rank(),
                                            " dimensions; insert dimensions of extent 1 with IShuffleLayer");
        }
        return scope.lowerTo(opOf(mOperation), {}, scope.inputs());
    }

private:
    ElementWiseOperation mOperation;
};

// ---- unary ----------------------------------------------------------------------------------------------------------

const char* opOf(UnaryOperation operation) {
    switch (operation) {
    case UnaryOperation::kEXP:
        return "unary.exp";
    case UnaryOperation::kLOG:
        return "unary.log";
    case UnaryOperation::kSQRT:
        return "unary.sqrt";
    case UnaryOperation::kRECIP:
        return "unary.recip";
    case UnaryOperation::kABS:
        return "unary.abs";
    case UnaryOperation::kNEG:
        return "unary.neg";
    case UnaryOperation::kSIN:
        return "unary.sin";
    case UnaryOperation::kCOS:
        return "unary.cos";
    case UnaryOperation::kTAN:
        return "unary.tan";
    case UnaryOperation::kSINH:
        return "unary.sinh";
    case UnaryOperation::kCOSH:
        return "unary.cosh";
    case UnaryOperation::kASIN:
        return "unary.asin";
    case UnaryOperation::kACOS:
        return "unary.acos";
    case UnaryOperation::kATAN:
        return "unary.atan";
    case UnaryOperation::kASINH:
        return "unary.asinh";
    case UnaryOperation::kACOSH:
        return "unary.acosh";
    case UnaryOperation::kATANH:
        return "unary.atanh";
    case UnaryOperation::kCEIL:
        return "unary.ceil";
    case UnaryOperation::kFLOOR:
        return "unary.floor";
    case UnaryOperation::kERF:
        return "unary.erf";
    case UnaryOperation::kNOT:
        return "unary.not";
    case UnaryOperation::kSIGN:
        return "unary.sign";
    case UnaryOperation::kROUND:
        return "unary.round";
    case UnaryOperation::kISINF:
        return "unary.isinf";
    case UnaryOperation::kISNAN:
        return "unary.isnan";
    }
    return "";
}

class UnaryLayer final : public LayerOf<nvinfer1::IUnaryLayer> {
public:
    UnaryLayer(Network& network, std::vector<Tensor*> inputs, UnaryOperation operation)
        : LayerOf(network, LayerType::kUNARY, "Unary", std::move(inputs)), mOperation(operation) {
        addOutputs(1);
    }
    void setOperation(UnaryOperation operation) noexcept override {
        if (require(isEnumerator(operation), "setOperation", "no such operation")) {
            assign(mOperation, operation);
        }
    }
    UnaryOperation getOperation() const noexcept override { return mOperation; }
    Status lower(LayerScope& scope) const override { return scope.lowerTo(opOf(mOperation), {}, scope.inputs()); }

private:
    UnaryOperation mOperation;
};

// ---- reduction ------------------------------------------------------------------------------------------------------

const char* opOf(ReduceOperation operation) {
    switch (operation) {
    case ReduceOperation::kSUM:
        return "reduce.sum";
    case ReduceOperation::kPROD:
        return "reduce.prod";
    case ReduceOperation::kMAX:
        return "reduce.max";
    case ReduceOperation::kMIN:
        return "reduce.min";
    case ReduceOperation::kAVG:
        return "reduce.mean";
    case ReduceOperation::kNONE:
        return "";
    }
    return "";
}

bool reduces(ReduceOperation operation) { return isEnumerator(operation) && operation != ReduceOperation::kNONE; }

class ReduceLayer final : public LayerOf<nvinfer1::IReduceLayer> {
public:
    ReduceLayer(Network& network, std::vector<Tensor*> inputs, ReduceOperation operation, uint32_t axes, bool keep)
        : LayerOf(network, LayerType::kREDUCE, "Reduce", std::move(inputs)), mOperation(operation), mAxes(axes),
          mKeep(keep) {
        addOutputs(1);
    }
    void setOperation(ReduceOperation operation) noexcept override {
        if (require(reduces(operation), "setOperation", "no such reduction")) {
            assign(mOperation, operation);
        }
    }
    ReduceOperation getOperation() const noexcept override { return mOperation; }
    void setReduceAxes(uint32_t axes) noexcept override { assign(mAxes, axes); }
    uint32_t getReduceAxes() const noexcept override { return mAxes; }
    void setKeepDimensions(bool keep) noexcept override { assign(mKeep, keep); }
    bool getKeepDimensions() const noexcept override { return mKeep; }
    Status lower(LayerScope& scope) const override {
        TN_RETURN_IF_ERROR(checkAxes(mAxes, scope.input(0)->type));
        if (mAxes == 0) {
            return support::invalidArgument("the mask of axes to reduce is empty");
        }
        return scope.lowerTo(opOf(mOperation), attributes({{"axes", axesOf(mAxes)}, {"keep_dims", intValue(mKeep)}}),
                             scope.inputs());
    }

private:
    ReduceOperation mOperation;
    uint32_t mAxes;
    bool mKeep;
};

// ---- top-k ----------------------------------------------------------------------------------------------------------

class TopKLayer final : public LayerOf<nvinfer1::ITopKLayer> {
public:
    TopKLayer(Network& network, std::vector<Tensor*> inputs, TopKOperation operation, int32_t k, uint32_t axes,
              DataType indicesType)
        : LayerOf(network, LayerType::kTOPK, "TopK", std::move(inputs)), mOperation(operation), mK(k), mAxes(axes),
          mIndicesType(indicesType) {
        addOutputs(2);
    }
    size_t maxInputs() const override { return 2; }
    bool isShapeInput(size_t i) const override { return i == 1; }
    bool forwardsShapes() const override { return false; }
    void setOperation(TopKOperation operation) noexcept override {
        if (require(isEnumerator(operation), "setOperation", "no such operation")) {
            assign(mOperation, operation);
        }
    }
    TopKOperation getOperation() const noexcept override { return mOperation; }
    void setK(int32_t k) noexcept override {
        if (require(k >= 0, "setK", "must not be negative")) {
            assign(mK, k);
        }
    }
    int32_t getK() const noexcept override { return mK; }
    void setReduceAxes(uint32_t axes) noexcept override { assign(mAxes, axes); }
    uint32_t getReduceAxes() const noexcept override { return mAxes; }
    bool setIndicesType(DataType type) noexcept override {
        if (!require(isIndexType(type), "setIndicesType", "must be kINT32 or kINT64")) {
            return false;
        }
        assign(mIndicesType, type);
        return true;
    }
    DataType getIndicesType() const noexcept override { return mIndicesType; }
    Status lower(LayerScope& scope) const override {
        TN_RETURN_IF_ERROR(checkAxes(mAxes, scope.input(0)->type));
        const std::vector<int64_t> axes = axesOf(mAxes);
        if (axes.size() != 1) {
            return support::invalidArgument("a top-k layer works along one axis; the mask has ", axes.size());
        }
        ir::AttributeMap map =
            attributes({{"axis", axes[0]}, {"largest", intValue(mOperation == TopKOperation::kMAX)}});
        if (scope.input(1) == nullptr) {
            map.set("k", int64_t{mK});
        }
        TN_RETURN_IF_ERROR(scope.lowerTo("topk", std::move(map), scope.inputs(), 2));
        TN_ASSIGN_OR_RETURN(EmitValue indices, casted(scope.emitter(), scope.outputs()[1], *toIr(mIndicesType)));
        scope.setOutput(1, std::move(indices));
        return support::okStatus();
    }

private:
    TopKOperation mOperation;
    int32_t mK;
    uint32_t mAxes;
    DataType mIndicesType;
};

// ---- select, cumulative, einsum -------------------------------------------------------------------------------------

class SelectLayer final : public LayerOf<nvinfer1::ISelectLayer> {
public:
    SelectLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kSELECT, "Select", std::move(inputs)) {
        addOutputs(1);
    }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("where", {}, scope.inputs()); }
};

class CumulativeLayer final : public LayerOf<nvinfer1::ICumulativeLayer> {
public:
    CumulativeLayer(Network& network, std::vector<Tensor*> inputs, CumulativeOperation operation, bool exclusive,
                    bool reverse)
        : LayerOf(network, LayerType::kCUMULATIVE, "Cumulative", std::move(inputs)), mOperation(operation),
          mExclusive(exclusive), mReverse(reverse) {
        addOutputs(1);
    }
    bool setOperation(CumulativeOperation operation) noexcept override {
        if (!require(isEnumerator(operation), "setOperation", "no such operation")) {
            return false;
        }
        assign(mOperation, operation);
        return true;
    }
    CumulativeOperation getOperation() const noexcept override { return mOperation; }
    void setExclusive(bool exclusive) noexcept override { assign(mExclusive, exclusive); }
    bool getExclusive() const noexcept override { return mExclusive; }
    void setReverse(bool reverse) noexcept override { assign(mReverse, reverse); }
    bool getReverse() const noexcept override { return mReverse; }
    Status lower(LayerScope& scope) const override {
        return scope.lowerTo("cumsum",
                             attributes({{"exclusive", intValue(mExclusive)}, {"reverse", intValue(mReverse)}}),
                             scope.inputs());
    }

private:
    CumulativeOperation mOperation;
    bool mExclusive;
    bool mReverse;
};

class EinsumLayer final : public LayerOf<nvinfer1::IEinsumLayer> {
public:
    EinsumLayer(Network& network, std::vector<Tensor*> inputs, std::string equation)
        : LayerOf(network, LayerType::kEINSUM, "Einsum", std::move(inputs)), mEquation(std::move(equation)) {
        addOutputs(1);
    }
    bool setEquation(char const* equation) noexcept override {
        return guarded(network().reporter(), false, [&] {
            if (!require(equation != nullptr, "setEquation", "the equation is null")) {
                return false;
            }
            const std::string old = mEquation;
            assign(mEquation, std::string(equation));
            if (outputs()[0]->inferred() == nullptr) {
                assign(mEquation, old);
                return false;
            }
            return true;
        });
    }
    char const* getEquation() const noexcept override { return mEquation.c_str(); }
    Status lower(LayerScope& scope) const override {
        return scope.lowerTo("einsum", attributes({{"equation", mEquation}}), scope.inputs());
    }

private:
    std::string mEquation;
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IElementWiseLayer* Network::addElementWise(ITensor& input1, ITensor& input2,
                                                     ElementWiseOperation op) noexcept {
    if (!isEnumerator(op)) {
        refuse("addElementWise", "no such operation");
        return nullptr;
    }
    return addLayer<ElementWiseLayer>("addElementWise", {&input1, &input2}, op);
}

nvinfer1::IUnaryLayer* Network::addUnary(ITensor& input, UnaryOperation operation) noexcept {
    if (!isEnumerator(operation)) {
        refuse("addUnary", "no such operation");
        return nullptr;
    }
    return addLayer<UnaryLayer>("addUnary", {&input}, operation);
}

nvinfer1::IReduceLayer* Network::addReduce(ITensor& input, ReduceOperation operation, uint32_t reduceAxes,
                                           bool keepDimensions) noexcept {
    if (!reduces(operation)) {
        refuse("addReduce", "no such reduction");
        return nullptr;
    }
    return addLayer<ReduceLayer>("addReduce", {&input}, operation, reduceAxes, keepDimensions);
}

nvinfer1::ITopKLayer* Network::addTopK(ITensor& input, TopKOperation op, int32_t k, uint32_t reduceAxes) noexcept {
    return addTopK(input, op, k, reduceAxes, DataType::kINT32);
}

nvinfer1::ITopKLayer* Network::addTopK(ITensor& input, TopKOperation op, int32_t k, uint32_t reduceAxes,
                                       DataType indicesType) noexcept {
    if (!isEnumerator(op) || k < 0 || !isIndexType(indicesType)) {
        refuse("addTopK", "needs a known operation, k of 0 or more, and indices of kINT32 or kINT64");
        return nullptr;
    }
    return addLayer<TopKLayer>("addTopK", {&input}, op, k, reduceAxes, indicesType);
}

nvinfer1::ISelectLayer* Network::addSelect(ITensor& condition, ITensor& thenInput, ITensor& elseInput) noexcept {
    return addLayer<SelectLayer>("addSelect", {&condition, &thenInput, &elseInput});
}

nvinfer1::ICumulativeLayer* Network::addCumulative(ITensor& input, ITensor& axis, CumulativeOperation operation,
                                                   bool exclusive, bool reverse) noexcept {
    if (!isEnumerator(operation)) {
        refuse("addCumulative", "no such operation");
        return nullptr;
    }
    return addLayer<CumulativeLayer>("addCumulative", {&input, &axis}, operation, exclusive, reverse);
}

nvinfer1::IEinsumLayer* Network::addEinsum(ITensor* const* inputs, int32_t nbInputs, char const* equation) noexcept {
    return guarded(mReporter, static_cast<EinsumLayer*>(nullptr), [&]() -> EinsumLayer* {
        if (inputs == nullptr || nbInputs < 1 || equation == nullptr) {
            refuse("addEinsum", "needs at least one input and an equation");
            return nullptr;
        }
        return addLayerOf<EinsumLayer>("addEinsum", {inputs, inputs + nbInputs}, std::string(equation));
    });
}

} // namespace tenon::api
