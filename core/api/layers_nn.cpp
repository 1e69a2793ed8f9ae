// Activation, scale, softmax, LRN, matrix product, parametric ReLU and normalisation layers.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

#include <algorithm>

namespace tenon::api {

using nvinfer1::ActivationType;
using nvinfer1::DataType;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::MatrixOperation;
using nvinfer1::ScaleMode;
using nvinfer1::Weights;
using support::Result;
using support::Status;

namespace {

template <class E>
bool isEnumerator(E value) {
    return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) < nvinfer1::EnumMax<E>();
}

// ---- activation -----------------------------------------------------------------------------------------------------

class ActivationLayer final : public LayerOf<nvinfer1::IActivationLayer> {
public:
    ActivationLayer(Network& network, std::vector<Tensor*> inputs, ActivationType type)
        : LayerOf(network, LayerType::kACTIVATION, "Activation", std::move(inputs)), mActivation(type) {
        addOutputs(1);
    }

    void setActivationType(ActivationType type) noexcept override {
        if (require(isEnumerator(type), "setActivationType", "no such type")) {
            assign(mActivation, type);
        }
    }
    ActivationType getActivationType() const noexcept override { return mActivation; }
    void setAlpha(float alpha) noexcept override { assign(mAlpha, alpha); }
    void setBeta(float beta) noexcept override { assign(mBeta, beta); }
    float getAlpha() const noexcept override { return mAlpha; }
    float getBeta() const noexcept override { return mBeta; }

    Status lower(LayerScope& scope) const override {
        const auto alpha = static_cast<double>(mAlpha);
        const auto beta = static_cast<double>(mBeta);
        const std::vector<const EmitValue*>& x = scope.inputs();
        switch (mActivation) {
        case ActivationType::kRELU:
            return scope.lowerTo("activation.relu", {}, x);
        case ActivationType::kSIGMOID:
            return scope.lowerTo("activation.sigmoid", {}, x);
        case ActivationType::kTANH:
            return scope.lowerTo("activation.tanh", {}, x);
        case ActivationType::kLEAKY_RELU:
            return scope.lowerTo("activation.leaky_relu", attributes({{"alpha", alpha}}), x);
        case ActivationType::kELU:
            return scope.lowerTo("activation.elu", attributes({{"alpha", alpha}}), x);
        case ActivationType::kSELU:
            return scope.lowerTo("activation.selu", attributes({{"alpha", alpha}, {"gamma", beta}}), x);
        case ActivationType::kSOFTSIGN:
            return scope.lowerTo("activation.softsign", {}, x);
        case ActivationType::kSOFTPLUS:
            return lowerSoftplus(scope, alpha, beta);
        case ActivationType::kCLIP:
            return scope.lowerTo("activation.clip", attributes({{"min", alpha}, {"max", beta}}), x);
        case ActivationType::kHARD_SIGMOID:
            return scope.lowerTo("activation.hard_sigmoid", attributes({{"alpha", alpha}, {"beta", beta}}), x);
        case ActivationType::kSCALED_TANH:
            return scope.lowerTo("activation.scaled_tanh", attributes({{"alpha", alpha}, {"beta", beta}}), x);
        case ActivationType::kTHRESHOLDED_RELU:
            return scope.lowerTo("activation.thresholded_relu", attributes({{"alpha", alpha}}), x);
        case ActivationType::kGELU_ERF:
            return scope.lowerTo("activation.gelu_erf", {}, x);
        case ActivationType::kGELU_TANH:
            return scope.lowerTo("activation.gelu_tanh", {}, x);
        }
        return support::internalError("activation type ", static_cast<int32_t>(mActivation));
    }

private:
    // alpha * ln(1 + e^(beta * x))
    static Status lowerSoftplus(LayerScope& scope, double alpha, double beta) {
        Emitter& e = scope.emitter();
        EmitValue x = *scope.input(0);
        if (beta != 1.0) {
            TN_ASSIGN_OR_RETURN(x, binary(e, "mul", x, scalar(e, x.type.dtype, beta)));
        }
        TN_ASSIGN_OR_RETURN(EmitValue y, e.emit1("activation.softplus", {}, {&x}));
        if (alpha != 1.0) {
            TN_ASSIGN_OR_RETURN(y, binary(e, "mul", y, scalar(e, y.type.dtype, alpha)));
        }
        scope.setOutput(0, std::move(y));
        return support::okStatus();
    }

