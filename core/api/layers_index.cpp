// Layers about positions and sampling: resize, one-hot; and fill, assertion.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

namespace tenon::api {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::FillOperation;
using nvinfer1::InterpolationMode;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::ResizeCoordinateTransformation;
using nvinfer1::ResizeRoundMode;
using nvinfer1::ResizeSelector;
using support::cat;
using support::Result;
using support::Status;

namespace {

template <class E>
bool isEnumerator(E value) {
    return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) < nvinfer1::EnumMax<E>();
}

// ---- resize ---------------------------------------------------------------------------------------------------------

class ResizeLayer final : public LayerOf<nvinfer1::IResizeLayer> {
public:
    ResizeLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kRESIZE, "Resize", std::move(inputs)) {
        addOutputs(1);
    }
    size_t maxInputs() const override { return 2; }
    bool isShapeInput(size_t i) const override { return i == 1; }
    bool forwardsShapes() const override { return false; }

    void setOutputDimensions(Dims const& dims) noexcept override {
        if (require(isValid(dims), "setOutputDimensions", "the number of dimensions is out of range")) {
            assign(mDims, dims);
        }
    }
    Dims getOutputDimensions() const noexcept override { return getNbInputs() == 1 ? mDims : invalidDims(); }
    void setScales(float const* scales, int32_t nbScales) noexcept override {
        guarded(network().reporter(), 0, [&] {
            if (require(scales != nullptr && nbScales > 0 && nbScales <= Dims::MAX_DIMS, "setScales",
                        "needs one scale per dimension")) {
                assign(mScales, std::vector<float>(scales, scales + nbScales));
            }
            return 0;
        });
    }
    int32_t getScales(int32_t size, float* scales) const noexcept override {
        if (mScales.empty()) {
            return -1;
        }
        for (int32_t i = 0; scales != nullptr && i < size && static_cast<size_t>(i) < mScales.size(); ++i) {
            scales[i] = mScales[static_cast<size_t>(i)];
        }
        return static_cast<int32_t>(mScales.size());
    }
    void setResizeMode(InterpolationMode mode) noexcept override { setEnumerator(mMode, mode, "setResizeMode"); }
    InterpolationMode getResizeMode() const noexcept override { return mMode; }
    void setCoordinateTransformation(ResizeCoordinateTransformation transformation) noexcept override {
        setEnumerator(mTransformation, transformation, "setCoordinateTransformation");
    }
    ResizeCoordinateTransformation getCoordinateTransformation() const noexcept override { return mTransformation; }
    void setSelectorForSinglePixel(ResizeSelector selector) noexcept override {
        setEnumerator(mSelector, selector, "setSelectorForSinglePixel");
    }
    ResizeSelector getSelectorForSinglePixel() const noexcept override { return mSelector; }
    void setNearestRounding(ResizeRoundMode mode) noexcept override {
        setEnumerator(mRounding, mode, "setNearestRounding");
    }
    ResizeRoundMode getNearestRounding() const noexcept override { return mRounding; }
    void setCubicCoeff(float a) noexcept override { assign(mCubic, a); }
    float getCubicCoeff() const noexcept override { return mCubic; }
    void setExcludeOutside(bool exclude) noexcept override { assign(mExcludeOutside, exclude); }
    bool getExcludeOutside() const noexcept override { return mExcludeOutside; }

