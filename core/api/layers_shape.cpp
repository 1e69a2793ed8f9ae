// Layers that move or select elements: concatenation, gather, scatter, shuffle, slice, shape, padding, squeeze, unsqueeze.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

#include <algorithm>

namespace tenon::api {

using nvinfer1::Dims;
using nvinfer1::GatherMode;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::Permutation;
using nvinfer1::SampleMode;
using nvinfer1::ScatterMode;
using support::Status;

namespace {

template <class E>
bool isEnumerator(E value) {
    return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) < nvinfer1::EnumMax<E>();
}

// ---- concatenation --------------------------------------------------------------------------------------------------

class ConcatenationLayer final : public LayerOf<nvinfer1::IConcatenationLayer> {
public:
    ConcatenationLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kCONCATENATION, "Concatenation", std::move(inputs)) {
        addOutputs(1);
    }
    void setAxis(int32_t axis) noexcept override {
        if (require(axis >= 0, "setAxis", "must not be negative")) {
            assign(mAxis, axis);
        }
    }
    int32_t getAxis() const noexcept override { return mAxis >= 0 ? mAxis : defaultAxis(); }
    Status lower(LayerScope& scope) const override {
        int64_t axis = mAxis;
        if (mAxis < 0) {
            TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(scope.input(0)->type, "a concatenation without axis"));
            axis = std::max(rank - 3, 0);
        }
        return scope.lowerTo("concat", attributes({{"axis", axis}}), scope.inputs());
    }

private:
    int32_t defaultAxis() const { return std::max(inputs()[0]->getDimensions().nbDims - 3, 0); }

    int32_t mAxis = -1; // not set
};

// ---- gather and scatter ---------------------------------------------------------------------------------------------

class GatherLayer final : public LayerOf<nvinfer1::IGatherLayer> {
public:
    GatherLayer(Network& network, std::vector<Tensor*> inputs, GatherMode mode, int32_t axis)
        : LayerOf(network, LayerType::kGATHER, "Gather", std::move(inputs)), mMode(mode), mAxis(axis) {
        addOutputs(1);
    }
    void setGatherAxis(int32_t axis) noexcept override {
        if (require(axis >= 0, "setGatherAxis", "must not be negative")) {
            assign(mAxis, axis);
        }
    }
    int32_t getGatherAxis() const noexcept override { return mAxis; }
    void setNbElementWiseDims(int32_t dims) noexcept override {
        if (require(dims >= 0, "setNbElementWiseDims", "must not be negative")) {
            assign(mShared, dims);
        }
    }
    int32_t getNbElementWiseDims() const noexcept override { return mShared; }
    void setMode(GatherMode mode) noexcept override {
        if (require(isEnumerator(mode), "setMode", "no such mode")) {
            assign(mMode, mode);
        }
    }
    GatherMode getMode() const noexcept override { return mMode; }
    Status lower(LayerScope& scope) const override {
        switch (mMode) {
        case GatherMode::kDEFAULT:
            break;
        case GatherMode::kELEMENT:
            return scope.lowerTo("gather_elements", attributes({{"axis", int64_t{mAxis}}}), scope.inputs());
        case GatherMode::kND:
            return scope.lowerTo("gather_nd", attributes({{"batch_dims", int64_t{mShared}}}), scope.inputs());
        }
        if (mShared == 0) {
            return scope.lowerTo("gather", attributes({{"axis", int64_t{mAxis}}}), scope.inputs());
        }
        if (mShared != mAxis) {
            return support::unsupported("a gather with ", mShared, " element-wise dimensions must work along axis ",
                                        mShared, ", not ", mAxis, "; transpose the data first");
        }
        TN_ASSIGN_OR_RETURN(const EmitValue indices, unsqueezed(scope.emitter(), *scope.input(1), {-1}));
        return scope.lowerTo("gather_nd", attributes({{"batch_dims", int64_t{mShared}}}), {scope.input(0), &indices});
    }

private:
    GatherMode mMode;
    int32_t mAxis;
    int32_t mShared = 0;
};

class ScatterLayer final : public LayerOf<nvinfer1::IScatterLayer> {
public:
    ScatterLayer(Network& network, std::vector<Tensor*> inputs, ScatterMode mode)
        : LayerOf(network, LayerType::kSCATTER, "Scatter", std::move(inputs)), mMode(mode) {
        addOutputs(1);
    }
    void setMode(ScatterMode mode) noexcept override {
        if (require(isEnumerator(mode), "setMode", "no such mode")) {
            assign(mMode, mode);
        }
    }
    ScatterMode getMode() const noexcept override { return mMode; }
    void setAxis(int32_t axis) noexcept override { assign(mAxis, axis); }
    int32_t getAxis() const noexcept override { return mAxis; }
    Status lower(LayerScope& scope) const override {
        if (mMode == ScatterMode::kND) {
            return scope.lowerTo("scatter_nd", {}, scope.inputs());
        }
        return scope.lowerTo("scatter_elements", attributes({{"axis", int64_t{mAxis}}}), scope.inputs());
    }

private:
    ScatterMode mMode;
    int32_t mAxis = 0;
};

