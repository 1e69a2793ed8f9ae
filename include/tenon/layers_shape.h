// Layers that move, select or describe elements without computing on them.
#pragma once

#include "tenon/layer.h"

namespace nvinfer1 {

enum class GatherMode : int32_t {
    kDEFAULT = 0, // slices along one axis
    kELEMENT = 1, // one element per index
    kND = 2,      // slices by index tuples
};
TENON_ENUM_MAX(GatherMode, 3)

enum class ScatterMode : int32_t {
    kELEMENT = 0,
    kND = 1,
};
TENON_ENUM_MAX(ScatterMode, 2)

// What a read outside the tensor gives.
enum class SampleMode : int32_t {
    kSTRICT_BOUNDS = 0, // an error
    kDEFAULT = kSTRICT_BOUNDS,
    kWRAP = 1,
    kCLAMP = 2,
    kFILL = 3, // the fill value, 0 unless given
    kREFLECT = 4,
};
TENON_ENUM_MAX(SampleMode, 5)

using SliceMode = SampleMode;

enum class InterpolationMode : int32_t {
    kNEAREST = 0,
    kLINEAR = 1,
    kCUBIC = 2,
};
TENON_ENUM_MAX(InterpolationMode, 3)

using ResizeMode = InterpolationMode;

// Input coordinate of output index i.
enum class ResizeCoordinateTransformation : int32_t {
    kALIGN_CORNERS = 0, // i * (inputExtent - 1) / (outputExtent - 1)
    kASYMMETRIC = 1,    // i * inputExtent / outputExtent
    kHALF_PIXEL = 2,    // (i + 0.5) * inputExtent / outputExtent - 0.5
};
TENON_ENUM_MAX(ResizeCoordinateTransformation, 3)

// The coordinate to use when the output extent is 1.
enum class ResizeSelector : int32_t {
    kFORMULA = 0,
    kUPPER = 1,
};
TENON_ENUM_MAX(ResizeSelector, 2)

enum class ResizeRoundMode : int32_t {
    kHALF_UP = 0,
    kHALF_DOWN = 1,
    kFLOOR = 2,
    kCEIL = 3,
};
TENON_ENUM_MAX(ResizeRoundMode, 4)

class IConcatenationLayer : public ILayer {
public:
    virtual void setAxis(int32_t axis) noexcept = 0;
    virtual int32_t getAxis() const noexcept = 0;

protected:
    ~IConcatenationLayer() noexcept override = default;
};

class IGatherLayer : public ILayer {
public:
    virtual void setGatherAxis(int32_t axis) noexcept = 0;
    virtual int32_t getGatherAxis() const noexcept = 0;
    // Leading dimensions that data and indices share.
    virtual void setNbElementWiseDims(int32_t elementWiseDims) noexcept = 0;
    virtual int32_t getNbElementWiseDims() const noexcept = 0;
    virtual void setMode(GatherMode mode) noexcept = 0;
    virtual GatherMode getMode() const noexcept = 0;

protected:
    ~IGatherLayer() noexcept override = default;
};

class IScatterLayer : public ILayer {
public:
    virtual void setMode(ScatterMode mode) noexcept = 0;
    virtual ScatterMode getMode() const noexcept = 0;
    virtual void setAxis(int32_t axis) noexcept = 0;
    virtual int32_t getAxis() const noexcept = 0;

protected:
    ~IScatterLayer() noexcept override = default;
};

// Transpose, reshape, transpose. In the reshape 0 copies an input extent (unless zero is a plain number) and one -1 is
// inferred. Input 1 may give the reshape dimensions.
class IShuffleLayer : public ILayer {
public:
    virtual void setFirstTranspose(Permutation permutation) noexcept = 0;
    virtual Permutation getFirstTranspose() const noexcept = 0;
    virtual void setReshapeDimensions(Dims const& dimensions) noexcept = 0;
    // nbDims -1 when input 1 gives them, or when none are set.
    virtual Dims getReshapeDimensions() const noexcept = 0;
    virtual void setSecondTranspose(Permutation permutation) noexcept = 0;
    virtual Permutation getSecondTranspose() const noexcept = 0;
    virtual void setZeroIsPlaceholder(bool zeroIsPlaceholder) noexcept = 0;
    virtual bool getZeroIsPlaceholder() const noexcept = 0;

protected:
    ~IShuffleLayer() noexcept override = default;
};

// Optional inputs replace the static parameters: 1 = start, 2 = size, 3 = stride, 4 = fill value, 5 = axes.
class ISliceLayer : public ILayer {
public:
    virtual void setStart(Dims const& start) noexcept = 0;
    virtual Dims getStart() const noexcept = 0;
    virtual void setSize(Dims const& size) noexcept = 0;
    virtual Dims getSize() const noexcept = 0;
    virtual void setStride(Dims const& stride) noexcept = 0;
    virtual Dims getStride() const noexcept = 0;
    virtual void setMode(SampleMode mode) noexcept = 0;
    virtual SampleMode getMode() const noexcept = 0;
    virtual void setAxes(Dims const& axes) noexcept = 0;
    virtual Dims getAxes() const noexcept = 0;

protected:
    ~ISliceLayer() noexcept override = default;
};

// Output: the extents of the input, kINT64.
class IShapeLayer : public ILayer {
protected:
    ~IShapeLayer() noexcept override = default;
};

// Pads, or with negative amounts crops, the two innermost dimensions.
class IPaddingLayer : public ILayer {
public:
    virtual void setPrePaddingNd(Dims const& padding) noexcept = 0;
    virtual Dims getPrePaddingNd() const noexcept = 0;
    virtual void setPostPaddingNd(Dims const& padding) noexcept = 0;
    virtual Dims getPostPaddingNd() const noexcept = 0;

protected:
    ~IPaddingLayer() noexcept override = default;
};

// Input 1 may give the output dimensions.
class IResizeLayer : public ILayer {
public:
    virtual void setOutputDimensions(Dims const& dimensions) noexcept = 0;
    virtual Dims getOutputDimensions() const noexcept = 0;
    virtual void setScales(float const* scales, int32_t nbScales) noexcept = 0;
    // Writes up to `size` scales and returns how many there are; -1 if none were set.
    virtual int32_t getScales(int32_t size, float* scales) const noexcept = 0;
    virtual void setResizeMode(InterpolationMode interpolationMode) noexcept = 0;
    virtual InterpolationMode getResizeMode() const noexcept = 0;
    virtual void setCoordinateTransformation(ResizeCoordinateTransformation coordTransform) noexcept = 0;
    virtual ResizeCoordinateTransformation getCoordinateTransformation() const noexcept = 0;
    virtual void setSelectorForSinglePixel(ResizeSelector selector) noexcept = 0;
    virtual ResizeSelector getSelectorForSinglePixel() const noexcept = 0;
    virtual void setNearestRounding(ResizeRoundMode value) noexcept = 0;
    virtual ResizeRoundMode getNearestRounding() const noexcept = 0;
    virtual void setCubicCoeff(float A) noexcept = 0;
    virtual float getCubicCoeff() const noexcept = 0;
    virtual void setExcludeOutside(bool excludeFlag) noexcept = 0;
    virtual bool getExcludeOutside() const noexcept = 0;

protected:
    ~IResizeLayer() noexcept override = default;
};

// Inputs: indices, values [off, on], depth.
class IOneHotLayer : public ILayer {
public:
    virtual void setAxis(int32_t axis) noexcept = 0;
    virtual int32_t getAxis() const noexcept = 0;

protected:
    ~IOneHotLayer() noexcept override = default;
};

// Inputs: tensor, axes (constant at build time).
class ISqueezeLayer : public ILayer {
protected:
    ~ISqueezeLayer() noexcept override = default;
};

// Inputs: tensor, axes (constant at build time).
class IUnsqueezeLayer : public ILayer {
protected:
    ~IUnsqueezeLayer() noexcept override = default;
};

} // namespace nvinfer1
