// Layers with weights or windows: convolution, pooling, normalisation, activation, matrix product.
#pragma once

#include "tenon/layer.h"

namespace nvinfer1 {

enum class ActivationType : int32_t {
    kRELU = 0,
    kSIGMOID = 1,
    kTANH = 2,
    kLEAKY_RELU = 3,        // x >= 0 ? x : alpha * x
    kELU = 4,               // x >= 0 ? x : alpha * (exp(x) - 1)
    kSELU = 5,              // x > 0 ? beta * x : beta * (alpha * exp(x) - alpha)
    kSOFTSIGN = 6,          // x / (1 + |x|)
    kSOFTPLUS = 7,          // alpha * log(exp(beta * x) + 1)
    kCLIP = 8,              // max(alpha, min(beta, x))
    kHARD_SIGMOID = 9,      // max(0, min(1, alpha * x + beta))
    kSCALED_TANH = 10,      // alpha * tanh(beta * x)
    kTHRESHOLDED_RELU = 11, // x > alpha ? x : 0
    kGELU_ERF = 12,
    kGELU_TANH = 13,
};
TENON_ENUM_MAX(ActivationType, 14)

// How padding follows from kernel, stride and explicit amounts.
enum class PaddingMode : int32_t {
    kEXPLICIT_ROUND_DOWN = 0, // given amounts, output extent rounded down
    kEXPLICIT_ROUND_UP = 1,   // given amounts, output extent rounded up
    kSAME_UPPER = 2,          // output extent ceil(input / stride), the odd element goes to the end
    kSAME_LOWER = 3,          // as above, the odd element goes to the beginning
    kCAFFE_ROUND_DOWN = 4,    // 8.x: symmetric amounts, rounded down
    kCAFFE_ROUND_UP = 5,      // 8.x: symmetric amounts, rounded up
};
TENON_ENUM_MAX(PaddingMode, 4)

enum class PoolingType : int32_t {
    kMAX = 0,
    kAVERAGE = 1,
    kMAX_AVERAGE_BLEND = 2, // (1 - blend) * max + blend * average
};
TENON_ENUM_MAX(PoolingType, 3)

enum class ScaleMode : int32_t {
    kUNIFORM = 0,
    kCHANNEL = 1,
    kELEMENTWISE = 2,
};
TENON_ENUM_MAX(ScaleMode, 3)

enum class MatrixOperation : int32_t {
    kNONE = 0,
    kTRANSPOSE = 1, // the last two dimensions are exchanged
    kVECTOR = 2,    // the last dimension is a vector, the others are batch
};
TENON_ENUM_MAX(MatrixOperation, 3)

// Inputs: tensor; optionally 1 = kernel, 2 = bias, in place of the weights.
class IConvolutionLayer : public ILayer {
public:
    virtual void setNbOutputMaps(int64_t nbOutputMaps) noexcept = 0;
    virtual int64_t getNbOutputMaps() const noexcept = 0;
    virtual void setNbGroups(int64_t nbGroups) noexcept = 0;
    virtual int64_t getNbGroups() const noexcept = 0;
    virtual void setKernelWeights(Weights weights) noexcept = 0;
    virtual Weights getKernelWeights() const noexcept = 0;
    virtual void setBiasWeights(Weights weights) noexcept = 0;
    virtual Weights getBiasWeights() const noexcept = 0;
    virtual void setPrePadding(Dims const& padding) noexcept = 0;
    virtual Dims getPrePadding() const noexcept = 0;
    virtual void setPostPadding(Dims const& padding) noexcept = 0;
    virtual Dims getPostPadding() const noexcept = 0;
    virtual void setPaddingMode(PaddingMode paddingMode) noexcept = 0;
    virtual PaddingMode getPaddingMode() const noexcept = 0;
    virtual void setKernelSizeNd(Dims const& kernelSize) noexcept = 0;
    virtual Dims getKernelSizeNd() const noexcept = 0;
    virtual void setStrideNd(Dims const& stride) noexcept = 0;
    virtual Dims getStrideNd() const noexcept = 0;
    // Sets both sides. The getter reports an error when the sides differ.
    virtual void setPaddingNd(Dims const& padding) noexcept = 0;
    virtual Dims getPaddingNd() const noexcept = 0;
    virtual void setDilationNd(Dims const& dilation) noexcept = 0;
    virtual Dims getDilationNd() const noexcept = 0;

protected:
    ~IConvolutionLayer() noexcept override = default;
};

// Inputs: tensor; optionally 1 = kernel, 2 = bias, in place of the weights.
class IDeconvolutionLayer : public ILayer {
public:
    virtual void setNbOutputMaps(int64_t nbOutputMaps) noexcept = 0;
    virtual int64_t getNbOutputMaps() const noexcept = 0;
    virtual void setNbGroups(int64_t nbGroups) noexcept = 0;
    virtual int64_t getNbGroups() const noexcept = 0;
    virtual void setKernelWeights(Weights weights) noexcept = 0;
    virtual Weights getKernelWeights() const noexcept = 0;
    virtual void setBiasWeights(Weights weights) noexcept = 0;
    virtual Weights getBiasWeights() const noexcept = 0;
    virtual void setPrePadding(Dims const& padding) noexcept = 0;
    virtual Dims getPrePadding() const noexcept = 0;
    virtual void setPostPadding(Dims const& padding) noexcept = 0;
    virtual Dims getPostPadding() const noexcept = 0;
    virtual void setPaddingMode(PaddingMode paddingMode) noexcept = 0;
    virtual PaddingMode getPaddingMode() const noexcept = 0;
    virtual void setKernelSizeNd(Dims const& kernelSize) noexcept = 0;
    virtual Dims getKernelSizeNd() const noexcept = 0;
    virtual void setStrideNd(Dims const& stride) noexcept = 0;
    virtual Dims getStrideNd() const noexcept = 0;
    virtual void setPaddingNd(Dims const& padding) noexcept = 0;
    virtual Dims getPaddingNd() const noexcept = 0;
    virtual void setDilationNd(Dims const& dilation) noexcept = 0;
    virtual Dims getDilationNd() const noexcept = 0;

protected:
    ~IDeconvolutionLayer() noexcept override = default;
};

class IActivationLayer : public ILayer {
public:
    virtual void setActivationType(ActivationType type) noexcept = 0;
    virtual ActivationType getActivationType() const noexcept = 0;
    virtual void setAlpha(float alpha) noexcept = 0;
    virtual void setBeta(float beta) noexcept = 0;
    virtual float getAlpha() const noexcept = 0;
    virtual float getBeta() const noexcept = 0;

protected:
    ~IActivationLayer() noexcept override = default;
};

class IPoolingLayer : public ILayer {
public:
    virtual void setPoolingType(PoolingType type) noexcept = 0;
    virtual PoolingType getPoolingType() const noexcept = 0;
    virtual void setBlendFactor(float blendFactor) noexcept = 0;
    virtual float getBlendFactor() const noexcept = 0;
    // Whether an average divides by the elements inside the tensor only. On by default.
    virtual void setAverageCountExcludesPadding(bool exclusive) noexcept = 0;
    virtual bool getAverageCountExcludesPadding() const noexcept = 0;
    virtual void setPrePadding(Dims const& padding) noexcept = 0;
    virtual Dims getPrePadding() const noexcept = 0;
    virtual void setPostPadding(Dims const& padding) noexcept = 0;
    virtual Dims getPostPadding() const noexcept = 0;
    virtual void setPaddingMode(PaddingMode paddingMode) noexcept = 0;
    virtual PaddingMode getPaddingMode() const noexcept = 0;
    virtual void setWindowSizeNd(Dims const& windowSize) noexcept = 0;
    virtual Dims getWindowSizeNd() const noexcept = 0;
    virtual void setStrideNd(Dims const& stride) noexcept = 0;
    virtual Dims getStrideNd() const noexcept = 0;
    virtual void setPaddingNd(Dims const& padding) noexcept = 0;
    virtual Dims getPaddingNd() const noexcept = 0;

protected:
    ~IPoolingLayer() noexcept override = default;
};

// x / (k + alpha / window * sum of squares over neighbouring channels) ^ beta
class ILRNLayer : public ILayer {
public:
    virtual void setWindowSize(int64_t windowSize) noexcept = 0;
    virtual int64_t getWindowSize() const noexcept = 0;
    virtual void setAlpha(float alpha) noexcept = 0;
    virtual float getAlpha() const noexcept = 0;
    virtual void setBeta(float beta) noexcept = 0;
    virtual float getBeta() const noexcept = 0;
    virtual void setK(float k) noexcept = 0;
    virtual float getK() const noexcept = 0;

protected:
    ~ILRNLayer() noexcept override = default;
};

// (x * scale + shift) ^ power, each a number, one per channel or one per element.
class IScaleLayer : public ILayer {
public:
    virtual void setMode(ScaleMode mode) noexcept = 0;
    virtual ScaleMode getMode() const noexcept = 0;
    virtual void setShift(Weights shift) noexcept = 0;
    virtual Weights getShift() const noexcept = 0;
    virtual void setScale(Weights scale) noexcept = 0;
    virtual Weights getScale() const noexcept = 0;
    virtual void setPower(Weights power) noexcept = 0;
    virtual Weights getPower() const noexcept = 0;
    virtual int32_t getChannelAxis() const noexcept = 0;
    virtual void setChannelAxis(int32_t channelAxis) noexcept = 0;

protected:
    ~IScaleLayer() noexcept override = default;
};

class ISoftMaxLayer : public ILayer {
public:
    // Exactly one bit. The default axis is max(0, rank - 3).
    virtual void setAxes(uint32_t axes) noexcept = 0;
    virtual uint32_t getAxes() const noexcept = 0;

protected:
    ~ISoftMaxLayer() noexcept override = default;
};

class IMatrixMultiplyLayer : public ILayer {
public:
    virtual void setOperation(int32_t index, MatrixOperation op) noexcept = 0;
    virtual MatrixOperation getOperation(int32_t index) const noexcept = 0;

protected:
    ~IMatrixMultiplyLayer() noexcept override = default;
};

// Inputs: tensor, slope for negative elements.
class IParametricReLULayer : public ILayer {
protected:
    ~IParametricReLULayer() noexcept override = default;
};

// (x - mean) / sqrt(variance + epsilon) * scale + bias, over the axes and groups given. Inputs: tensor, scale, bias.
class INormalizationLayer : public ILayer {
public:
    virtual void setEpsilon(float eps) noexcept = 0;
    virtual float getEpsilon() const noexcept = 0;
    virtual void setAxes(uint32_t axesMask) noexcept = 0;
    virtual uint32_t getAxes() const noexcept = 0;
    // Groups of channels that are normalised together; with more than 1 the channel axis must not be in the mask.
    virtual void setNbGroups(int64_t nbGroups) noexcept = 0;
    virtual int64_t getNbGroups() const noexcept = 0;
    virtual void setComputePrecision(DataType type) noexcept = 0;
    virtual DataType getComputePrecision() const noexcept = 0;
    // Whether addNormalizationV2 made it: scale and bias then broadcast from [1, C, 1, ...].
    virtual bool isV2() const noexcept = 0;

protected:
    ~INormalizationLayer() noexcept override = default;
};

} // namespace nvinfer1