    ActivationType mActivation;
    float mAlpha = 0.0F;
    float mBeta = 0.0F;
};

// ---- scale ----------------------------------------------------------------------------------------------------------

class ScaleLayer final : public LayerOf<nvinfer1::IScaleLayer> {
public:
    // A negative channel axis stands for the third to last dimension.
    ScaleLayer(Network& network, std::vector<Tensor*> inputs, ScaleMode mode, const Weights& shift,
               const Weights& scale, const Weights& power, int32_t channelAxis)
        : LayerOf(network, LayerType::kSCALE, "Scale", std::move(inputs)), mMode(mode), mShift(shift), mScale(scale),
          mPower(power), mChannelAxis(channelAxis) {
        addOutputs(1);
    }

    void setMode(ScaleMode mode) noexcept override {
        if (require(isEnumerator(mode), "setMode", "no such mode")) {
            assign(mMode, mode);
        }
    }
    ScaleMode getMode() const noexcept override { return mMode; }
    void setShift(Weights shift) noexcept override { assign(mShift, shift); }
    Weights getShift() const noexcept override { return mShift; }
    void setScale(Weights scale) noexcept override { assign(mScale, scale); }
    Weights getScale() const noexcept override { return mScale; }
    void setPower(Weights power) noexcept override { assign(mPower, power); }
    Weights getPower() const noexcept override { return mPower; }
    int32_t getChannelAxis() const noexcept override { return std::max(mChannelAxis, 0); }
    void setChannelAxis(int32_t axis) noexcept override {
        if (require(axis >= 0, "setChannelAxis", "must not be negative")) {
            assign(mChannelAxis, axis);
        }
    }

    Status lower(LayerScope& scope) const override {
        Emitter& e = scope.emitter();
        EmitValue y = *scope.input(0);
        TN_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, weightDims(scope));
        const struct {
            const Weights& weights;
            const char* op;
            const char* role;
        } steps[] = {{mScale, "mul", "scale"}, {mShift, "add", "shift"}, {mPower, "pow", "power"}};
        bool any = false;
        for (const auto& step : steps) {
            if (step.weights.count == 0) {
                continue;
            }
            TN_ASSIGN_OR_RETURN(EmitValue weights, scope.weights(step.weights, dims, step.role));
            TN_ASSIGN_OR_RETURN(weights, casted(e, weights, y.type.dtype));
            TN_ASSIGN_OR_RETURN(y, binary(e, step.op, y, weights));
            any = true;
        }
        if (!any) {
            return scope.lowerTo("identity", {}, scope.inputs());
        }
        scope.setOutput(0, std::move(y));
        return support::okStatus();
    }

private:
    // What the weights' elements are, so that they broadcast to the input.
    Result<std::vector<int64_t>> weightDims(const LayerScope& scope) const {
        if (mMode == ScaleMode::kUNIFORM) {
            return std::vector<int64_t>();
        }
        const ir::TensorType& x = scope.input(0)->type;
        TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(x, "a scale per channel or element"));
        const int32_t axis = mChannelAxis >= 0 ? mChannelAxis : std::max(rank - 3, 0);
        if (axis >= rank) {
            return support::invalidArgument("the channel axis is ", axis, ", but the input has ", rank, " dimensions");
        }
        std::vector<int64_t> dims;
        for (int32_t i = axis; i < rank; ++i) {
            int64_t extent = 1;
            if (i == axis || mMode == ScaleMode::kELEMENTWISE) {
                TN_ASSIGN_OR_RETURN(extent, knownExtent(scope.emitter(), x, i, "a scale per channel or element"));
            }
            dims.push_back(extent);
        }
        return dims;
    }

    ScaleMode mMode;
    Weights mShift;
    Weights mScale;
    Weights mPower;
    int32_t mChannelAxis;
};

// ---- softmax, LRN, matrix product, parametric ReLU ------------------------------------------------------------------

class SoftMaxLayer final : public LayerOf<nvinfer1::ISoftMaxLayer> {
public:
    SoftMaxLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kSOFTMAX, "Softmax", std::move(inputs)) {
        addOutputs(1);
    }
    void setAxes(uint32_t axes) noexcept override {
        if (require(axes != 0 && (axes & (axes - 1)) == 0, "setAxes", "exactly one bit must be set")) {
            assign(mAxes, axes);
        }
    }
    uint32_t getAxes() const noexcept override {
        if (mAxes != 0) {
            return mAxes;
        }
        const nvinfer1::Dims dims = inputs()[0]->getDimensions();
        return 1U << std::max(dims.nbDims - 3, 0);
    }
    Status lower(LayerScope& scope) const override {
        const ir::TensorType& x = scope.input(0)->type;
        TN_RETURN_IF_ERROR(checkAxes(mAxes, x));
        int64_t axis = 0;
        if (mAxes != 0) {
            axis = axesOf(mAxes)[0];
        } else {
            TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(x, "a softmax without axes"));
            axis = std::max(rank - 3, 0);
        }
        return scope.lowerTo("softmax", attributes({{"axis", axis}}), scope.inputs());
    }