    Status lower(LayerScope& scope) const override {
        ir::AttributeMap map = attributes({{"mode", std::string(modeName())},
                                           {"coordinate", std::string(coordinateName())},
                                           {"nearest", std::string(roundingName())},
                                           {"cubic_a", static_cast<double>(mCubic)},
                                           {"exclude_outside", intValue(mExcludeOutside)}});
        if (scope.input(1) == nullptr && mDims.nbDims > 0) {
            map.set("sizes", dimList(scope.emitter(), toVector(mDims)));
        } else if (scope.input(1) == nullptr) {
            if (mScales.empty()) {
                return support::invalidArgument("a resize layer needs output dimensions or scales");
            }
            map.set("scales", std::vector<double>(mScales.begin(), mScales.end()));
        }
        return scope.lowerTo("resize", std::move(map), scope.inputs());
    }

private:
    template <class E>
    void setEnumerator(E& member, E value, const char* setter) noexcept {
        if (require(isEnumerator(value), setter, "no such value")) {
            assign(member, value);
        }
    }
    const char* modeName() const {
        switch (mMode) {
        case InterpolationMode::kNEAREST:
            return "nearest";
        case InterpolationMode::kLINEAR:
            return "linear";
        case InterpolationMode::kCUBIC:
            return "cubic";
        }
        return "nearest";
    }
    const char* coordinateName() const {
        switch (mTransformation) {
        case ResizeCoordinateTransformation::kALIGN_CORNERS:
            return "align_corners";
        case ResizeCoordinateTransformation::kASYMMETRIC:
            return "asymmetric";
        case ResizeCoordinateTransformation::kHALF_PIXEL:
            return mSelector == ResizeSelector::kUPPER ? "pytorch_half_pixel" : "half_pixel";
        }
        return "half_pixel";
    }
    const char* roundingName() const {
        switch (mRounding) {
        case ResizeRoundMode::kHALF_UP:
            return "round_prefer_ceil";
        case ResizeRoundMode::kHALF_DOWN:
            return "round_prefer_floor";
        case ResizeRoundMode::kFLOOR:
            return "floor";
        case ResizeRoundMode::kCEIL:
            return "ceil";
        }
        return "floor";
    }

    Dims mDims{0, {}};
    std::vector<float> mScales;
    InterpolationMode mMode = InterpolationMode::kNEAREST;
    ResizeCoordinateTransformation mTransformation = ResizeCoordinateTransformation::kASYMMETRIC;
    ResizeSelector mSelector = ResizeSelector::kFORMULA;
    ResizeRoundMode mRounding = ResizeRoundMode::kFLOOR;
    float mCubic = -0.75F;
    bool mExcludeOutside = false;
};

// ---- one-hot ----------------------------------------------------------------------------------------------

class OneHotLayer final : public LayerOf<nvinfer1::IOneHotLayer> {
public:
    OneHotLayer(Network& network, std::vector<Tensor*> inputs, int32_t axis)
        : LayerOf(network, LayerType::kONE_HOT, "OneHot", std::move(inputs)), mAxis(axis) {
        addOutputs(1);
    }
    bool isShapeInput(size_t i) const override { return i == 2; }
    bool forwardsShapes() const override { return false; }
    void setAxis(int32_t axis) noexcept override { assign(mAxis, axis); }
    int32_t getAxis() const noexcept override { return mAxis; }
    Status lower(LayerScope& scope) const override {
        return scope.lowerTo("one_hot", attributes({{"axis", int64_t{mAxis}}}),
                             {scope.input(0), scope.input(2), scope.input(1)});
    }

private:
    int32_t mAxis;
};

// ---- fill -----------------------------------------------------------------------------------------------------------

class FillLayer final : public LayerOf<nvinfer1::IFillLayer> {
public:
    FillLayer(Network& network, std::vector<Tensor*> inputs, const Dims& dims, FillOperation operation, DataType type)
        : LayerOf(network, LayerType::kFILL, "Fill", std::move(inputs)), mDims(dims), mOperation(operation),
          mType(type) {
        addOutputs(1);
    }
    size_t maxInputs() const override { return 3; }
    bool isShapeInput(size_t i) const override { return i == 0; }

