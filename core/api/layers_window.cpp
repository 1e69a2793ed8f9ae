// Convolution, deconvolution and pooling: layers whose window slides over the spatial dimensions.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"

namespace tenon::api {

using nvinfer1::Dims;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using nvinfer1::PaddingMode;
using nvinfer1::PoolingType;
using nvinfer1::Weights;
using support::cat;
using support::Result;
using support::Status;

namespace {

constexpr int32_t kFirstSpatial = 2;

// Strides, padding and dilations of a window of `rank` spatial dimensions.
struct Window {
    Dims kernel{0, {}};
    Dims stride{0, {}};
    Dims dilation{0, {}};
    Dims pre{0, {}};
    Dims post{0, {}};
    PaddingMode mode = PaddingMode::kEXPLICIT_ROUND_DOWN;

    explicit Window(const Dims& kernelSize) : kernel(kernelSize) {
        stride.nbDims = dilation.nbDims = pre.nbDims = post.nbDims = kernelSize.nbDims;
        for (int32_t i = 0; i < kernelSize.nbDims; ++i) {
            stride.d[i] = dilation.d[i] = 1;
        }
    }
    bool isSame() const { return mode == PaddingMode::kSAME_UPPER || mode == PaddingMode::kSAME_LOWER; }
    bool roundsUp() const { return mode == PaddingMode::kEXPLICIT_ROUND_UP || mode == PaddingMode::kCAFFE_ROUND_UP; }
    std::vector<int64_t> pads() const {
        std::vector<int64_t> list = toVector(pre);
        list.insert(list.end(), post.d, post.d + post.nbDims);
        return list;
    }
    ir::AttributeMap attributeMap() const {
        ir::AttributeMap map = attributes({{"strides", toVector(stride)}, {"dilations", toVector(dilation)}});
        if (isSame()) {
            map.set("auto_pad", std::string(mode == PaddingMode::kSAME_UPPER ? "same_upper" : "same_lower"));
        } else {
            map.set("pads", pads());
        }
        return map;
    }
};

std::string whyNotWindow(const Dims& dims, int32_t rank, int64_t least) {
    if (!isValid(dims) || dims.nbDims != rank) {
        return cat("needs ", rank, " entries, one per spatial dimension, and got ", textOf(dims));
    }
    for (int32_t i = 0; i < rank; ++i) {
        if (dims.d[i] < least || dims.d[i] > INT32_MAX) {
            return cat("entry ", i, " is ", dims.d[i], " and must be at least ", least);
        }
    }
    return {};
}

bool isPaddingMode(PaddingMode mode) {
    return mode >= PaddingMode::kEXPLICIT_ROUND_DOWN && mode <= PaddingMode::kCAFFE_ROUND_UP;
}

// The setters that IConvolutionLayer, IDeconvolutionLayer and IPoolingLayer have in common.
template <class I>
class WindowLayer : public LayerOf<I> {
public:
    WindowLayer(Network& network, LayerType type, const char* kind, std::vector<Tensor*> inputs, const Dims& kernel)
        : LayerOf<I>(network, type, kind, std::move(inputs)), mWindow(kernel) {}

    void setPrePadding(Dims const& padding) noexcept override { setDims(mWindow.pre, padding, 0, "setPrePadding"); }
    Dims getPrePadding() const noexcept override { return mWindow.pre; }
    void setPostPadding(Dims const& padding) noexcept override { setDims(mWindow.post, padding, 0, "setPostPadding"); }
    Dims getPostPadding() const noexcept override { return mWindow.post; }
    void setPaddingMode(PaddingMode mode) noexcept override {
        if (this->require(isPaddingMode(mode), "setPaddingMode", "no such mode")) {
            this->assign(mWindow.mode, mode);
        }
    }
    PaddingMode getPaddingMode() const noexcept override { return mWindow.mode; }
    void setStrideNd(Dims const& stride) noexcept override { setDims(mWindow.stride, stride, 1, "setStrideNd"); }
    Dims getStrideNd() const noexcept override { return mWindow.stride; }
    void setPaddingNd(Dims const& padding) noexcept override {
        setDims(mWindow.pre, padding, 0, "setPaddingNd");
        setDims(mWindow.post, padding, 0, "setPaddingNd");
    }
    Dims getPaddingNd() const noexcept override {
        for (int32_t i = 0; i < mWindow.pre.nbDims; ++i) {
            if (!this->require(mWindow.pre.d[i] == mWindow.post.d[i], "getPaddingNd",
                               "padding differs between the two sides; use getPrePadding and getPostPadding")) {
                return invalidDims();
            }
        }
        return mWindow.pre;
    }

protected:
    void setDims(Dims& member, const Dims& given, int64_t least, const char* setter) noexcept {
        guarded(this->network().reporter(), 0, [&] {
            const std::string why = whyNotWindow(given, mWindow.kernel.nbDims, least);
            if (this->require(why.empty(), setter, why)) {
                this->assign(member, given);
            }
            return 0;
        });
    }

