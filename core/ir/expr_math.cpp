#include "core/ir/expr_math.h"

#include <algorithm>
#include <cmath>

namespace tenon::ir {

namespace {

constexpr int64_t kMin = INT64_MIN;
constexpr int64_t kMax = INT64_MAX;

bool isInfinite(int64_t bound) { return bound == kMin || bound == kMax; }

int64_t toInteger(double value) {
    // 2^63 is the first double that does not fit.
    if (!(value > -9223372036854775808.0)) {
        return std::isnan(value) ? 0 : kMin;
    }
    return value >= 9223372036854775808.0 ? kMax : static_cast<int64_t>(value);
}

// `value` times `scale`, rounded to a whole number. ONNX and TensorRT have f32 scales and round the product to f32 first:
// 10 times the f32 next to 0.7 is 7, and a model relies on it.
double scaledAndRounded(ExprOp op, int64_t number, double scale) {
    constexpr double kExact = 16777216.0; // f32 has every whole number up to here
    const double product = static_cast<double>(number) * scale;
    const double value = std::fabs(product) < kExact ? static_cast<double>(static_cast<float>(product)) : product;
    return op == ExprOp::kScaleFloor  ? std::floor(value)
           : op == ExprOp::kScaleCeil ? std::ceil(value)
                                      : std::round(value);
}

// A lower bound of INT64_MIN and an upper bound of INT64_MAX mean "none"; saturating arithmetic alone would turn inf - 5 into a number.
int64_t addLower(int64_t a, int64_t b) { return a == kMin || b == kMin ? kMin : saturatingAdd(a, b); }
int64_t addUpper(int64_t a, int64_t b) { return a == kMax || b == kMax ? kMax : saturatingAdd(a, b); }

Interval negate(Interval a) {
    return {a.max == kMax ? kMin : saturatingSub(0, a.max), a.min == kMin ? kMax : saturatingSub(0, a.min)};
}

int64_t mulBound(int64_t a, int64_t b) {
    if ((isInfinite(a) && b != 0) || (isInfinite(b) && a != 0)) {
        return (a > 0) == (b > 0) ? kMax : kMin;
    }
    return saturatingMul(a, b);
}

int64_t divideBound(int64_t a, int64_t b) {
    if (isInfinite(b)) {
        return a == 0 || (a > 0) == (b > 0) ? 0 : -1;
    }
    if (isInfinite(a)) {
        return (a > 0) == (b > 0) ? kMax : kMin;
    }
    return floorDivide(a, b);
}

Interval divideBounds(Interval a, Interval b) {
    // Monotonic in each operand on either side of zero, so the corners decide.
    Interval result{kMax, kMin};
    const auto include = [&result](int64_t value) {
        result.min = std::min(result.min, value);
        result.max = std::max(result.max, value);
    };
    const auto corners = [&](int64_t low, int64_t high) {
        for (const int64_t divisor : {low, high}) {
            include(divideBound(a.min, divisor));
            include(divideBound(a.max, divisor));
        }
    };
    if (b.min < 0) {
        corners(b.min, std::min<int64_t>(b.max, -1));
    }
    if (b.max > 0) {
        corners(std::max<int64_t>(b.min, 1), b.max);
    }
    if (b.min <= 0 && b.max >= 0) {
        include(0);
    }
    return result;
}

Interval modBounds(Interval a, Interval b) {
    if (b.min > 0 && a.min >= 0) {
        return a.max < b.min ? a : Interval{0, std::min(a.max, b.max - (b.max == kMax ? 0 : 1))};
    }
    return {b.min < 0 ? addLower(b.min, 1) : 0, b.max > 0 ? addUpper(b.max, -1) : 0};
}

Interval scaleBounds(const ExprNode& node, Interval a) {
    const auto at = [&node](int64_t bound) {
        if (isInfinite(bound)) {
            return node.scale == 0 ? 0 : (bound > 0) == (node.scale > 0) ? kMax : kMin;
        }
        return toInteger(scaledAndRounded(node.op, bound, node.scale));
    };
    const int64_t low = at(a.min);
    const int64_t high = at(a.max);
    return {std::min(low, high), std::max(low, high)};
}

} // namespace

int64_t saturatingAdd(int64_t a, int64_t b) {
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? kMax : kMin) : sum;
}

