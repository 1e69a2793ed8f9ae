// Tensor dimensions, permutations and the symbolic dimension expressions that plugins compute output shapes with.
// Used by network, runtime and plugin headers; must not know tensors or layers.
#pragma once

#include "tenon/types.h"

namespace nvinfer1 {

// Extents of a tensor. nbDims == -1 with d[] == 0 is "invalid", with d[] == -1 "rank unknown"; an extent of -1 is not
// known until run time.
class Dims64 {
public:
    static constexpr int32_t MAX_DIMS{8};

    int32_t nbDims;
    int64_t d[MAX_DIMS];
};

// The name that 8.x had. Same type: the extents are 64 bits wide everywhere.
using Dims32 = Dims64;

class Dims2 : public Dims {
public:
    Dims2() : Dims2(0, 0) {}
    Dims2(int64_t d0, int64_t d1) {
        nbDims = 2;
        d[0] = d0;
        d[1] = d1;
        for (int32_t i = nbDims; i < MAX_DIMS; ++i) {
            d[i] = 0;
        }
    }
};

class DimsHW : public Dims2 {
public:
    DimsHW() : Dims2() {}
    DimsHW(int64_t height, int64_t width) : Dims2(height, width) {}

    int64_t& h() { return d[0]; }
    int64_t h() const { return d[0]; }
    int64_t& w() { return d[1]; }
    int64_t w() const { return d[1]; }
};

class Dims3 : public Dims2 {
public:
    Dims3() : Dims3(0, 0, 0) {}
    Dims3(int64_t d0, int64_t d1, int64_t d2) : Dims2(d0, d1) {
        nbDims = 3;
        d[2] = d2;
    }
};

class Dims4 : public Dims3 {
public:
    Dims4() : Dims4(0, 0, 0, 0) {}
    Dims4(int64_t d0, int64_t d1, int64_t d2, int64_t d3) : Dims3(d0, d1, d2) {
        nbDims = 4;
        d[3] = d3;
    }
};

// Dimension i of the result is dimension order[i] of the operand.
struct Permutation {
    int32_t order[Dims::MAX_DIMS];
};

enum class DimensionOperation : int32_t {
    kSUM = 0,
    kPROD = 1,
    kMAX = 2,
    kMIN = 3,
    kSUB = 4,
    kEQUAL = 5, // 1 if equal, else 0
    kLESS = 6,  // 1 if the first is less, else 0
    kFLOOR_DIV = 7,
    kCEIL_DIV = 8,
};
TENON_ENUM_MAX(DimensionOperation, 9)

// An integer expression over input extents. Owned by the builder that made it, valid while the plugin call lasts.
class IDimensionExpr : public INoCopy {
public:
    virtual bool isConstant() const noexcept = 0;
    // The value if constant, else the smallest int64_t.
    virtual int64_t getConstantValue() const noexcept = 0;
    // Whether this stands for an output's extent that only execution determines.
    virtual bool isSizeTensor() const noexcept = 0;

protected:
    ~IDimensionExpr() noexcept override = default;
};

// Makes dimension expressions; handed to a plugin for the duration of one call. Not thread-safe.
class IExprBuilder : public INoCopy {
public:
    virtual IDimensionExpr const* constant(int64_t value) noexcept = 0;
    // Null if `op` is not a DimensionOperation.
    virtual IDimensionExpr const* operation(DimensionOperation op, IDimensionExpr const& first,
                                            IDimensionExpr const& second) noexcept = 0;
    // Declares that output `outputIndex` is a scalar holding an extent: `opt` is the value to tune for, `upper` a bound.
    virtual IDimensionExpr const* declareSizeTensor(int32_t outputIndex, IDimensionExpr const& opt,
                                                    IDimensionExpr const& upper) noexcept = 0;

protected:
    ~IExprBuilder() noexcept override = default;
};

class DimsExprs {
public:
    int32_t nbDims;
    IDimensionExpr const* d[Dims::MAX_DIMS];
};

} // namespace nvinfer1
