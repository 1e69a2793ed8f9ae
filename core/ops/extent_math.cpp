#include "core/ops/extent_math.h"

#include "core/support/checked.h"
#include "core/support/text.h"

#include <numeric>

namespace tenon::ops {

using ir::DimExpr;
using ir::ExprNode;
using ir::ExprOp;
using ir::Interval;

struct ExtentMath::Fraction {
    std::vector<DimExpr> numerators; // no constants
    std::vector<DimExpr> denominators;
    int64_t numerator = 1;
    int64_t denominator = 1;
    bool known = true; // false: an unknown extent is left, or the constants overflow
};

std::optional<int64_t> ExtentMath::value(DimExpr e) const {
    if (!e.valid() || !mPool.isConstant(e)) {
        return std::nullopt;
    }
    return mPool.constantValue(e);
}

DimExpr ExtentMath::combine(ExprOp op, DimExpr a, DimExpr b) const {
    if (op == ExprOp::kProd && (is(a, 0) || is(b, 0))) {
        return constant(0);
    }
    return a.valid() && b.valid() ? mPool.binary(op, a, b) : DimExpr{};
}

DimExpr ExtentMath::max(DimExpr a, DimExpr b) const {
    if (!a.valid() || !b.valid()) {
        return DimExpr{};
    }
    const Interval boundsA = bounds(a);
    const Interval boundsB = bounds(b);
    if (boundsA.min >= boundsB.max) {
        return a;
    }
    return boundsB.min >= boundsA.max ? b : mPool.max(a, b);
}

DimExpr ExtentMath::min(DimExpr a, DimExpr b) const {
    if (!a.valid() || !b.valid()) {
        return DimExpr{};
    }
    const Interval boundsA = bounds(a);
    const Interval boundsB = bounds(b);
    if (boundsA.max <= boundsB.min) {
        return a;
    }
    return boundsB.max <= boundsA.min ? b : mPool.min(a, b);
}

DimExpr ExtentMath::equal(DimExpr a, DimExpr b) const {
    if (equalSurely(a, b)) {
        return constant(1);
    }
    return differSurely(a, b) ? constant(0) : combine(ExprOp::kEqual, a, b);
}

DimExpr ExtentMath::less(DimExpr a, DimExpr b) const {
    if (!a.valid() || !b.valid()) {
        return DimExpr{};
    }
    if (equalSurely(a, b)) {
        return constant(0);
    }
    const Interval boundsA = bounds(a);
    const Interval boundsB = bounds(b);
    if (boundsA.max < boundsB.min) {
        return constant(1);
    }
    return boundsA.min >= boundsB.max ? constant(0) : mPool.binary(ExprOp::kLess, a, b);
}

DimExpr ExtentMath::select(DimExpr condition, DimExpr then, DimExpr otherwise) const {
    if (const auto known = value(condition)) {
        return *known != 0 ? then : otherwise;
    }
    if (then.valid() && then == otherwise) {
        return then;
    }
    if (!condition.valid() || !then.valid() || !otherwise.valid()) {
        return DimExpr{};
    }
    return mPool.select(condition, then, otherwise);
}

DimExpr ExtentMath::scaleFloor(DimExpr a, double scale) const {
    if (scale == 1.0) {
        return a;
    }
    return a.valid() ? mPool.scaled(ExprOp::kScaleFloor, a, scale) : DimExpr{};
}

DimExpr ExtentMath::product(const std::vector<DimExpr>& factors) const {
    DimExpr result = constant(1);
    for (const DimExpr factor : factors) {
        if (is(factor, 0)) {
            return factor; // zero whatever the rest is
        }
        result = combine(ExprOp::kProd, result, factor);
    }
    return result;
}

ExtentMath::Fraction ExtentMath::cancel(const std::vector<DimExpr>& numerators,
                                        const std::vector<DimExpr>& denominators) const {
    Fraction fraction;
    const auto split = [&](const std::vector<DimExpr>& from, std::vector<DimExpr>& factors, int64_t& constantPart) {
        std::vector<DimExpr> pending(from.rbegin(), from.rend());
        while (!pending.empty()) {
            const DimExpr e = pending.back();
            pending.pop_back();
            if (!e.valid()) {
                fraction.known = false;
            } else if (const auto number = value(e)) {
                const auto scaled = support::checkedMul(constantPart, *number);
                if (!scaled || *scaled == INT64_MIN) { // whose gcd does not fit
                    fraction.known = false;
                } else {
                    constantPart = *scaled;
                }
            } else if (const ExprNode node = mPool.at(e); node.op == ExprOp::kProd) {
                pending.push_back(node.operands[1]);
                pending.push_back(node.operands[0]);
            } else {
                factors.push_back(e);
            }
        }
    };
    split(numerators, fraction.numerators, fraction.numerator);
    split(denominators, fraction.denominators, fraction.denominator);
    std::vector<DimExpr> left;
    for (const DimExpr denominator : fraction.denominators) {
        bool found = false;
        for (size_t i = 0; i < fraction.numerators.size() && !found; ++i) {
            if (equalSurely(denominator, fraction.numerators[i])) {
                fraction.numerators.erase(fraction.numerators.begin() + static_cast<std::ptrdiff_t>(i));
                found = true;
            }
        }
        if (!found) {
            left.push_back(denominator);
        }
    }
    fraction.denominators = std::move(left);
    const int64_t common = std::gcd(fraction.numerator, fraction.denominator);
    if (common > 1) {
        fraction.numerator /= common;
        fraction.denominator /= common;
    }
    return fraction;
}

DimExpr ExtentMath::quotient(const std::vector<DimExpr>& numerators, const std::vector<DimExpr>& denominators) const {
    Fraction fraction = cancel(numerators, denominators);
    if (!fraction.known) {
        return DimExpr{};
    }
    fraction.numerators.push_back(constant(fraction.numerator));
    fraction.denominators.push_back(constant(fraction.denominator));
    const DimExpr denominator = product(fraction.denominators);
    const DimExpr numerator = product(fraction.numerators);
    return is(denominator, 1) ? numerator : floorDiv(numerator, denominator);
}

DimExpr ExtentMath::exactQuotient(DimExpr a, DimExpr b) const {
    Fraction fraction = cancel({a}, {b});
    if (!fraction.known || !fraction.denominators.empty() ||
        (fraction.denominator != 1 && fraction.denominator != -1)) {
        return DimExpr{};
    }
    fraction.numerators.push_back(constant(fraction.numerator * fraction.denominator));
    return product(fraction.numerators);
}

bool ExtentMath::productsDifferSurely(const std::vector<DimExpr>& a, const std::vector<DimExpr>& b) const {
    const Fraction fraction = cancel(a, b);
    return fraction.known && fraction.numerators.empty() && fraction.denominators.empty() &&
           fraction.numerator != fraction.denominator;
}

bool ExtentMath::indivisibleSurely(const std::vector<DimExpr>& a, const std::vector<DimExpr>& b) const {
    const Fraction fraction = cancel(a, b);
    return fraction.known && fraction.numerators.empty() && fraction.denominators.empty() &&
           fraction.denominator != 1 && fraction.denominator != -1;
}

bool ExtentMath::equalSurely(DimExpr a, DimExpr b) const {
    return a.valid() && b.valid() && (a == b || mPool.provablyEqual(a, b));
}

bool ExtentMath::differSurely(DimExpr a, DimExpr b) const {
    if (!a.valid() || !b.valid() || a == b) {
        return false;
    }
    const auto valueA = value(a);
    const auto valueB = value(b);
    if (valueA && valueB) {
        return *valueA != *valueB;
    }
    const Interval boundsA = bounds(a);
    const Interval boundsB = bounds(b);
    return boundsA.max < boundsB.min || boundsB.max < boundsA.min;
}

bool ExtentMath::dependsOnElements(DimExpr e) const {
    std::vector<DimExpr> pending{e};
    while (!pending.empty()) {
        const DimExpr next = pending.back();
        pending.pop_back();
        if (!next.valid()) {
            continue;
        }
        const ExprNode& node = mPool.at(next);
        if (node.op == ExprOp::kSymbol &&
            mPool.symbols()[static_cast<size_t>(node.value)].source == ir::SymbolSource::kInputElement) {
            return true;
        }
        pending.insert(pending.end(), {node.operands[0], node.operands[1], node.operands[2]});
    }
    return false;
}

std::string ExtentMath::text(DimExpr e) const { return e.valid() ? mPool.toText(e) : "?"; }

std::string ExtentMath::text(const std::vector<DimExpr>& dims) const {
    std::string out = "[";
    for (size_t i = 0; i < dims.size(); ++i) {
        support::append(out, i == 0 ? "" : ", ", text(dims[i]));
    }
    return out + "]";
}

} // namespace tenon::ops