    void setDimensions(Dims const& dims) noexcept override {
        if (require(volume(dims) >= 0, "setDimensions", "extents must not be negative")) {
            assign(mDims, dims);
        }
    }
    Dims getDimensions() const noexcept override { return getInput(0) == nullptr ? mDims : invalidDims(); }
    void setOperation(FillOperation operation) noexcept override {
        if (require(isEnumerator(operation), "setOperation", "no such operation")) {
            assign(mOperation, operation);
        }
    }
    FillOperation getOperation() const noexcept override { return mOperation; }
    void setAlpha(double alpha) noexcept override {
        mIntegers = false;
        assign(mAlpha, alpha);
    }
    double getAlpha() const noexcept override { return mAlpha; }
    void setBeta(double beta) noexcept override {
        mIntegers = false;
        assign(mBeta, beta);
    }
    double getBeta() const noexcept override { return mBeta; }
    void setAlphaInt64(int64_t alpha) noexcept override {
        mIntegers = true;
        assign(mAlpha64, alpha);
    }
    int64_t getAlphaInt64() const noexcept override { return mAlpha64; }
    void setBetaInt64(int64_t beta) noexcept override {
        mIntegers = true;
        assign(mBeta64, beta);
    }
    int64_t getBetaInt64() const noexcept override { return mBeta64; }
    bool isAlphaBetaInt64() const noexcept override { return mIntegers; }
    void setToType(DataType type) noexcept override {
        if (require(toIr(type).has_value(), "setToType", "no such element type")) {
            assign(mType, type);
        }
    }
    DataType getToType() const noexcept override { return mType; }

    // A linear ramp: alpha + sum over dimensions d of beta[d] * index[d].
    Status lower(LayerScope& scope) const override {
        if (mOperation != FillOperation::kLINSPACE) {
            return support::unsupported(
                "no module brings random numbers; a fill layer can make FillOperation::kLINSPACE");
        }
        Emitter& e = scope.emitter();
        const ir::DataType type = *toIr(mType);
        TN_ASSIGN_OR_RETURN(const std::vector<EmitValue> extents, extentsOf(scope));
        const EmitValue zero = e.constant(ir::makeConstantI64({}, {0}));
        const EmitValue one = e.constant(ir::makeConstantI64({}, {1}));
        EmitValue sum = scope.input(1) != nullptr ? *scope.input(1) : parameter(e, type, mAlpha, mAlpha64);
        const size_t rank = extents.size();
        if (rank != 1 && scope.input(2) == nullptr && rank > 0) {
            return support::invalidArgument("a ramp of ", rank, " dimensions needs its steps as input 2");
        }
        for (size_t d = 0; d < rank; ++d) {
            TN_ASSIGN_OR_RETURN(EmitValue index, e.emit1("range", {}, {&zero, &extents[d], &one}));
            TN_ASSIGN_OR_RETURN(index, casted(e, index, type));
            std::vector<int64_t> dims(rank - d, 1);
            dims[0] = -1;
            TN_ASSIGN_OR_RETURN(index, reshaped(e, index, dims)); // broadcasts from the right
            EmitValue step;
            if (scope.input(2) != nullptr) {
                TN_ASSIGN_OR_RETURN(step, element(e, *scope.input(2), static_cast<int64_t>(d)));
            } else {
                step = parameter(e, type, mBeta, mBeta64);
            }
            TN_ASSIGN_OR_RETURN(index, binary(e, "mul", index, step));
            TN_ASSIGN_OR_RETURN(sum, binary(e, "add", sum, index));
        }
        scope.setOutput(0, std::move(sum));
        return support::okStatus();
    }

private:
    EmitValue parameter(Emitter& e, ir::DataType type, double number, int64_t integer) const {
        if (mIntegers && type == ir::DataType::kI64) {
            return e.constant(ir::makeConstantI64({}, {integer}));
        }
        return scalar(e, type, mIntegers ? static_cast<double>(integer) : number);
    }

    // Element i of a vector, as a scalar; a scalar itself.
    static Result<EmitValue> element(Emitter& e, const EmitValue& vector, int64_t i) {
        if (vector.type.ranked && vector.type.dims.empty()) {
            return vector;
        }
        const EmitValue index = e.constant(ir::makeConstantI64({}, {i}));
        return e.emit1("gather", attributes({{"axis", int64_t{0}}}), {&vector, &index});
    }