private:
    uint32_t mAxes = 0; // 0: not set
};

class LrnLayer final : public LayerOf<nvinfer1::ILRNLayer> {
public:
    LrnLayer(Network& network, std::vector<Tensor*> inputs, int64_t window, float alpha, float beta, float k)
        : LayerOf(network, LayerType::kLRN, "LRN", std::move(inputs)), mWindow(window), mAlpha(alpha), mBeta(beta),
          mK(k) {
        addOutputs(1);
    }
    void setWindowSize(int64_t size) noexcept override {
        if (require(size > 0 && size % 2 == 1, "setWindowSize", "must be odd and positive")) {
            assign(mWindow, size);
        }
    }
    int64_t getWindowSize() const noexcept override { return mWindow; }
    void setAlpha(float alpha) noexcept override { assign(mAlpha, alpha); }
    float getAlpha() const noexcept override { return mAlpha; }
    void setBeta(float beta) noexcept override { assign(mBeta, beta); }
    float getBeta() const noexcept override { return mBeta; }
    void setK(float k) noexcept override { assign(mK, k); }
    float getK() const noexcept override { return mK; }
    Status lower(LayerScope& scope) const override {
        return scope.lowerTo("lrn",
                             attributes({{"size", mWindow},
                                         {"alpha", static_cast<double>(mAlpha)},
                                         {"beta", static_cast<double>(mBeta)},
                                         {"bias", static_cast<double>(mK)}}),
                             scope.inputs());
    }

private:
    int64_t mWindow;
    float mAlpha;
    float mBeta;
    float mK;
};

class MatrixMultiplyLayer final : public LayerOf<nvinfer1::IMatrixMultiplyLayer> {
public:
    MatrixMultiplyLayer(Network& network, std::vector<Tensor*> inputs, MatrixOperation op0, MatrixOperation op1)
        : LayerOf(network, LayerType::kMATRIX_MULTIPLY, "Matrix Multiply", std::move(inputs)), mOperations{op0, op1} {
        addOutputs(1);
    }
    void setOperation(int32_t index, MatrixOperation op) noexcept override {
        if (require((index == 0 || index == 1) && isEnumerator(op), "setOperation", "no such input or operation")) {
            assign(mOperations[static_cast<size_t>(index)], op);
        }
    }
    MatrixOperation getOperation(int32_t index) const noexcept override {
        return index == 0 || index == 1 ? mOperations[static_cast<size_t>(index)] : MatrixOperation::kNONE;
    }
    Status lower(LayerScope& scope) const override {
        // A vector among batch dimensions becomes a matrix of one row (left) or column (right), whose extent 1 is
        // dropped from the product.
        Emitter& e = scope.emitter();
        EmitValue operands[2] = {*scope.input(0), *scope.input(1)};
        std::vector<int64_t> dropped;
        for (size_t i = 0; i < 2; ++i) {
            TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(operands[i].type, "a matrix product"));
            const bool vector = mOperations[i] == MatrixOperation::kVECTOR;
            if (rank < (vector ? 1 : 2)) {
                return support::invalidArgument("input ", i, " of a matrix product has ", rank, " dimensions, needs ",
                                                vector ? 1 : 2);
            }
            if (vector) {
                TN_ASSIGN_OR_RETURN(operands[i], unsqueezed(e, operands[i], {i == 0 ? int64_t{-2} : int64_t{-1}}));
                dropped.push_back(i == 0 ? -2 : -1);
            }
        }
        const auto transposed = [this](size_t i) { return intValue(mOperations[i] == MatrixOperation::kTRANSPOSE); };
        TN_ASSIGN_OR_RETURN(EmitValue product,
                            e.emit1("matmul", attributes({{"trans_a", transposed(0)}, {"trans_b", transposed(1)}}),
                                    {&operands[0], &operands[1]}));
        if (!dropped.empty()) {
            TN_ASSIGN_OR_RETURN(product, squeezed(e, product, dropped));
        }
        scope.setOutput(0, std::move(product));
        return support::okStatus();
    }

