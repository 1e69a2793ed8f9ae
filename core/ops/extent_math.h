// Arithmetic on extents for inference: ExprPool's operations, extended to extents that are not known (an invalid handle
// in, an invalid handle out) and to what inference asks about two extents: surely equal, surely different, surely not
// 1. Used by op families. Knows no op and no tensor.
#pragma once

#include "core/ir/dim_expr.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::ops {

class ExtentMath {
public:
    explicit ExtentMath(ir::ExprPool& pool) : mPool(pool) {}

    ir::ExprPool& pool() const { return mPool; }
    ir::DimExpr constant(int64_t value) const { return mPool.constant(value); }
    // The value of a known constant.
    std::optional<int64_t> value(ir::DimExpr e) const;
    bool is(ir::DimExpr e, int64_t expected) const { return value(e) == expected; }

    ir::DimExpr add(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kSum, a, b); }
    ir::DimExpr sub(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kSub, a, b); }
    ir::DimExpr mul(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kProd, a, b); }
    ir::DimExpr floorDiv(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kFloorDiv, a, b); }
    ir::DimExpr ceilDiv(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kCeilDiv, a, b); }
    ir::DimExpr modulo(ir::DimExpr a, ir::DimExpr b) const { return combine(ir::ExprOp::kMod, a, b); }
    ir::DimExpr add(ir::DimExpr a, int64_t b) const { return add(a, constant(b)); }
    ir::DimExpr sub(ir::DimExpr a, int64_t b) const { return sub(a, constant(b)); }
    ir::DimExpr mul(ir::DimExpr a, int64_t b) const { return mul(a, constant(b)); }
    ir::DimExpr floorDiv(ir::DimExpr a, int64_t b) const { return floorDiv(a, constant(b)); }
    ir::DimExpr ceilDiv(ir::DimExpr a, int64_t b) const { return ceilDiv(a, constant(b)); }
    // Decided from bounds where they suffice, so that max(N, 0) is N.
    ir::DimExpr max(ir::DimExpr a, ir::DimExpr b) const;
    ir::DimExpr min(ir::DimExpr a, ir::DimExpr b) const;
    ir::DimExpr equal(ir::DimExpr a, ir::DimExpr b) const;
    ir::DimExpr less(ir::DimExpr a, ir::DimExpr b) const;
    ir::DimExpr select(ir::DimExpr condition, ir::DimExpr then, ir::DimExpr otherwise) const;
    ir::DimExpr scaleFloor(ir::DimExpr a, double scale) const;
    ir::DimExpr product(const std::vector<ir::DimExpr>& factors) const;
    // product(numerators) / product(denominators), with equal factors cancelled; rounds down what is left.
    ir::DimExpr quotient(const std::vector<ir::DimExpr>& numerators,
                         const std::vector<ir::DimExpr>& denominators) const;

    // The same where nothing is left to round; unknown otherwise.
    ir::DimExpr exactQuotient(ir::DimExpr a, ir::DimExpr b) const;

    // True only if both are known and equal for every symbol value.
    bool equalSurely(ir::DimExpr a, ir::DimExpr b) const;
    // True only if both are known and differ for every symbol value.
    bool differSurely(ir::DimExpr a, ir::DimExpr b) const;
    // True only if the two products differ whatever the symbols are: equal factors cancel and the rest are two
    // different constants.
    bool productsDifferSurely(const std::vector<ir::DimExpr>& a, const std::vector<ir::DimExpr>& b) const;
    // True only if product(b) never divides product(a): what is left of both after cancelling are constants that do not
    // divide.
    bool indivisibleSurely(const std::vector<ir::DimExpr>& a, const std::vector<ir::DimExpr>& b) const;
    // Sound bounds over the declared bounds of the symbols.
    ir::Interval bounds(ir::DimExpr e) const { return mPool.bounds(e); }
    // True if the value depends on elements of shape tensors, where -1 and 0 may have a special meaning. Extents do
    // not.
    bool dependsOnElements(ir::DimExpr e) const;

    std::string text(ir::DimExpr e) const;                        // "?" when unknown
    std::string text(const std::vector<ir::DimExpr>& dims) const; // "[N, 3, ?]"

private:
    struct Fraction;
    ir::DimExpr combine(ir::ExprOp op, ir::DimExpr a, ir::DimExpr b) const;
    Fraction cancel(const std::vector<ir::DimExpr>& numerators, const std::vector<ir::DimExpr>& denominators) const;

    ir::ExprPool& mPool;
};

} // namespace tenon::ops