    // Refuses what cannot be since the rank is not that of the window.
    Status checkRank(const ir::TensorType& x) const {
        if (x.ranked && x.rank() != mWindow.kernel.nbDims + kFirstSpatial) {
            return support::invalidArgument("the input has ", x.rank(), " dimensions; a window of ",
                                            mWindow.kernel.nbDims, " needs [N, C] and as many spatial ones");
        }
        return support::okStatus();
    }

    Window mWindow;
};

// ---- convolution and deconvolution ----------------------------------------------------------------------------------

template <class I>
class WeightedWindowLayer : public WindowLayer<I> {
public:
    WeightedWindowLayer(Network& network, LayerType type, const char* kind, std::vector<Tensor*> inputs,
                        int64_t outputMaps, const Dims& kernel, const Weights& kernelWeights,
                        const Weights& biasWeights)
        : WindowLayer<I>(network, type, kind, std::move(inputs), kernel), mOutputMaps(outputMaps),
          mKernelWeights(kernelWeights), mBiasWeights(biasWeights) {
        this->addOutputs(1);
    }

    size_t maxInputs() const override { return 3; }
    bool forwardsShapes() const override { return false; }

    void setNbOutputMaps(int64_t maps) noexcept override {
        if (this->require(maps > 0, "setNbOutputMaps", "must be positive")) {
            this->assign(mOutputMaps, maps);
        }
    }
    int64_t getNbOutputMaps() const noexcept override { return mOutputMaps; }
    void setNbGroups(int64_t groups) noexcept override {
        if (this->require(groups > 0, "setNbGroups", "must be positive")) {
            this->assign(mGroups, groups);
        }
    }
    int64_t getNbGroups() const noexcept override { return mGroups; }
    void setKernelWeights(Weights weights) noexcept override { this->assign(mKernelWeights, weights); }
    Weights getKernelWeights() const noexcept override { return mKernelWeights; }
    void setBiasWeights(Weights weights) noexcept override { this->assign(mBiasWeights, weights); }
    Weights getBiasWeights() const noexcept override { return mBiasWeights; }
    void setKernelSizeNd(Dims const& kernel) noexcept override {
        this->setDims(this->mWindow.kernel, kernel, 1, "setKernelSizeNd");
    }
    Dims getKernelSizeNd() const noexcept override { return this->mWindow.kernel; }
    void setDilationNd(Dims const& dilation) noexcept override {
        this->setDims(this->mWindow.dilation, dilation, 1, "setDilationNd");
    }
    Dims getDilationNd() const noexcept override { return this->mWindow.dilation; }

protected:
    // The kernel and bias, from inputs or weights. `bias` stays empty if there is none.
    Result<EmitValue> kernelOperand(const LayerScope& scope, bool transposed) const {
        if (scope.input(1) != nullptr) {
            return *scope.input(1);
        }
        TN_ASSIGN_OR_RETURN(const int64_t channels,
                            knownExtent(scope.emitter(), scope.input(0)->type, 1, "a kernel given as weights"));
        if (channels % mGroups != 0 || mOutputMaps % mGroups != 0) {
            return support::invalidArgument(channels, " input channels and ", mOutputMaps,
                                            " output maps cannot be split into ", mGroups, " groups");
        }
        std::vector<int64_t> dims = transposed ? std::vector<int64_t>{channels, mOutputMaps / mGroups}
                                               : std::vector<int64_t>{mOutputMaps, channels / mGroups};
        const std::vector<int64_t> window = toVector(this->mWindow.kernel);
        dims.insert(dims.end(), window.begin(), window.end());
        return scope.weights(mKernelWeights, std::move(dims), "kernel");
    }
    Result<std::optional<EmitValue>> biasOperand(const LayerScope& scope) const {
        if (scope.input(2) != nullptr) {
            return std::optional<EmitValue>(*scope.input(2));
        }
        if (mBiasWeights.count == 0) {
            return std::optional<EmitValue>();
        }
        TN_ASSIGN_OR_RETURN(EmitValue bias, scope.weights(mBiasWeights, {mOutputMaps}, "bias"));
        return std::optional<EmitValue>(std::move(bias));
    }