// ---- shuffle --------------------------------------------------------------------------------------------------------

Permutation identityPermutation() {
    Permutation permutation{};
    for (int32_t i = 0; i < Dims::MAX_DIMS; ++i) {
        permutation.order[i] = i;
    }
    return permutation;
}

bool isIdentity(const Permutation& permutation, int32_t rank) {
    for (int32_t i = 0; i < rank; ++i) {
        if (permutation.order[i] != i) {
            return false;
        }
    }
    return true;
}

class ShuffleLayer final : public LayerOf<nvinfer1::IShuffleLayer> {
public:
    ShuffleLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kSHUFFLE, "Shuffle", std::move(inputs)) {
        addOutputs(1);
    }
    size_t maxInputs() const override { return 2; }
    bool isShapeInput(size_t i) const override { return i == 1; }

    void setFirstTranspose(Permutation permutation) noexcept override { assign(mFirst, permutation); }
    Permutation getFirstTranspose() const noexcept override { return mFirst; }
    void setReshapeDimensions(Dims const& dims) noexcept override {
        if (!require(isValid(dims), "setReshapeDimensions", "the number of dimensions is out of range")) {
            return;
        }
        for (int32_t i = 0; i < dims.nbDims; ++i) {
            if (!require(dims.d[i] >= -1, "setReshapeDimensions", "an extent below -1 has no meaning")) {
                return;
            }
        }
        mHasReshape = true;
        assign(mReshape, dims);
    }
    Dims getReshapeDimensions() const noexcept override {
        return mHasReshape && getNbInputs() == 1 ? mReshape : invalidDims();
    }
    void setSecondTranspose(Permutation permutation) noexcept override { assign(mSecond, permutation); }
    Permutation getSecondTranspose() const noexcept override { return mSecond; }
    void setZeroIsPlaceholder(bool zeroIsPlaceholder) noexcept override {
        assign(mZeroIsPlaceholder, zeroIsPlaceholder);
    }
    bool getZeroIsPlaceholder() const noexcept override { return mZeroIsPlaceholder; }

    Status lower(LayerScope& scope) const override {
        Emitter& e = scope.emitter();
        EmitValue y = *scope.input(0);
        bool any = false;
        TN_RETURN_IF_ERROR(transpose(e, mFirst, y, any));
        if (scope.input(1) != nullptr || mHasReshape) {
            ir::AttributeMap map = attributes({{"allow_zero", intValue(!mZeroIsPlaceholder)}});
            if (scope.input(1) == nullptr) {
                map.set("shape", dimList(e, toVector(mReshape)));
            }
            const EmitValue from = y;
            TN_ASSIGN_OR_RETURN(y, e.emit1("reshape", std::move(map), {&from, scope.input(1)}));
            any = true;
        }
        TN_RETURN_IF_ERROR(transpose(e, mSecond, y, any));
        if (!any) {
            return scope.lowerTo("identity", {}, {scope.input(0)});
        }
        scope.setOutput(0, std::move(y));
        return support::okStatus();
    }

private:
    static Status transpose(Emitter& e, const Permutation& permutation, EmitValue& y, bool& any) {
        if (isIdentity(permutation, Dims::MAX_DIMS)) {
            return support::okStatus();
        }
        TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(y.type, "a transpose"));
        if (isIdentity(permutation, rank)) {
            return support::okStatus();
        }
        const std::vector<int64_t> perm(permutation.order, permutation.order + rank);
        const EmitValue from = y;
        TN_ASSIGN_OR_RETURN(y, e.emit1("transpose", attributes({{"perm", perm}}), {&from}));
        any = true;
        return support::okStatus();
    }

    Permutation mFirst = identityPermutation();
    Permutation mSecond = identityPermutation();
    Dims mReshape{0, {}};
    bool mHasReshape = false;
    bool mZeroIsPlaceholder = true;
};

// ---- slice ----------------------------------------------------------------------------------------------------------

