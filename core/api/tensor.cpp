#include "core/api/tensor.h"

#include "core/api/layer_core.h"
#include "core/api/network.h"

#include <cmath>

namespace tenon::api {

using nvinfer1::ErrorCode;
using support::cat;

namespace {
constexpr size_t kMaxName = 4095;
}

Tensor::Tensor(Network& network, std::string name, LayerCore* producer, int32_t index)
    : mNetwork(network), mName(std::move(name)), mProducer(producer), mIndex(index) {}

void Tensor::setName(char const* name) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        if (name == nullptr || std::string_view(name).size() > kMaxName) {
            mNetwork.reporter().error(
                ErrorCode::kINVALID_ARGUMENT,
                cat("ITensor::setName of '", mName, "': the name must have at most ", kMaxName, " characters"));
            return 0;
        }
        mName = name;
        return 0;
    });
}

void Tensor::setDimensions(nvinfer1::Dims const& dimensions) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        if (!isNetworkInput()) {
            mNetwork.reporter().error(
                ErrorCode::kINVALID_ARGUMENT,
                cat("ITensor::setDimensions: '", mName, "' is no network input; its dimensions follow from its layer"));
            return 0;
        }
        if (const std::string why = Network::whyNotInputDims(dimensions); !why.empty()) {
            mNetwork.reporter().error(ErrorCode::kINVALID_ARGUMENT,
                                      cat("ITensor::setDimensions of '", mName, "': ", why));
            return 0;
        }
        mDims = dimensions;
        mNetwork.inputChanged(*this);
        return 0;
    });
}

nvinfer1::Dims Tensor::getDimensions() const noexcept {
    if (isNetworkInput()) {
        return mDims;
    }
    return guarded(mNetwork.reporter(), invalidDims(), [&] {
        const EmitValue* known = inferred();
        return known == nullptr ? invalidDims() : toDims(known->type, mNetwork.pool());
    });
}

void Tensor::setType(nvinfer1::DataType type) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        if (!toIr(type)) {
            mNetwork.reporter().error(ErrorCode::kINVALID_ARGUMENT, cat("ITensor::setType of '", mName, "': ",
                                                                        api::nameOf(type), " is no element type"));
        } else if (isNetworkInput()) {
            mType = type;
            mNetwork.inputChanged(*this);
        } else if (isNetworkOutput()) {
            mRequestedType = type;
        } else {
            mNetwork.reporter().warning(
                cat("ITensor::setType: '", mName, "' is neither a network input nor an output; its type stays"));
        }
        return 0;
    });
}

nvinfer1::DataType Tensor::getType() const noexcept {
    if (isNetworkInput()) {
        return mType;
    }
    if (mRequestedType) {
        return *mRequestedType;
    }
    return guarded(mNetwork.reporter(), nvinfer1::DataType::kFLOAT, [&] {
        const EmitValue* known = inferred();
        return known == nullptr ? nvinfer1::DataType::kFLOAT : toPublic(known->type.dtype);
    });
}

bool Tensor::setDynamicRange(float min, float max) noexcept {
    if (!std::isfinite(min) || !std::isfinite(max) || min > max) {
        return false;
    }
    mRangeMin = min;
    mRangeMax = max;
    mRangeSet = true;
    return true;
}

bool Tensor::isNetworkInput() const noexcept { return mProducer == nullptr; }

bool Tensor::isNetworkOutput() const noexcept { return mNetwork.isOutput(*this); }

void Tensor::setBroadcastAcrossBatch(bool) noexcept {
    mNetwork.reporter().warning(
        "ITensor::setBroadcastAcrossBatch has no effect: networks have no implicit batch dimension");
}

void Tensor::setLocation(nvinfer1::TensorLocation location) noexcept {
    if (location != nvinfer1::TensorLocation::kDEVICE) {
        mNetwork.reporter().error(ErrorCode::kINVALID_ARGUMENT,
                                  "ITensor::setLocation: the location of a tensor is the builder's choice");
    }
}

float Tensor::getDynamicRangeMin() const noexcept {
    return mRangeSet ? mRangeMin : std::numeric_limits<float>::quiet_NaN();
}

float Tensor::getDynamicRangeMax() const noexcept {
    return mRangeSet ? mRangeMax : std::numeric_limits<float>::quiet_NaN();
}

bool Tensor::isShapeTensor() const noexcept {
    return guarded(mNetwork.reporter(), false, [&] { return mNetwork.isShapeTensor(*this); });
}

bool Tensor::isExecutionTensor() const noexcept {
    return guarded(mNetwork.reporter(), true, [&] { return mNetwork.isExecutionTensor(*this); });
}

void Tensor::setDimensionName(int32_t index, char const* name) noexcept {
    guarded(mNetwork.reporter(), 0, [&] {
        if (index < 0 || index >= nvinfer1::Dims::MAX_DIMS) {
            mNetwork.reporter().error(ErrorCode::kINVALID_ARGUMENT,
                                      cat("ITensor::setDimensionName of '", mName, "': no dimension ", index));
            return 0;
        }
        mDimensionNames[static_cast<size_t>(index)] = name == nullptr ? "" : name;
        if (isNetworkInput()) {
            mNetwork.inputChanged(*this);
        }
        return 0;
    });
}

char const* Tensor::getDimensionName(int32_t index) const noexcept {
    if (index < 0 || index >= nvinfer1::Dims::MAX_DIMS || mDimensionNames[static_cast<size_t>(index)].empty()) {
        return nullptr;
    }
    return mDimensionNames[static_cast<size_t>(index)].c_str();
}

const EmitValue* Tensor::inferred() const {
    mNetwork.infer(*this);
    return mEmittedValid ? &mEmitted : nullptr;
}

} // namespace tenon::api