    int64_t mOutputMaps;
    int64_t mGroups = 1;
    Weights mKernelWeights;
    Weights mBiasWeights;
};

class ConvolutionLayer final : public WeightedWindowLayer<nvinfer1::IConvolutionLayer> {
public:
    ConvolutionLayer(Network& network, std::vector<Tensor*> inputs, int64_t maps, const Dims& kernel,
                     const Weights& weights, const Weights& bias)
        : WeightedWindowLayer(network, LayerType::kCONVOLUTION, "Convolution", std::move(inputs), maps, kernel, weights,
                              bias) {}

    Status lower(LayerScope& scope) const override {
        const EmitValue& x = *scope.input(0);
        TN_RETURN_IF_ERROR(checkRank(x.type));
        TN_ASSIGN_OR_RETURN(const EmitValue kernel, kernelOperand(scope, false));
        TN_ASSIGN_OR_RETURN(const std::optional<EmitValue> bias, biasOperand(scope));
        ir::AttributeMap map = mWindow.attributeMap();
        map.set("group", mGroups);
        if (mWindow.roundsUp()) {
            TN_ASSIGN_OR_RETURN(std::vector<int64_t> pads, padsForRoundingUp(scope, x.type));
            map.set("pads", std::move(pads));
        }
        return scope.lowerTo("conv", std::move(map), {&x, &kernel, bias ? &*bias : nullptr});
    }

private:
    // Rounding up is padding at the end until the last window fits.
    Result<std::vector<int64_t>> padsForRoundingUp(const LayerScope& scope, const ir::TensorType& x) const {
        Window window = mWindow;
        for (int32_t i = 0; i < window.kernel.nbDims; ++i) {
            TN_ASSIGN_OR_RETURN(const int64_t extent,
                                knownExtent(scope.emitter(), x, i + kFirstSpatial, "PaddingMode::kEXPLICIT_ROUND_UP"));
            const int64_t reach = window.dilation.d[i] * (window.kernel.d[i] - 1) + 1;
            const int64_t rest = (extent + window.pre.d[i] + window.post.d[i] - reach) % window.stride.d[i];
            window.post.d[i] += rest > 0 ? window.stride.d[i] - rest : 0;
        }
        return window.pads();
    }
};

class DeconvolutionLayer final : public WeightedWindowLayer<nvinfer1::IDeconvolutionLayer> {
public:
    DeconvolutionLayer(Network& network, std::vector<Tensor*> inputs, int64_t maps, const Dims& kernel,
                       const Weights& weights, const Weights& bias)
        : WeightedWindowLayer(network, LayerType::kDECONVOLUTION, "Deconvolution", std::move(inputs), maps, kernel,
                              weights, bias) {}

    Status lower(LayerScope& scope) const override {
        TN_RETURN_IF_ERROR(checkRank(scope.input(0)->type));
        TN_ASSIGN_OR_RETURN(const EmitValue kernel, kernelOperand(scope, true));
        TN_ASSIGN_OR_RETURN(const std::optional<EmitValue> bias, biasOperand(scope));
        ir::AttributeMap map = mWindow.attributeMap();
        map.set("group", mGroups);
        return scope.lowerTo("deconv", std::move(map), {scope.input(0), &kernel, bias ? &*bias : nullptr});
    }
};

// ---- pooling --------------------------------------------------------------------------------------------------------

class PoolingLayer final : public WindowLayer<nvinfer1::IPoolingLayer> {
public:
    PoolingLayer(Network& network, std::vector<Tensor*> inputs, PoolingType type, const Dims& window)
        : WindowLayer(network, LayerType::kPOOLING, "Pooling", std::move(inputs), window), mPooling(type) {
        addOutputs(1);
    }

    void setPoolingType(PoolingType type) noexcept override {
        if (require(type >= PoolingType::kMAX && type <= PoolingType::kMAX_AVERAGE_BLEND, "setPoolingType",
                    "no such type")) {
            assign(mPooling, type);
        }
    }
    PoolingType getPoolingType() const noexcept override { return mPooling; }
    void setBlendFactor(float factor) noexcept override {
        if (require(factor >= 0.0F && factor <= 1.0F, "setBlendFactor", "must be in [0, 1]")) {
            assign(mBlend, factor);
        }
    }
    float getBlendFactor() const noexcept override { return mBlend; }
    void setAverageCountExcludesPadding(bool exclusive) noexcept override { assign(mExcludesPadding, exclusive); }
    bool getAverageCountExcludesPadding() const noexcept override { return mExcludesPadding; }
    void setWindowSizeNd(Dims const& window) noexcept override {
        setDims(mWindow.kernel, window, 1, "setWindowSizeNd");
    }
    Dims getWindowSizeNd() const noexcept override { return mWindow.kernel; }
    bool forwardsShapes() const override { return false; }

