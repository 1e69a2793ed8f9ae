// INetworkDefinition's implementation: owns tensors and layers, and infers types lazily.
// Used by Builder, the layers and lower_network. The adders are in layers_*.cpp, one file per family.
// Not thread-safe: one network belongs to one thread at a time.
#pragma once

#include "core/api/layer_core.h"
#include "core/api/reporter.h"
#include "core/api/tensor.h"
#include "core/ops/op_registry.h"
#include "tenon/network.h"

#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tenon::api {

class Network final : public nvinfer1::INetworkDefinition {
public:
    Network(nvinfer1::IBuilder& builder, const Reporter& reporter, std::shared_ptr<const ops::OpRegistry> ops,
            nvinfer1::NetworkDefinitionCreationFlags flags);
    ~Network() noexcept override;

    // ---- INetworkDefinition: inputs, outputs, marks
    nvinfer1::ITensor* addInput(char const* name, nvinfer1::DataType type, Dims const& dimensions) noexcept override;
    void markOutput(nvinfer1::ITensor& tensor) noexcept override;
    void unmarkOutput(nvinfer1::ITensor& tensor) noexcept override;
    bool markOutputForShapes(nvinfer1::ITensor& tensor) noexcept override;
    bool unmarkOutputForShapes(nvinfer1::ITensor& tensor) noexcept override;
    int32_t getNbInputs() const noexcept override { return static_cast<int32_t>(mInputs.size()); }
    nvinfer1::ITensor* getInput(int32_t index) const noexcept override;
    int32_t getNbOutputs() const noexcept override { return static_cast<int32_t>(mOutputs.size()); }
    nvinfer1::ITensor* getOutput(int32_t index) const noexcept override;
    int32_t getNbLayers() const noexcept override { return static_cast<int32_t>(mLayers.size()); }
    nvinfer1::ILayer* getLayer(int32_t index) const noexcept override;
    void removeTensor(nvinfer1::ITensor& tensor) noexcept override;
    void setName(char const* name) noexcept override;
    char const* getName() const noexcept override { return mName.c_str(); }
    bool hasImplicitBatchDimension() const noexcept override { return false; }
    nvinfer1::NetworkDefinitionCreationFlags getFlags() const noexcept override { return mFlags; }
    bool getFlag(nvinfer1::NetworkDefinitionCreationFlag flag) const noexcept override;
    nvinfer1::IBuilder& getBuilder() const noexcept override { return mBuilder; }
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }
    bool setWeightsName(nvinfer1::Weights weights, char const* name) noexcept override;
    bool markWeightsRefittable(char const* name) noexcept override;
    bool unmarkWeightsRefittable(char const* name) noexcept override;
    bool areWeightsMarkedRefittable(char const* name) const noexcept override;
    bool markDebug(nvinfer1::ITensor& tensor) noexcept override;
    bool unmarkDebug(nvinfer1::ITensor& tensor) noexcept override;
    bool isDebugTensor(nvinfer1::ITensor const& tensor) const noexcept override;
    bool markUnfusedTensorsAsDebugTensors() noexcept override;
    bool unmarkUnfusedTensorsAsDebugTensors() noexcept override;

    // ---- adders: layers_nn.cpp
    nvinfer1::IConvolutionLayer* addConvolutionNd(nvinfer1::ITensor& input, int64_t nbOutputMaps,
                                                  Dims const& kernelSize, Weights kernelWeights,
                                                  Weights biasWeights) noexcept override;
    nvinfer1::IDeconvolutionLayer* addDeconvolutionNd(nvinfer1::ITensor& input, int64_t nbOutputMaps, Dims kernelSize,
                                                      Weights kernelWeights, Weights biasWeights) noexcept override;
    nvinfer1::IActivationLayer* addActivation(nvinfer1::ITensor& input,
                                              nvinfer1::ActivationType type) noexcept override;
    nvinfer1::IPoolingLayer* addPoolingNd(nvinfer1::ITensor& input, nvinfer1::PoolingType type,
                                          Dims const& windowSize) noexcept override;
    nvinfer1::ILRNLayer* addLRN(nvinfer1::ITensor& input, int64_t window, float alpha, float beta,
                                float k) noexcept override;
    nvinfer1::IScaleLayer* addScale(nvinfer1::ITensor& input, nvinfer1::ScaleMode mode, Weights shift, Weights scale,
                                    Weights power) noexcept override;
    nvinfer1::IScaleLayer* addScaleNd(nvinfer1::ITensor& input, nvinfer1::ScaleMode mode, Weights shift, Weights scale,
                                      Weights power, int32_t channelAxis) noexcept override;
    nvinfer1::ISoftMaxLayer* addSoftMax(nvinfer1::ITensor& input) noexcept override;
    nvinfer1::IMatrixMultiplyLayer* addMatrixMultiply(nvinfer1::ITensor& input0, nvinfer1::MatrixOperation op0,
                                                      nvinfer1::ITensor& input1,
                                                      nvinfer1::MatrixOperation op1) noexcept override;
    nvinfer1::IParametricReLULayer* addParametricReLU(nvinfer1::ITensor& input,
                                                      nvinfer1::ITensor& slope) noexcept override;
    nvinfer1::INormalizationLayer* addNormalization(nvinfer1::ITensor& input, nvinfer1::ITensor& scale,
                                                    nvinfer1::ITensor& bias, uint32_t axesMask) noexcept override;
    nvinfer1::INormalizationLayer* addNormalizationV2(nvinfer1::ITensor& input, nvinfer1::ITensor& scale,
                                                      nvinfer1::ITensor& bias, uint32_t axesMask) noexcept override;
    // ---- adders: layers_math.cpp
    nvinfer1::IElementWiseLayer* addElementWise(nvinfer1::ITensor& input1, nvinfer1::ITensor& input2,
                                                nvinfer1::ElementWiseOperation op) noexcept override;
    nvinfer1::IUnaryLayer* addUnary(nvinfer1::ITensor& input, nvinfer1::UnaryOperation operation) noexcept override;
    nvinfer1::IReduceLayer* addReduce(nvinfer1::ITensor& input, nvinfer1::ReduceOperation operation,
                                      uint32_t reduceAxes, bool keepDimensions) noexcept override;
    nvinfer1::ITopKLayer* addTopK(nvinfer1::ITensor& input, nvinfer1::TopKOperation op, int32_t k,
                                  uint32_t reduceAxes) noexcept override;
    nvinfer1::ITopKLayer* addTopK(nvinfer1::ITensor& input, nvinfer1::TopKOperation op, int32_t k, uint32_t reduceAxes,
                                  nvinfer1::DataType indicesType) noexcept override;
    nvinfer1::ISelectLayer* addSelect(nvinfer1::ITensor& condition, nvinfer1::ITensor& thenInput,
                                      nvinfer1::ITensor& elseInput) noexcept override;
    nvinfer1::IAssertionLayer* addAssertion(nvinfer1::ITensor& condition, char const* message) noexcept override;
    nvinfer1::IFillLayer* addFill(Dims const& dimensions, nvinfer1::FillOperation op) noexcept override;
    nvinfer1::IFillLayer* addFill(Dims const& dimensions, nvinfer1::FillOperation op,
                                  nvinfer1::DataType outputType) noexcept override;
    nvinfer1::ICumulativeLayer* addCumulative(nvinfer1::ITensor& input, nvinfer1::ITensor& axis,
                                              nvinfer1::CumulativeOperation operation, bool exclusive,
                                              bool reverse) noexcept override;
    nvinfer1::IEinsumLayer* addEinsum(nvinfer1::ITensor* const* inputs, int32_t nbInputs,
                                      char const* equation) noexcept override;
    nvinfer1::IConstantLayer* addConstant(Dims const& dimensions, Weights weights) noexcept override;
    nvinfer1::IIdentityLayer* addIdentity(nvinfer1::ITensor& input) noexcept override;
    nvinfer1::ICastLayer* addCast(nvinfer1::ITensor& input, nvinfer1::DataType toType) noexcept override;
    nvinfer1::IQuantizeLayer* addQuantize(nvinfer1::ITensor& input, nvinfer1::ITensor& scale) noexcept override;
    nvinfer1::IQuantizeLayer* addQuantize(nvinfer1::ITensor& input, nvinfer1::ITensor& scale,
                                          nvinfer1::DataType outputType) noexcept override;
    nvinfer1::IDequantizeLayer* addDequantize(nvinfer1::ITensor& input, nvinfer1::ITensor& scale) noexcept override;
    nvinfer1::IDequantizeLayer* addDequantize(nvinfer1::ITensor& input, nvinfer1::ITensor& scale,
                                              nvinfer1::DataType outputType) noexcept override;
    // ---- adders: layers_shape.cpp
    nvinfer1::IConcatenationLayer* addConcatenation(nvinfer1::ITensor* const* inputs,
                                                    int32_t nbInputs) noexcept override;
    nvinfer1::IGatherLayer* addGather(nvinfer1::ITensor& data, nvinfer1::ITensor& indices,
                                      int32_t axis) noexcept override;
    nvinfer1::IGatherLayer* addGatherV2(nvinfer1::ITensor& data, nvinfer1::ITensor& indices,
                                        nvinfer1::GatherMode mode) noexcept override;
    nvinfer1::IScatterLayer* addScatter(nvinfer1::ITensor& data, nvinfer1::ITensor& indices, nvinfer1::ITensor& updates,
                                        nvinfer1::ScatterMode mode) noexcept override;
    nvinfer1::IShuffleLayer* addShuffle(nvinfer1::ITensor& input) noexcept override;
    nvinfer1::ISliceLayer* addSlice(nvinfer1::ITensor& input, Dims const& start, Dims const& size,
                                    Dims const& stride) noexcept override;
    nvinfer1::IShapeLayer* addShape(nvinfer1::ITensor& input) noexcept override;
    nvinfer1::IPaddingLayer* addPaddingNd(nvinfer1::ITensor& input, Dims const& prePadding,
                                          Dims const& postPadding) noexcept override;
    nvinfer1::IResizeLayer* addResize(nvinfer1::ITensor& input) noexcept override;
    nvinfer1::IOneHotLayer* addOneHot(nvinfer1::ITensor& indices, nvinfer1::ITensor& values, nvinfer1::ITensor& depth,
                                      int32_t axis) noexcept override;
    nvinfer1::ISqueezeLayer* addSqueeze(nvinfer1::ITensor& input, nvinfer1::ITensor& axes) noexcept override;
    nvinfer1::IUnsqueezeLayer* addUnsqueeze(nvinfer1::ITensor& input, nvinfer1::ITensor& axes) noexcept override;
    // ---- adders: layers_plugin.cpp
    nvinfer1::IPluginV2Layer* addPluginV2(nvinfer1::ITensor* const* inputs, int32_t nbInputs,
                                          nvinfer1::IPluginV2& plugin) noexcept override;
    nvinfer1::IPluginV3Layer* addPluginV3(nvinfer1::ITensor* const* inputs, int32_t nbInputs,
                                          nvinfer1::ITensor* const* shapeInputs, int32_t nbShapeInputs,
                                          nvinfer1::IPluginV3& plugin) noexcept override;
    tenon::IOperatorLayer* addOperator(char const* domain, char const* name, int32_t version,
                                       tenon::OperatorAttribute const* attributes, int32_t nbAttributes,
                                       nvinfer1::ITensor* const* inputs, int32_t nbInputs,
                                       int32_t nbOutputs) noexcept override;
    bool hasOperator(char const* domain, char const* name) const noexcept override;

    // ---- for layers, tensors and lowering
    const Reporter& reporter() const { return mReporter; }
    ir::ExprPool& pool() const { return mPool; }
    const ops::OpRegistry& ops() const { return *mOps; }
    const std::shared_ptr<const ops::OpRegistry>& opsPtr() const { return mOps; }
    size_t layerCount() const { return mLayers.size(); }
    const std::vector<std::unique_ptr<LayerCore>>& layers() const { return mLayers; }
    const std::vector<Tensor*>& inputs() const { return mInputs; }
    const std::vector<Tensor*>& outputs() const { return mOutputs; }
    const std::string& name() const { return mName; }
    bool isOutput(const Tensor& tensor) const;
    bool isMarkedDebug(const Tensor& tensor) const { return mDebug.count(&tensor) > 0; }
    // "" if none was given.
    std::string weightsName(const void* values) const;

    Tensor* newTensor(std::string name, LayerCore* producer, int32_t index);
    void layerChanged(LayerCore& layer) noexcept;
    void inputChanged(Tensor& input) noexcept;
    // Infers what the tensor depends on, as far as it is not current. Reports the first failure, once.
    void infer(const Tensor& tensor);
    // Why inference of a layer failed; ok if it did not.
    const support::Status& inferenceStatus(const LayerCore& layer) const { return layer.mInferenceStatus; }
    // Layers in an order in which each comes after those it reads from. Error for a cycle.
    support::Result<std::vector<LayerCore*>> sortedLayers() const;
    // Tensors whose values decide dimensions somewhere.
    std::unordered_set<const Tensor*> shapeTensors() const;
    bool isShapeTensor(const Tensor& tensor) const { return shapeTensors().count(&tensor) > 0; }
    bool isExecutionTensor(const Tensor& tensor) const;
    // The type of an input with extents as symbols of `pool`; its elements too, where they may decide dimensions.
    EmitValue inputValue(const Tensor& input, size_t index, ir::ExprPool& pool, bool withElements) const;

    // "" if they are fit for a network input.
    static std::string whyNotInputDims(const Dims& dims);