    Result<std::vector<EmitValue>> extentsOf(LayerScope& scope) const {
        Emitter& e = scope.emitter();
        std::vector<EmitValue> extents;
        if (scope.input(0) == nullptr) {
            for (const int64_t extent : toVector(mDims)) {
                extents.push_back(e.constant(ir::makeConstantI64({}, {extent})));
            }
            return extents;
        }
        TN_ASSIGN_OR_RETURN(const int64_t rank,
                            knownExtent(e, scope.input(0)->type, 0, "a fill whose dimensions are an input"));
        TN_ASSIGN_OR_RETURN(const EmitValue dims, casted(e, *scope.input(0), ir::DataType::kI64));
        for (int64_t i = 0; i < rank; ++i) {
            TN_ASSIGN_OR_RETURN(EmitValue extent, element(e, dims, i));
            extents.push_back(std::move(extent));
        }
        return extents;
    }

    Dims mDims;
    FillOperation mOperation;
    DataType mType;
    double mAlpha = 0.0;
    double mBeta = 1.0;
    int64_t mAlpha64 = 0;
    int64_t mBeta64 = 1;
    bool mIntegers = false;
};

// ---- assertion ------------------------------------------------------------------------------------------------------

class AssertionLayer final : public LayerOf<nvinfer1::IAssertionLayer> {
public:
    AssertionLayer(Network& network, std::vector<Tensor*> inputs, std::string message)
        : LayerOf(network, LayerType::kASSERTION, "Assertion", std::move(inputs)), mMessage(std::move(message)) {}
    bool isShapeInput(size_t i) const override { return i == 0; }
    void setMessage(char const* message) noexcept override {
        guarded(network().reporter(), 0, [&] {
            assign(mMessage, std::string(message == nullptr ? "" : message));
            return 0;
        });
    }
    char const* getMessage() const noexcept override { return mMessage.c_str(); }
    Status lower(LayerScope& scope) const override {
        const ir::ExprPool& pool = scope.emitter().pool();
        const EmitValue& condition = *scope.input(0);
        bool known = condition.contents.has_value();
        for (size_t i = 0; known && i < condition.contents->size(); ++i) {
            const ir::DimExpr element = (*condition.contents)[i];
            if (!element.valid() || !pool.isConstant(element)) {
                known = false;
            } else if (pool.constantValue(element) == 0) {
                return support::invalidArgument("assertion failed: ", mMessage);
            }
        }
        if (!known && scope.emitter().hasGraph()) {
            network().reporter().warning(cat("the assertion '", mMessage, "' of layer '", name(),
                                             "' depends on run-time values and is not checked"));
        }
        return support::okStatus();
    }

private:
    std::string mMessage;
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IResizeLayer* Network::addResize(ITensor& input) noexcept {
    return addLayer<ResizeLayer>("addResize", {&input});
}

nvinfer1::IOneHotLayer* Network::addOneHot(ITensor& indices, ITensor& values, ITensor& depth, int32_t axis) noexcept {
    return addLayer<OneHotLayer>("addOneHot", {&indices, &values, &depth}, axis);
}

nvinfer1::IFillLayer* Network::addFill(Dims const& dimensions, FillOperation op) noexcept {
    return addFill(dimensions, op, DataType::kFLOAT);
}

nvinfer1::IFillLayer* Network::addFill(Dims const& dimensions, FillOperation op, DataType outputType) noexcept {
    if (!isEnumerator(op) || !toIr(outputType) || !isValid(dimensions)) {
        refuse("addFill", "needs valid dimensions, a known operation and a known element type");
        return nullptr;
    }
    return addLayer<FillLayer>("addFill", {}, dimensions, op, outputType);
}

nvinfer1::IAssertionLayer* Network::addAssertion(ITensor& condition, char const* message) noexcept {
    return guarded(mReporter, static_cast<AssertionLayer*>(nullptr), [&] {
        return addLayer<AssertionLayer>("addAssertion", {&condition}, std::string(message == nullptr ? "" : message));
    });
}

} // namespace tenon::api
