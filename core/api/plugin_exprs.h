// IExprBuilder over an expression pool: what plugins compute their output extents with.
// Used by plugin layers while they infer types; one object per call of the plugin. Not thread-safe.
#pragma once

#include "core/ir/tensor_type.h"
#include "tenon/dims.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

class DimensionExpression final : public nvinfer1::IDimensionExpr {
public:
    DimensionExpression(const ir::ExprPool& pool, ir::DimExpr expr, bool sizeTensor)
        : mPool(pool), mExpr(expr), mSizeTensor(sizeTensor) {}
    ~DimensionExpression() noexcept override = default;

    bool isConstant() const noexcept override { return mExpr.valid() && mPool.isConstant(mExpr); }
    int64_t getConstantValue() const noexcept override { return isConstant() ? mPool.constantValue(mExpr) : INT64_MIN; }
    bool isSizeTensor() const noexcept override { return mSizeTensor; }
    ir::DimExpr expr() const noexcept { return mExpr; }

private:
    const ir::ExprPool& mPool;
    ir::DimExpr mExpr; // invalid: an extent that is not known when the plan is built
    bool mSizeTensor;
};

class ExpressionBuilder final : public nvinfer1::IExprBuilder {
public:
    explicit ExpressionBuilder(ir::ExprPool& pool) : mPool(pool) {}
    ~ExpressionBuilder() noexcept override = default;

    nvinfer1::IDimensionExpr const* constant(int64_t value) noexcept override;
    nvinfer1::IDimensionExpr const* operation(nvinfer1::DimensionOperation op, nvinfer1::IDimensionExpr const& first,
                                              nvinfer1::IDimensionExpr const& second) noexcept override;
    nvinfer1::IDimensionExpr const* declareSizeTensor(int32_t outputIndex, nvinfer1::IDimensionExpr const& opt,
                                                      nvinfer1::IDimensionExpr const& upper) noexcept override;

    // The extents of a tensor, or known integers, for a plugin to look at.
    nvinfer1::DimsExprs describe(const std::vector<ir::DimExpr>& extents);
    // Back again. Nothing where the plugin gave no extents or too many.
    static std::optional<std::vector<ir::DimExpr>> extentsOf(const nvinfer1::DimsExprs& dims);
    bool declaredSizeTensor() const { return mSizeTensors; }

private:
    const DimensionExpression* keep(ir::DimExpr expr, bool sizeTensor = false);

    ir::ExprPool& mPool;
    std::vector<std::unique_ptr<DimensionExpression>> mExpressions;
    bool mSizeTensors = false;
};

} // namespace tenon::api