private:
    const ops::OpDef* findOperator(const std::string& domain, const std::string& name) const;
    template <class L, class... Args>
    L* addLayer(const char* adder, std::initializer_list<nvinfer1::ITensor*> inputs, Args&&... args) noexcept;
    template <class L, class... Args>
    L* addLayerOf(const char* adder, std::vector<nvinfer1::ITensor*> inputs, Args&&... args) noexcept;
    bool refuse(const char* adder, std::string_view why) const noexcept;
    // Null with a report if a tensor is of another network.
    bool ownsAll(const char* adder, const std::vector<nvinfer1::ITensor*>& tensors) const;
    void inferLayer(LayerCore& layer);
    // Takes back the layer added last, which nothing uses yet.
    void removeLastLayer() noexcept;
    void invalidate(std::vector<LayerCore*> layers) noexcept;
    // The identifier of one thing; two things never share one, however alike their names are without special characters.
    std::string symbolFor(const std::string& what, const std::string& wanted) const;
    std::string symbolName(const Tensor& input, int32_t dim) const;
    mutable std::map<std::string, std::string> mSymbolNames; // by what they stand for

    nvinfer1::IBuilder& mBuilder;
    Reporter mReporter;
    std::shared_ptr<const ops::OpRegistry> mOps;
    nvinfer1::NetworkDefinitionCreationFlags mFlags;
    std::string mName;
    mutable ir::ExprPool mPool;
    std::vector<std::unique_ptr<Tensor>> mTensors;
    std::vector<std::unique_ptr<LayerCore>> mLayers;
    std::vector<Tensor*> mInputs;
    std::vector<Tensor*> mOutputs;
    std::vector<Tensor*> mShapeOutputs; // subset of mOutputs
    std::set<const Tensor*> mDebug;
    std::map<const void*, std::string> mWeightsNames;
    std::set<std::string> mRefittable;
};

template <class L, class... Args>
L* Network::addLayerOf(const char* adder, std::vector<nvinfer1::ITensor*> inputs, Args&&... args) noexcept {
    return guarded(mReporter, static_cast<L*>(nullptr), [&]() -> L* {
        if (!ownsAll(adder, inputs)) {
            return nullptr;
        }
        std::vector<Tensor*> tensors;
        for (nvinfer1::ITensor* input : inputs) {
            tensors.push_back(static_cast<Tensor*>(input));
        }
        auto layer = std::make_unique<L>(*this, std::move(tensors), std::forward<Args>(args)...);
        L* added = layer.get();
        mLayers.push_back(std::move(layer));
        return added;
    });
}

template <class L, class... Args>
L* Network::addLayer(const char* adder, std::initializer_list<nvinfer1::ITensor*> inputs, Args&&... args) noexcept {
    return addLayerOf<L>(adder, std::vector<nvinfer1::ITensor*>(inputs), std::forward<Args>(args)...);
}

} // namespace tenon::api