class SliceLayer final : public LayerOf<nvinfer1::ISliceLayer> {
public:
    SliceLayer(Network& network, std::vector<Tensor*> inputs, const Dims& start, const Dims& size, const Dims& stride)
        : LayerOf(network, LayerType::kSLICE, "Slice", std::move(inputs)), mStart(start), mSize(size), mStride(stride) {
        addOutputs(1);
    }
    size_t maxInputs() const override { return 6; }
    bool isShapeInput(size_t i) const override { return i == 1 || i == 2 || i == 3 || i == 5; }

    void setStart(Dims const& start) noexcept override { setDims(mStart, start, "setStart"); }
    Dims getStart() const noexcept override { return mStart; }
    void setSize(Dims const& size) noexcept override { setDims(mSize, size, "setSize"); }
    Dims getSize() const noexcept override { return mSize; }
    void setStride(Dims const& stride) noexcept override { setDims(mStride, stride, "setStride"); }
    Dims getStride() const noexcept override { return mStride; }
    void setMode(SampleMode mode) noexcept override {
        if (require(isEnumerator(mode), "setMode", "no such mode")) {
            assign(mMode, mode);
        }
    }
    SampleMode getMode() const noexcept override { return mMode; }
    void setAxes(Dims const& axes) noexcept override { setDims(mAxes, axes, "setAxes"); }
    Dims getAxes() const noexcept override { return mAxes; }

    Status lower(LayerScope& scope) const override {
        if (const EmitValue* fill = scope.input(4); fill != nullptr && mMode == SampleMode::kFILL) {
            if (fill->constant == nullptr || fill->constant->elements() != 1 || fill->constant->numberAt(0) != 0) {
                return support::unsupported("a slice can be filled with a constant zero only; pad the tensor instead");
            }
        }
        Emitter& e = scope.emitter();
        ir::AttributeMap map = attributes({{"mode", std::string(modeName())}});
        if (scope.input(1) == nullptr) {
            map.set("starts", dimList(e, toVector(mStart)));
        }
        if (scope.input(2) == nullptr) {
            map.set("sizes", dimList(e, toVector(mSize)));
        }
        if (scope.input(3) == nullptr) {
            map.set("steps", toVector(mStride));
        }
        if (scope.input(5) == nullptr && mAxes.nbDims > 0) {
            map.set("axes", toVector(mAxes));
        }
        // Operands of the op: x, starts, ends, axes, steps, sizes.
        return scope.lowerTo("slice", std::move(map),
                             {scope.input(0), scope.input(1), nullptr, scope.input(5), scope.input(3), scope.input(2)});
    }

private:
    void setDims(Dims& member, const Dims& dims, const char* setter) noexcept {
        if (require(isValid(dims), setter, "the number of dimensions is out of range")) {
            assign(member, dims);
        }
    }
    const char* modeName() const {
        switch (mMode) {
        case SampleMode::kSTRICT_BOUNDS:
            return "strict";
        case SampleMode::kWRAP:
            return "wrap";
        case SampleMode::kCLAMP:
            return "clamp";
        case SampleMode::kFILL:
            return "fill";
        case SampleMode::kREFLECT:
            return "reflect";
        }
        return "strict";
    }

    Dims mStart;
    Dims mSize;
    Dims mStride;
    Dims mAxes{0, {}};
    SampleMode mMode = SampleMode::kSTRICT_BOUNDS;
};

// ---- shape, padding, squeeze, unsqueeze -----------------------------------------------------------------------------

class ShapeLayer final : public LayerOf<nvinfer1::IShapeLayer> {
public:
    ShapeLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kSHAPE, "Shape", std::move(inputs)) {
        addOutputs(1);
    }
    bool forwardsShapes() const override { return false; }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("shape", {}, scope.inputs()); }
};

class PaddingLayer final : public LayerOf<nvinfer1::IPaddingLayer> {
public:
    PaddingLayer(Network& network, std::vector<Tensor*> inputs, const Dims& pre, const Dims& post)
        : LayerOf(network, LayerType::kPADDING, "Padding", std::move(inputs)), mPre(pre), mPost(post) {
        addOutputs(1);
    }
    void setPrePaddingNd(Dims const& padding) noexcept override {
        if (require(padding.nbDims == 2, "setPrePaddingNd", "exactly two dimensions are padded")) {
            assign(mPre, padding);
        }
    }
    Dims getPrePaddingNd() const noexcept override { return mPre; }
    void setPostPaddingNd(Dims const& padding) noexcept override {
        if (require(padding.nbDims == 2, "setPostPaddingNd", "exactly two dimensions are padded")) {
            assign(mPost, padding);
        }
    }
    Dims getPostPaddingNd() const noexcept override { return mPost; }
    Status lower(LayerScope& scope) const override {
        const ir::AttributeValue pads = dimList(scope.emitter(), {mPre.d[0], mPre.d[1], mPost.d[0], mPost.d[1]});
        return scope.lowerTo("pad", attributes({{"pads", pads}, {"axes", std::vector<int64_t>{-2, -1}}}),
                             scope.inputs());
    }

private:
    Dims mPre;
    Dims mPost;
};