    Status lower(LayerScope& scope) const override {
        TN_RETURN_IF_ERROR(checkRank(scope.input(0)->type));
        if (mPooling != PoolingType::kMAX_AVERAGE_BLEND) {
            TN_ASSIGN_OR_RETURN(EmitValue result, pooled(scope, mPooling));
            scope.setOutput(0, std::move(result));
            return support::okStatus();
        }
        Emitter& e = scope.emitter();
        TN_ASSIGN_OR_RETURN(const EmitValue highest, pooled(scope, PoolingType::kMAX));
        TN_ASSIGN_OR_RETURN(const EmitValue mean, pooled(scope, PoolingType::kAVERAGE));
        const ir::DataType dtype = highest.type.dtype;
        TN_ASSIGN_OR_RETURN(const EmitValue left, binary(e, "mul", highest, scalar(e, dtype, 1.0 - mBlend)));
        TN_ASSIGN_OR_RETURN(const EmitValue right, binary(e, "mul", mean, scalar(e, dtype, mBlend)));
        return scope.lowerTo("binary.add", {}, {&left, &right});
    }

private:
    Result<EmitValue> pooled(LayerScope& scope, PoolingType type) const {
        ir::AttributeMap map = mWindow.attributeMap();
        map.set("kernel", toVector(mWindow.kernel));
        map.set("ceil_mode", intValue(mWindow.roundsUp()));
        if (type == PoolingType::kAVERAGE) {
            map.set("count_include_pad", intValue(!mExcludesPadding));
        }
        return scope.emitter().emit1(type == PoolingType::kAVERAGE ? "pool.avg" : "pool.max", std::move(map),
                                     {scope.input(0)});
    }

    PoolingType mPooling;
    float mBlend = 0.0F;
    bool mExcludesPadding = true;
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IConvolutionLayer* Network::addConvolutionNd(ITensor& input, int64_t nbOutputMaps, Dims const& kernelSize,
                                                       Weights kernelWeights, Weights biasWeights) noexcept {
    return guarded(mReporter, static_cast<ConvolutionLayer*>(nullptr), [&]() -> ConvolutionLayer* {
        if (const std::string why = whyNotWindow(kernelSize, kernelSize.nbDims, 1);
            !why.empty() || nbOutputMaps <= 0 || kernelSize.nbDims < 1) {
            refuse("addConvolutionNd", why.empty() ? "needs output maps and a kernel of 1 dimension or more" : why);
            return nullptr;
        }
        return addLayer<ConvolutionLayer>("addConvolutionNd", {&input}, nbOutputMaps, kernelSize, kernelWeights,
                                          biasWeights);
    });
}

nvinfer1::IDeconvolutionLayer* Network::addDeconvolutionNd(ITensor& input, int64_t nbOutputMaps, Dims kernelSize,
                                                           Weights kernelWeights, Weights biasWeights) noexcept {
    return guarded(mReporter, static_cast<DeconvolutionLayer*>(nullptr), [&]() -> DeconvolutionLayer* {
        if (const std::string why = whyNotWindow(kernelSize, kernelSize.nbDims, 1);
            !why.empty() || nbOutputMaps <= 0 || kernelSize.nbDims < 1) {
            refuse("addDeconvolutionNd", why.empty() ? "needs output maps and a kernel of 1 dimension or more" : why);
            return nullptr;
        }
        return addLayer<DeconvolutionLayer>("addDeconvolutionNd", {&input}, nbOutputMaps, kernelSize, kernelWeights,
                                            biasWeights);
    });
}

nvinfer1::IPoolingLayer* Network::addPoolingNd(ITensor& input, PoolingType type, Dims const& windowSize) noexcept {
    return guarded(mReporter, static_cast<PoolingLayer*>(nullptr), [&]() -> PoolingLayer* {
        if (const std::string why = whyNotWindow(windowSize, windowSize.nbDims, 1);
            !why.empty() || windowSize.nbDims < 1 || type < PoolingType::kMAX ||
            type > PoolingType::kMAX_AVERAGE_BLEND) {
            refuse("addPoolingNd", why.empty() ? "needs a window of 1 dimension or more and a known type" : why);
            return nullptr;
        }
        return addLayer<PoolingLayer>("addPoolingNd", {&input}, type, windowSize);
    });
}

} // namespace tenon::api
