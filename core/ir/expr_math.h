// Arithmetic of single expression nodes: on values and on intervals.
// Used by ExprPool and by whoever evaluates a table of ExprNodes (plans, the shape program). Knows no pool.
#pragma once

#include "core/ir/dim_expr.h"

#include <cstdint>

namespace tenon::ir {

// a + b, a - b, a * b, kept inside int64 by saturation.
int64_t saturatingAdd(int64_t a, int64_t b);
int64_t saturatingSub(int64_t a, int64_t b);
int64_t saturatingMul(int64_t a, int64_t b);
// Rounding down, rounding up, and the rest of rounding down (which has the sign of b). Division by zero yields 0.
int64_t floorDivide(int64_t a, int64_t b);
int64_t ceilDivide(int64_t a, int64_t b);
int64_t floorModulo(int64_t a, int64_t b);

// The value of a node that is not a symbol, given those of its operands (unused ones are ignored).
int64_t evaluateNode(const ExprNode& node, int64_t a, int64_t b, int64_t c);
// Sound bounds of the same, given those of its operands.
Interval boundsOfNode(const ExprNode& node, Interval a, Interval b, Interval c);

} // namespace tenon::ir