int64_t saturatingSub(int64_t a, int64_t b) {
    int64_t difference = 0;
    return __builtin_sub_overflow(a, b, &difference) ? (b < 0 ? kMax : kMin) : difference;
}

int64_t saturatingMul(int64_t a, int64_t b) {
    int64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? ((a > 0) == (b > 0) ? kMax : kMin) : product;
}

int64_t floorDivide(int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    if (b == -1) {
        return saturatingSub(0, a); // INT64_MIN / -1 does not fit
    }
    const int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t ceilDivide(int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    if (b == -1) {
        return saturatingSub(0, a);
    }
    const int64_t quotient = a / b;
    return a % b != 0 && (a < 0) == (b < 0) ? quotient + 1 : quotient;
}

int64_t floorModulo(int64_t a, int64_t b) {
    if (b == 0 || b == -1) {
        return 0;
    }
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

int64_t evaluateNode(const ExprNode& node, int64_t a, int64_t b, int64_t c) {
    switch (node.op) {
    case ExprOp::kConstant:
    case ExprOp::kSymbol:
        return node.value;
    case ExprOp::kSum:
        return saturatingAdd(a, b);
    case ExprOp::kProd:
        return saturatingMul(a, b);
    case ExprOp::kSub:
        return saturatingSub(a, b);
    case ExprOp::kMax:
        return std::max(a, b);
    case ExprOp::kMin:
        return std::min(a, b);
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
    case ExprOp::kScaleCeil:
    case ExprOp::kScaleRound:
        return toInteger(scaledAndRounded(node.op, a, node.scale));
    }
    return 0;
}

Interval boundsOfNode(const ExprNode& node, Interval a, Interval b, Interval c) {
    switch (node.op) {
    case ExprOp::kConstant:
        return {node.value, node.value};
    case ExprOp::kSymbol:
        return {kMin, kMax};
    case ExprOp::kSum:
        return {addLower(a.min, b.min), addUpper(a.max, b.max)};
    case ExprOp::kSub:
        b = negate(b);
        return {addLower(a.min, b.min), addUpper(a.max, b.max)};
    case ExprOp::kProd: {
        const auto [low, high] = std::minmax(
            {mulBound(a.min, b.min), mulBound(a.min, b.max), mulBound(a.max, b.min), mulBound(a.max, b.max)});
        return {low, high};
    }
    case ExprOp::kMax:
        return {std::max(a.min, b.min), std::max(a.max, b.max)};
    case ExprOp::kMin:
        return {std::min(a.min, b.min), std::min(a.max, b.max)};
    case ExprOp::kFloorDiv:
        return divideBounds(a, b);
    case ExprOp::kCeilDiv:
        return negate(divideBounds(negate(a), b));
    case ExprOp::kMod:
        return modBounds(a, b);
    case ExprOp::kEqual:
        if (a.isPoint() && a == b) {
            return {1, 1};
        }
        return {0, a.max < b.min || b.max < a.min ? 0 : 1};
    case ExprOp::kLess:
        return {a.max < b.min ? 1 : 0, a.min >= b.max ? 0 : 1};
    case ExprOp::kSelect:
        if (a.min > 0 || a.max < 0) {
            return b;
        }
        if (a.isPoint()) {
            return c;
        }
        return {std::min(b.min, c.min), std::max(b.max, c.max)};
    case ExprOp::kScaleFloor:
    case ExprOp::kScaleCeil:
    case ExprOp::kScaleRound:
        return scaleBounds(node, a);
    }
    return {kMin, kMax};
}

} // namespace tenon::ir