class SqueezeLayer final : public LayerOf<nvinfer1::ISqueezeLayer> {
public:
    SqueezeLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kSQUEEZE, "Squeeze", std::move(inputs)) {
        addOutputs(1);
    }
    bool isShapeInput(size_t i) const override { return i == 1; }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("squeeze", {}, scope.inputs()); }
};

class UnsqueezeLayer final : public LayerOf<nvinfer1::IUnsqueezeLayer> {
public:
    UnsqueezeLayer(Network& network, std::vector<Tensor*> inputs)
        : LayerOf(network, LayerType::kUNSQUEEZE, "Unsqueeze", std::move(inputs)) {
        addOutputs(1);
    }
    bool isShapeInput(size_t i) const override { return i == 1; }
    Status lower(LayerScope& scope) const override { return scope.lowerTo("unsqueeze", {}, scope.inputs()); }
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IConcatenationLayer* Network::addConcatenation(ITensor* const* inputs, int32_t nbInputs) noexcept {
    return guarded(mReporter, static_cast<ConcatenationLayer*>(nullptr), [&]() -> ConcatenationLayer* {
        if (inputs == nullptr || nbInputs < 1) {
            refuse("addConcatenation", "needs at least one input");
            return nullptr;
        }
        return addLayerOf<ConcatenationLayer>("addConcatenation", {inputs, inputs + nbInputs});
    });
}

nvinfer1::IGatherLayer* Network::addGather(ITensor& data, ITensor& indices, int32_t axis) noexcept {
    if (axis < 0) {
        refuse("addGather", "the axis must not be negative");
        return nullptr;
    }
    return addLayer<GatherLayer>("addGather", {&data, &indices}, GatherMode::kDEFAULT, axis);
}

nvinfer1::IGatherLayer* Network::addGatherV2(ITensor& data, ITensor& indices, GatherMode mode) noexcept {
    if (!isEnumerator(mode)) {
        refuse("addGatherV2", "no such mode");
        return nullptr;
    }
    return addLayer<GatherLayer>("addGatherV2", {&data, &indices}, mode, 0);
}

nvinfer1::IScatterLayer* Network::addScatter(ITensor& data, ITensor& indices, ITensor& updates,
                                             ScatterMode mode) noexcept {
    if (!isEnumerator(mode)) {
        refuse("addScatter", "no such mode");
        return nullptr;
    }
    return addLayer<ScatterLayer>("addScatter", {&data, &indices, &updates}, mode);
}

nvinfer1::IShuffleLayer* Network::addShuffle(ITensor& input) noexcept {
    return addLayer<ShuffleLayer>("addShuffle", {&input});
}

nvinfer1::ISliceLayer* Network::addSlice(ITensor& input, Dims const& start, Dims const& size,
                                         Dims const& stride) noexcept {
    if (!isValid(start) || !isValid(size) || !isValid(stride)) {
        refuse("addSlice", "the number of dimensions of start, size or stride is out of range");
        return nullptr;
    }
    return addLayer<SliceLayer>("addSlice", {&input}, start, size, stride);
}

nvinfer1::IShapeLayer* Network::addShape(ITensor& input) noexcept { return addLayer<ShapeLayer>("addShape", {&input}); }

nvinfer1::IPaddingLayer* Network::addPaddingNd(ITensor& input, Dims const& prePadding,
                                               Dims const& postPadding) noexcept {
    if (prePadding.nbDims != 2 || postPadding.nbDims != 2) {
        refuse("addPaddingNd", "exactly two dimensions, the innermost, are padded");
        return nullptr;
    }
    return addLayer<PaddingLayer>("addPaddingNd", {&input}, prePadding, postPadding);
}

nvinfer1::ISqueezeLayer* Network::addSqueeze(ITensor& input, ITensor& axes) noexcept {
    return addLayer<SqueezeLayer>("addSqueeze", {&input, &axes});
}

nvinfer1::IUnsqueezeLayer* Network::addUnsqueeze(ITensor& input, ITensor& axes) noexcept {
    return addLayer<UnsqueezeLayer>("addUnsqueeze", {&input, &axes});
}

} // namespace tenon::api
