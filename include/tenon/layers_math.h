// Layers that compute element by element, reduce, or make tensors: no weights, no windows.
#pragma once

#include "tenon/layer.h"

namespace nvinfer1 {

enum class ElementWiseOperation : int32_t {
    kSUM = 0,
    kPROD = 1,
    kMAX = 2,
    kMIN = 3,
    kSUB = 4,
    kDIV = 5,
    kPOW = 6,
    kFLOOR_DIV = 7,
    kAND = 8,
    kOR = 9,
    kXOR = 10,
    kEQUAL = 11,
    kGREATER = 12,
    kLESS = 13,
};
TENON_ENUM_MAX(ElementWiseOperation, 14)

enum class UnaryOperation : int32_t {
    kEXP = 0,
    kLOG = 1,
    kSQRT = 2,
    kRECIP = 3,
    kABS = 4,
    kNEG = 5,
    kSIN = 6,
    kCOS = 7,
    kTAN = 8,
    kSINH = 9,
    kCOSH = 10,
    kASIN = 11,
    kACOS = 12,
    kATAN = 13,
    kASINH = 14,
    kACOSH = 15,
    kATANH = 16,
    kCEIL = 17,
    kFLOOR = 18,
    kERF = 19,
    kNOT = 20,
    kSIGN = 21,
    kROUND = 22, // ties go to even
    kISINF = 23,
    kISNAN = 24,
};
TENON_ENUM_MAX(UnaryOperation, 25)

enum class ReduceOperation : int32_t {
    kSUM = 0,
    kPROD = 1,
    kMAX = 2,
    kMIN = 3,
    kAVG = 4,
    kNONE = 5, // for collectives that do not reduce
};
TENON_ENUM_MAX(ReduceOperation, 6)

enum class TopKOperation : int32_t {
    kMAX = 0,
    kMIN = 1,
};
TENON_ENUM_MAX(TopKOperation, 2)

enum class FillOperation : int32_t {
    kLINSPACE = 0,
    kRANDOM_UNIFORM = 1,
    kRANDOM_NORMAL = 2,
};
TENON_ENUM_MAX(FillOperation, 3)

enum class CumulativeOperation : int32_t {
    kSUM = 0,
};
TENON_ENUM_MAX(CumulativeOperation, 1)

// Inputs broadcast where an extent is 1; their ranks must agree.
class IElementWiseLayer : public ILayer {
public:
    virtual void setOperation(ElementWiseOperation op) noexcept = 0;
    virtual ElementWiseOperation getOperation() const noexcept = 0;

protected:
    ~IElementWiseLayer() noexcept override = default;
};

class IUnaryLayer : public ILayer {
public:
    virtual void setOperation(UnaryOperation op) noexcept = 0;
    virtual UnaryOperation getOperation() const noexcept = 0;

protected:
    ~IUnaryLayer() noexcept override = default;
};

class IReduceLayer : public ILayer {
public:
    virtual void setOperation(ReduceOperation op) noexcept = 0;
    virtual ReduceOperation getOperation() const noexcept = 0;
    virtual void setReduceAxes(uint32_t reduceAxes) noexcept = 0;
    virtual uint32_t getReduceAxes() const noexcept = 0;
    virtual void setKeepDimensions(bool keepDimensions) noexcept = 0;
    virtual bool getKeepDimensions() const noexcept = 0;

protected:
    ~IReduceLayer() noexcept override = default;
};

// Outputs: values, indices. Input 1 may give k as a tensor.
class ITopKLayer : public ILayer {
public:
    virtual void setOperation(TopKOperation op) noexcept = 0;
    virtual TopKOperation getOperation() const noexcept = 0;
    virtual void setK(int32_t k) noexcept = 0;
    virtual int32_t getK() const noexcept = 0;
    virtual void setReduceAxes(uint32_t reduceAxes) noexcept = 0;
    virtual uint32_t getReduceAxes() const noexcept = 0;
    // kINT32 (default) or kINT64; false for another type.
    virtual bool setIndicesType(DataType type) noexcept = 0;
    virtual DataType getIndicesType() const noexcept = 0;

protected:
    ~ITopKLayer() noexcept override = default;
};

// Inputs: condition, value where true, value where false.
class ISelectLayer : public ILayer {
protected:
    ~ISelectLayer() noexcept override = default;
};

// Fails the build or the execution with the message when an element of the condition is false. No output.
class IAssertionLayer : public ILayer {
public:
    virtual void setMessage(char const* message) noexcept = 0;
    virtual char const* getMessage() const noexcept = 0;

protected:
    ~IAssertionLayer() noexcept override = default;
};

// Inputs, all optional: 0 = dimensions, 1 = start or minimum or mean, 2 = step or maximum or deviation.
class IFillLayer : public ILayer {
public:
    virtual void setDimensions(Dims const& dimensions) noexcept = 0;
    virtual Dims getDimensions() const noexcept = 0;
    virtual void setOperation(FillOperation op) noexcept = 0;
    virtual FillOperation getOperation() const noexcept = 0;
    virtual void setAlpha(double alpha) noexcept = 0;
    virtual double getAlpha() const noexcept = 0;
    virtual void setBeta(double beta) noexcept = 0;
    virtual double getBeta() const noexcept = 0;
    virtual void setAlphaInt64(int64_t alpha) noexcept = 0;
    virtual int64_t getAlphaInt64() const noexcept = 0;
    virtual void setBetaInt64(int64_t beta) noexcept = 0;
    virtual int64_t getBetaInt64() const noexcept = 0;
    virtual bool isAlphaBetaInt64() const noexcept = 0;
    virtual void setToType(DataType toType) noexcept = 0;
    virtual DataType getToType() const noexcept = 0;

protected:
    ~IFillLayer() noexcept override = default;
};

// Inputs: tensor, axis (a scalar).
class ICumulativeLayer : public ILayer {
public:
    virtual bool setOperation(CumulativeOperation op) noexcept = 0;
    virtual CumulativeOperation getOperation() const noexcept = 0;
    virtual void setExclusive(bool exclusive) noexcept = 0;
    virtual bool getExclusive() const noexcept = 0;
    virtual void setReverse(bool reverse) noexcept = 0;
    virtual bool getReverse() const noexcept = 0;

protected:
    ~ICumulativeLayer() noexcept override = default;
};

class IEinsumLayer : public ILayer {
public:
    // False if the equation does not parse or does not fit the inputs; the old one then stays.
    virtual bool setEquation(char const* equation) noexcept = 0;
    virtual char const* getEquation() const noexcept = 0;

protected:
    ~IEinsumLayer() noexcept override = default;
};

class IConstantLayer : public ILayer {
public:
    virtual void setWeights(Weights weights) noexcept = 0;
    virtual Weights getWeights() const noexcept = 0;
    virtual void setDimensions(Dims const& dimensions) noexcept = 0;
    virtual Dims getDimensions() const noexcept = 0;

protected:
    ~IConstantLayer() noexcept override = default;
};

class IIdentityLayer : public ILayer {
protected:
    ~IIdentityLayer() noexcept override = default;
};

class ICastLayer : public ILayer {
public:
    virtual void setToType(DataType toType) noexcept = 0;
    virtual DataType getToType() const noexcept = 0;

protected:
    ~ICastLayer() noexcept override = default;
};

// Real numbers to a narrow type: x / scale, rounded to even, plus the zero point, clamped. Inputs: tensor, scale (one
// element, or one per index of the axis); optionally 2 = zero point.
class IQuantizeLayer : public ILayer {
public:
    // -1 if not set, which a scale of one element does not need.
    virtual int32_t getAxis() const noexcept = 0;
    virtual void setAxis(int32_t axis) noexcept = 0;
    virtual void setToType(DataType toType) noexcept = 0;
    virtual DataType getToType() const noexcept = 0;

protected:
    ~IQuantizeLayer() noexcept override = default;
};

// A narrow type to real numbers: (x - zero point) * scale. Inputs as those of IQuantizeLayer.
class IDequantizeLayer : public ILayer {
public:
    virtual int32_t getAxis() const noexcept = 0;
    virtual void setAxis(int32_t axis) noexcept = 0;
    virtual void setToType(DataType toType) noexcept = 0;
    virtual DataType getToType() const noexcept = 0;

protected:
    ~IDequantizeLayer() noexcept override = default;
};

} // namespace nvinfer1
