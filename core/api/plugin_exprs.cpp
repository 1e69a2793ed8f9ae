#include "core/api/plugin_exprs.h"

namespace tenon::api {

using nvinfer1::DimensionOperation;
using nvinfer1::IDimensionExpr;

const DimensionExpression* ExpressionBuilder::keep(ir::DimExpr expr, bool sizeTensor) {
    mExpressions.push_back(std::make_unique<DimensionExpression>(mPool, expr, sizeTensor));
    return mExpressions.back().get();
}

IDimensionExpr const* ExpressionBuilder::constant(int64_t value) noexcept { return keep(mPool.constant(value)); }

IDimensionExpr const* ExpressionBuilder::operation(DimensionOperation op, IDimensionExpr const& first,
                                                   IDimensionExpr const& second) noexcept {
    const ir::DimExpr a = static_cast<const DimensionExpression&>(first).expr();
    const ir::DimExpr b = static_cast<const DimensionExpression&>(second).expr();
    if (static_cast<int32_t>(op) < 0 || static_cast<int32_t>(op) >= nvinfer1::EnumMax<DimensionOperation>()) {
        return nullptr;
    }
    if (!a.valid() || !b.valid()) {
        return keep(ir::DimExpr{});
    }
    switch (op) {
    case DimensionOperation::kSUM:
        return keep(mPool.add(a, b));
    case DimensionOperation::kPROD:
        return keep(mPool.mul(a, b));
    case DimensionOperation::kMAX:
        return keep(mPool.max(a, b));
    case DimensionOperation::kMIN:
        return keep(mPool.min(a, b));
    case DimensionOperation::kSUB:
        return keep(mPool.sub(a, b));
    case DimensionOperation::kEQUAL:
        return keep(mPool.binary(ir::ExprOp::kEqual, a, b));
    case DimensionOperation::kLESS:
        return keep(mPool.binary(ir::ExprOp::kLess, a, b));
    case DimensionOperation::kFLOOR_DIV:
        return keep(mPool.floorDiv(a, b));
    case DimensionOperation::kCEIL_DIV:
        return keep(mPool.ceilDiv(a, b));
    }
    return nullptr;
}

IDimensionExpr const* ExpressionBuilder::declareSizeTensor(int32_t, IDimensionExpr const&,
                                                           IDimensionExpr const&) noexcept {
    mSizeTensors = true;
    return keep(ir::DimExpr{}, true);
}

nvinfer1::DimsExprs ExpressionBuilder::describe(const std::vector<ir::DimExpr>& extents) {
    nvinfer1::DimsExprs dims{};
    dims.nbDims = static_cast<int32_t>(extents.size());
    for (size_t i = 0; i < extents.size() && i < static_cast<size_t>(nvinfer1::Dims::MAX_DIMS); ++i) {
        dims.d[i] = keep(extents[i]);
    }
    return dims;
}

std::optional<std::vector<ir::DimExpr>> ExpressionBuilder::extentsOf(const nvinfer1::DimsExprs& dims) {
    if (dims.nbDims < 0 || dims.nbDims > nvinfer1::Dims::MAX_DIMS) {
        return std::nullopt;
    }
    std::vector<ir::DimExpr> extents;
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        if (dims.d[i] == nullptr) {
            return std::nullopt;
        }
        extents.push_back(static_cast<const DimensionExpression*>(dims.d[i])->expr());
    }
    return extents;
}

} // namespace tenon::api