private:
    MatrixOperation mOperations[2];
};

class ParametricReluLayer final : public LayerOf<nvinfer1::IParametricReLULayer> {
public:
    ParametricReluLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kPARAMETRIC_RELU, "Parametric ReLU", std::move(inputs)) {
        addOutputs(1);
    }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("prelu", {}, scope.inputs()); }
};

// ---- normalisation --------------------------------------------------------------------------------------------------

class NormalizationLayer final : public LayerOf<nvinfer1::INormalizationLayer> {
public:
    NormalizationLayer(Network& network, std::vector<Tensor*> inputs, uint32_t axesMask, bool second)
        : LayerOf(network, LayerType::kNORMALIZATION, "Normalization", std::move(inputs)), mAxes(axesMask),
          mSecond(second) {
        addOutputs(1);
    }
    void setEpsilon(float eps) noexcept override { assign(mEpsilon, eps); }
    float getEpsilon() const noexcept override { return mEpsilon; }
    void setAxes(uint32_t axesMask) noexcept override {
        if (require(axesMask != 0, "setAxes", "at least one bit must be set")) {
            assign(mAxes, axesMask);
        }
    }
    uint32_t getAxes() const noexcept override { return mAxes; }
    void setNbGroups(int64_t groups) noexcept override {
        if (require(groups > 0, "setNbGroups", "must be positive")) {
            assign(mGroups, groups);
        }
    }
    int64_t getNbGroups() const noexcept override { return mGroups; }
    void setComputePrecision(DataType type) noexcept override {
        if (require(type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16,
                    "setComputePrecision", "must be kFLOAT, kHALF or kBF16")) {
            assign(mComputePrecision, type);
        }
    }
    DataType getComputePrecision() const noexcept override { return mComputePrecision; }
    bool isV2() const noexcept override { return mSecond; }

    Status lower(LayerScope& scope) const override {
        const ir::TensorType& x = scope.input(0)->type;
        TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(x, "normalisation"));
        TN_RETURN_IF_ERROR(checkAxes(mAxes, x));
        if (mAxes == 0) {
            return support::invalidArgument("normalisation needs at least one axis");
        }
        if (mGroups > 1) {
            return lowerGroups(scope);
        }
        const std::vector<int64_t> axes = axesOf(mAxes);
        const int64_t first = axes.front();
        const bool trailing = static_cast<int64_t>(axes.size()) == rank - first;
        if (trailing) {
            return scope.lowerTo("layer_norm",
                                 attributes({{"axis", first}, {"epsilon", static_cast<double>(mEpsilon)}}),
                                 scope.inputs());
        }
        return lowerPrimitives(scope, axes);
    }

private:
    // Groups of channels; scale and bias have one element per channel (V2) or per group (V1).
    Status lowerGroups(LayerScope& scope) const {
        Emitter& e = scope.emitter();
        TN_ASSIGN_OR_RETURN(const int64_t channels, knownExtent(e, scope.input(0)->type, 1, "group normalisation"));
        if (channels % mGroups != 0) {
            return support::invalidArgument(channels, " channels cannot be split into ", mGroups, " groups");
        }
        if ((mAxes & 3U) != 0) {
            return support::invalidArgument(
                "with groups the axes mask must not name the batch and channel axes (0 and 1)");
        }
        EmitValue parameters[2];
        for (size_t i = 0; i < 2; ++i) {
            EmitValue given = *scope.input(i + 1);
            if (mSecond) {
                TN_ASSIGN_OR_RETURN(parameters[i], reshaped(e, given, {channels}));
                continue;
            }
            TN_ASSIGN_OR_RETURN(given, reshaped(e, given, {mGroups, 1}));
            TN_ASSIGN_OR_RETURN(
                given, e.emit1("expand", attributes({{"shape", dimList(e, {mGroups, channels / mGroups})}}), {&given}));
            TN_ASSIGN_OR_RETURN(parameters[i], reshaped(e, given, {channels}));
        }
        return scope.lowerTo("group_norm",
                             attributes({{"groups", mGroups}, {"epsilon", static_cast<double>(mEpsilon)}}),
                             {scope.input(0), &parameters[0], &parameters[1]});
    }

    // Axes that no single op takes: (x - m) / sqrt(v + epsilon) * scale + bias in steps.
    Status lowerPrimitives(LayerScope& scope, const std::vector<int64_t>& axes) const {
        Emitter& e = scope.emitter();
        const EmitValue& x = *scope.input(0);
        const auto mean = [&](const EmitValue& of) {
            return e.emit1("reduce.mean", attributes({{"axes", axes}, {"keep_dims", int64_t{1}}}), {&of});
        };
        TN_ASSIGN_OR_RETURN(const EmitValue m, mean(x));
        TN_ASSIGN_OR_RETURN(const EmitValue centred, binary(e, "sub", x, m));
        TN_ASSIGN_OR_RETURN(const EmitValue squares, binary(e, "mul", centred, centred));
        TN_ASSIGN_OR_RETURN(EmitValue variance, mean(squares));
        TN_ASSIGN_OR_RETURN(variance, binary(e, "add", variance, scalar(e, x.type.dtype, mEpsilon)));
        TN_ASSIGN_OR_RETURN(const EmitValue factor, e.emit1("unary.rsqrt", {}, {&variance}));
        TN_ASSIGN_OR_RETURN(EmitValue y, binary(e, "mul", centred, factor));
        TN_ASSIGN_OR_RETURN(y, binary(e, "mul", y, *scope.input(1)));
        TN_ASSIGN_OR_RETURN(y, binary(e, "add", y, *scope.input(2)));
        scope.setOutput(0, std::move(y));
        return support::okStatus();
    }

    uint32_t mAxes;
    bool mSecond;
    float mEpsilon = 1e-5F;
    int64_t mGroups = 1;
    DataType mComputePrecision = DataType::kFLOAT;
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IActivationLayer* Network::addActivation(ITensor& input, ActivationType type) noexcept {
    if (!isEnumerator(type)) {
        refuse("addActivation", "no such activation type");
        return nullptr;
    }
    return addLayer<ActivationLayer>("addActivation", {&input}, type);
}

