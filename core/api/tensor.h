// ITensor's implementation: a network input, or an output of a layer whose type is inferred when somebody asks.
// Used by Network and the layers.
#pragma once

#include "core/api/emitter.h"
#include "tenon/layer.h"

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

class LayerCore;
class Network;

class Tensor final : public nvinfer1::ITensor {
public:
    // A network input when `producer` is null.
    Tensor(Network& network, std::string name, LayerCore* producer, int32_t index);
    ~Tensor() noexcept override = default;

    void setName(char const* name) noexcept override;
    char const* getName() const noexcept override { return mName.c_str(); }
    void setDimensions(nvinfer1::Dims const& dimensions) noexcept override;
    nvinfer1::Dims getDimensions() const noexcept override;
    void setType(nvinfer1::DataType type) noexcept override;
    nvinfer1::DataType getType() const noexcept override;
    bool setDynamicRange(float min, float max) noexcept override;
    bool isNetworkInput() const noexcept override;
    bool isNetworkOutput() const noexcept override;
    void setBroadcastAcrossBatch(bool broadcastAcrossBatch) noexcept override;
    bool getBroadcastAcrossBatch() const noexcept override { return false; }
    nvinfer1::TensorLocation getLocation() const noexcept override { return nvinfer1::TensorLocation::kDEVICE; }
    void setLocation(nvinfer1::TensorLocation location) noexcept override;
    bool dynamicRangeIsSet() const noexcept override { return mRangeSet; }
    void resetDynamicRange() noexcept override { mRangeSet = false; }
    float getDynamicRangeMin() const noexcept override;
    float getDynamicRangeMax() const noexcept override;
    void setAllowedFormats(nvinfer1::TensorFormats formats) noexcept override { mAllowedFormats = formats; }
    nvinfer1::TensorFormats getAllowedFormats() const noexcept override { return mAllowedFormats; }
    bool isShapeTensor() const noexcept override;
    bool isExecutionTensor() const noexcept override;
    void setDimensionName(int32_t index, char const* name) noexcept override;
    char const* getDimensionName(int32_t index) const noexcept override;

    Network& network() const { return mNetwork; }
    LayerCore* producer() const { return mProducer; }
    int32_t index() const { return mIndex; }
    const std::string& name() const { return mName; }

    // Of a network input.
    const nvinfer1::Dims& declaredDims() const { return mDims; }
    nvinfer1::DataType declaredType() const { return mType; }
    const std::string& dimensionName(int32_t index) const { return mDimensionNames[static_cast<size_t>(index)]; }
    // What a network output is asked to be cast to.
    const std::optional<nvinfer1::DataType>& requestedType() const { return mRequestedType; }

    // The inferred type; null where inference failed. Infers what is needed first.
    const EmitValue* inferred() const;

private:
    friend class Network;
    friend class LayerCore;

    Network& mNetwork;
    std::string mName;
    LayerCore* mProducer;
    int32_t mIndex;
    nvinfer1::Dims mDims{0, {}};
    nvinfer1::DataType mType = nvinfer1::DataType::kFLOAT;
    std::optional<nvinfer1::DataType> mRequestedType;
    nvinfer1::TensorFormats mAllowedFormats = (1U << nvinfer1::EnumMax<nvinfer1::TensorFormat>()) - 1U;
    std::array<std::string, nvinfer1::Dims::MAX_DIMS> mDimensionNames;
    bool mRangeSet = false;
    float mRangeMin = 0;
    float mRangeMax = 0;
    EmitValue mEmitted;
    bool mEmittedValid = false;
    std::vector<LayerCore*> mConsumers; // one entry per use
};

} // namespace tenon::api
