// What one expression operator computes. The one home of these rules: ExprPool, plan verification and the shape program all call it.
// Pure arithmetic on int64; knows no pool and no symbol.
//
// Everything is total: results saturate at the ends of int64, division by zero and modulo zero yield 0 (`hasZeroDivisor` tells, so that whoever
// runs the program can report it).
#pragma once

#include "core/ir/dim_expr.h"

#include <cmath>
#include <cstdint>

namespace tenon::ir {

inline int64_t saturatingAdd(int64_t a, int64_t b) {
    int64_t out = 0;
    return __builtin_add_overflow(a, b, &out) ? (a < 0 ? INT64_MIN : INT64_MAX) : out;
}

inline int64_t saturatingSub(int64_t a, int64_t b) {
    int64_t out = 0;
    return __builtin_sub_overflow(a, b, &out) ? (a < 0 ? INT64_MIN : INT64_MAX) : out;
}

inline int64_t saturatingMul(int64_t a, int64_t b) {
    int64_t out = 0;
    return __builtin_mul_overflow(a, b, &out) ? ((a < 0) == (b < 0) ? INT64_MAX : INT64_MIN) : out;
}

// Rounds toward minus infinity.
inline int64_t floorDivide(int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    if (b == -1) {
        return saturatingSub(0, a); // INT64_MIN / -1 traps
    }
    return a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0);
}

// Rounds toward plus infinity.
inline int64_t ceilDivide(int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    if (b == -1) {
        return saturatingSub(0, a);
    }
    return a / b + ((a % b != 0 && (a % b < 0) == (b < 0)) ? 1 : 0);
}

// a - b * floorDivide(a, b): has the sign of b.
inline int64_t floorModulo(int64_t a, int64_t b) {
    if (b == 0 || b == -1) {
        return 0;
    }
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// A rounded number as int64, saturating; NaN is 0.
inline int64_t toInt64(double value) {
    if (std::isnan(value)) {
        return 0;
    }
    if (value >= 9223372036854775808.0) {
        return INT64_MAX;
    }
    if (value <= -9223372036854775808.0) {
        return INT64_MIN;
    }
    return static_cast<int64_t>(value);
}

// How many of ExprNode::operands an operator has.
constexpr int32_t operandCount(ExprOp op) {
    switch (op) {
    case ExprOp::kConstant:
    case ExprOp::kSymbol:
        return 0;
    case ExprOp::kSum:
    case ExprOp::kProd:
    case ExprOp::kSub:
    case ExprOp::kMax:
    case ExprOp::kMin:
    case ExprOp::kFloorDiv:
    case ExprOp::kCeilDiv:
    case ExprOp::kMod:
    case ExprOp::kEqual:
    case ExprOp::kLess:
        return 2;
    case ExprOp::kSelect:
        return 3;
    case ExprOp::kScaleFloor:
    case ExprOp::kScaleCeil:
    case ExprOp::kScaleRound:
        return 1;
    }
    return 0;
}

// True when the operator divides and its second operand is zero.
constexpr bool hasZeroDivisor(ExprOp op, int64_t b) {
    return b == 0 && (op == ExprOp::kFloorDiv || op == ExprOp::kCeilDiv || op == ExprOp::kMod);
}

// Not for kConstant and kSymbol, which have no operands (0). Operands that the operator does not have are ignored.
inline int64_t applyExprOp(ExprOp op, int64_t a, int64_t b, int64_t c, double scale) {
    switch (op) {
    case ExprOp::kConstant:
    case ExprOp::kSymbol:
        return 0;
    case ExprOp::kSum:
        return saturatingAdd(a, b);
    case ExprOp::kProd:
        return saturatingMul(a, b);
    case ExprOp::kSub:
        return saturatingSub(a, b);
    case ExprOp::kMax:
        return a > b ? a : b;
    case ExprOp::kMin:
        return a < b ? a : b;
    case ExprOp::kFloorDiv:
        return floorDivide(a, b);
    case ExprOp::kCeilDiv:
        return ceilDivide(a, b);
    case ExprOp::kMod:
        return floorModulo(a, b);
    case ExprOp::kEqual:
        return a == b ? 1 : 0;
    case ExprOp::kLess:
        return a < b ? 1 : 0;
    case ExprOp::kSelect:
        return a != 0 ? b : c;
    case ExprOp::kScaleFloor:
        return toInt64(std::floor(static_cast<double>(a) * scale));
    case ExprOp::kScaleCeil:
        return toInt64(std::ceil(static_cast<double>(a) * scale));
    case ExprOp::kScaleRound:
        return toInt64(std::round(static_cast<double>(a) * scale));
    }
    return 0;
}

} // namespace tenon::ir