nvinfer1::ILRNLayer* Network::addLRN(ITensor& input, int64_t window, float alpha, float beta, float k) noexcept {
    if (window < 1 || window % 2 == 0) {
        refuse("addLRN", "the window must be odd and positive");
        return nullptr;
    }
    return addLayer<LrnLayer>("addLRN", {&input}, window, alpha, beta, k);
}

nvinfer1::IScaleLayer* Network::addScale(ITensor& input, ScaleMode mode, Weights shift, Weights scale,
                                         Weights power) noexcept {
    if (!isEnumerator(mode)) {
        refuse("addScale", "no such mode");
        return nullptr;
    }
    return addLayer<ScaleLayer>("addScale", {&input}, mode, shift, scale, power, -1);
}

nvinfer1::IScaleLayer* Network::addScaleNd(ITensor& input, ScaleMode mode, Weights shift, Weights scale, Weights power,
                                           int32_t channelAxis) noexcept {
    if (!isEnumerator(mode) || channelAxis < 0) {
        refuse("addScaleNd", "no such mode, or a negative channel axis");
        return nullptr;
    }
    return addLayer<ScaleLayer>("addScaleNd", {&input}, mode, shift, scale, power, channelAxis);
}

nvinfer1::ISoftMaxLayer* Network::addSoftMax(ITensor& input) noexcept {
    return addLayer<SoftMaxLayer>("addSoftMax", {&input});
}

nvinfer1::IMatrixMultiplyLayer* Network::addMatrixMultiply(ITensor& input0, MatrixOperation op0, ITensor& input1,
                                                           MatrixOperation op1) noexcept {
    if (!isEnumerator(op0) || !isEnumerator(op1)) {
        refuse("addMatrixMultiply", "no such operation");
        return nullptr;
    }
    return addLayer<MatrixMultiplyLayer>("addMatrixMultiply", {&input0, &input1}, op0, op1);
}

nvinfer1::IParametricReLULayer* Network::addParametricReLU(ITensor& input, ITensor& slope) noexcept {
    return addLayer<ParametricReluLayer>("addParametricReLU", {&input, &slope});
}

nvinfer1::INormalizationLayer* Network::addNormalization(ITensor& input, ITensor& scale, ITensor& bias,
                                                         uint32_t axesMask) noexcept {
    return addLayer<NormalizationLayer>("addNormalization", {&input, &scale, &bias}, axesMask, false);
}

nvinfer1::INormalizationLayer* Network::addNormalizationV2(ITensor& input, ITensor& scale, ITensor& bias,
                                                           uint32_t axesMask) noexcept {
    return addLayer<NormalizationLayer>("addNormalizationV2", {&input, &scale, &bias}, axesMask, true);
}

} // namespace tenon::api
