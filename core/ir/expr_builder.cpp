// Construction of expressions with simplification to a canonical form.
//
// Sums are left-leaning trees of monomials in a fixed structural order with the constant last; a monomial is a left-leaning product of factors in
// that order with its coefficient last; subtraction is a coefficient of -1. The order depends on structure alone, never on handles, so that the
// same expression built in another pool, or read back from text, has the same shape. What is canonical stays as it is when built again.
#include "core/ir/dim_expr.h"
#include "core/ir/expr_math.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

namespace tenon::ir {

class ExprBuilder {
public:
    explicit ExprBuilder(ExprPool& pool) : mPool(pool) {}

    DimExpr binary(ExprOp op, DimExpr a, DimExpr b);
    DimExpr select(DimExpr condition, DimExpr then, DimExpr otherwise);
    DimExpr scaled(ExprOp op, DimExpr a, double scale);

private:
    struct Term {
        DimExpr monomial; // without coefficient; never a constant
        int64_t coefficient = 1;
    };
    // Terms in canonical order, each monomial once, no coefficient zero.
    struct Linear {
        std::vector<Term> terms;
        int64_t constant = 0;
    };
    struct Product {
        std::vector<DimExpr> factors; // in canonical order; neither constants nor products
        int64_t coefficient = 1;
    };

    const ExprNode& at(DimExpr expr) const { return mPool.at(expr); }
    bool isConstant(DimExpr expr) const { return mPool.isConstant(expr); }
    Interval boundsOf(DimExpr expr) const { return mPool.mBounds[static_cast<size_t>(expr.id)]; }
    DimExpr constant(int64_t value) { return mPool.constant(value); }
    DimExpr raw(ExprOp op, DimExpr a, DimExpr b);
    int compare(DimExpr a, DimExpr b) const;

    Linear linearOf(DimExpr expr) const;
    DimExpr build(const Linear& linear);
    Linear combine(const Linear& a, const Linear& b, int64_t factor) const;
    Product productOf(DimExpr expr);
    DimExpr build(const Product& product);
    DimExpr multiply(DimExpr a, DimExpr b);
    DimExpr divide(ExprOp op, DimExpr a, DimExpr b);
    DimExpr divideByConstant(const Linear& dividend, int64_t divisor);
    DimExpr modulo(DimExpr a, DimExpr b);
    DimExpr extremum(ExprOp op, DimExpr a, DimExpr b);
    DimExpr relation(ExprOp op, DimExpr a, DimExpr b);
    // Takes out of `dividend` the terms that `divisor` divides exactly; returns their quotient.
    Linear takeMultiples(Linear& dividend, const Product& divisor);
    std::optional<DimExpr> exactQuotient(const Term& term, const Product& divisor);

    ExprPool& mPool;
};

namespace {

int sign(int64_t a, int64_t b) { return a < b ? -1 : a > b ? 1 : 0; }

int64_t magnitude(int64_t value) { return value < 0 ? saturatingSub(0, value) : value; }

} // namespace

DimExpr ExprBuilder::raw(ExprOp op, DimExpr a, DimExpr b) {
    ExprNode node;
    node.op = op;
    node.operands[0] = a;
    node.operands[1] = b;
    return mPool.intern(node);
}

int ExprBuilder::compare(DimExpr a, DimExpr b) const {
    // Equal parts have equal handles, so the first operands that differ decide.
    while (a != b) {
        const ExprNode& x = at(a);
        const ExprNode& y = at(b);
        if (x.op != y.op) {
            return sign(static_cast<int64_t>(x.op), static_cast<int64_t>(y.op));
        }
        if (x.value != y.value) {
            return sign(x.value, y.value);
        }
        if (x.scale != y.scale) {
            return x.scale < y.scale ? -1 : 1;
        }
        size_t i = 0;
        while (i < 2 && x.operands[i] == y.operands[i]) {
            ++i;
        }
        a = x.operands[i];
        b = y.operands[i];
    }
    return 0;
}

ExprBuilder::Linear ExprBuilder::linearOf(DimExpr expr) const {
    Linear linear;
    const auto addTerm = [&](DimExpr term) {
        const ExprNode& node = at(term);
        if (node.op == ExprOp::kConstant) {
            linear.constant = node.value;
        } else if (node.op == ExprOp::kProd && isConstant(node.operands[1])) {
            linear.terms.push_back({node.operands[0], mPool.constantValue(node.operands[1])});
        } else {
            linear.terms.push_back({term, 1});
        }
    };
    while (at(expr).op == ExprOp::kSum) {
        addTerm(at(expr).operands[1]);
        expr = at(expr).operands[0];
    }
    addTerm(expr);
    std::reverse(linear.terms.begin(), linear.terms.end());
    return linear;
}

DimExpr ExprBuilder::build(const Linear& linear) {
    std::optional<DimExpr> sum;
    for (const Term& term : linear.terms) {
        const DimExpr scaled =
            term.coefficient == 1 ? term.monomial : raw(ExprOp::kProd, term.monomial, constant(term.coefficient));
        sum = sum ? raw(ExprOp::kSum, *sum, scaled) : scaled;
    }
    if (!sum) {
        return constant(linear.constant);
    }
    return linear.constant == 0 ? *sum : raw(ExprOp::kSum, *sum, constant(linear.constant));
}

ExprBuilder::Linear ExprBuilder::combine(const Linear& a, const Linear& b, int64_t factor) const {
    Linear sum;
    sum.constant = saturatingAdd(a.constant, saturatingMul(b.constant, factor));
    auto left = a.terms.begin();
    auto right = b.terms.begin();
    while (left != a.terms.end() || right != b.terms.end()) {
        const int order = left == a.terms.end()    ? 1
                          : right == b.terms.end() ? -1
                                                   : compare(left->monomial, right->monomial);
        Term term;
        term.coefficient = 0;
        if (order <= 0) {
            term = *left++;
        }
        if (order >= 0) {
            term.monomial = right->monomial;
            term.coefficient = saturatingAdd(term.coefficient, saturatingMul(right->coefficient, factor));
            ++right;
        }
        if (term.coefficient != 0) {
            sum.terms.push_back(term);
        }
    }
    return sum;
}

ExprBuilder::Product ExprBuilder::productOf(DimExpr expr) {
    Product product;
    const auto addFactor = [&](DimExpr factor) {
        if (isConstant(factor)) {
            product.coefficient = saturatingMul(product.coefficient, mPool.constantValue(factor));
            return;
        }
        if (at(factor).op == ExprOp::kSum) {
            // 2*N+2 counts as 2 * (N+1), so that it meets N+1 elsewhere.
            Linear linear = linearOf(factor);
            int64_t content = magnitude(linear.constant);
            for (const Term& term : linear.terms) {
                content = std::gcd(content, magnitude(term.coefficient));
            }
            if (content > 1) {
                linear.constant /= content;
                for (Term& term : linear.terms) {
                    term.coefficient /= content;
                }
                product.coefficient = saturatingMul(product.coefficient, content);
                factor = build(linear);
            }
        }
        product.factors.push_back(factor);
    };
    while (at(expr).op == ExprOp::kProd) {
        addFactor(at(expr).operands[1]);
        expr = at(expr).operands[0];
    }
    addFactor(expr);
    std::sort(product.factors.begin(), product.factors.end(),
              [this](DimExpr a, DimExpr b) { return compare(a, b) < 0; });
    return product;
}

DimExpr ExprBuilder::build(const Product& product) {
    if (product.factors.empty() || product.coefficient == 0) {
        return constant(product.coefficient);
    }
    if (product.factors.size() == 1) {
        // A lone sum takes the coefficient inside: sums have one form.
        return build(combine(Linear{}, linearOf(product.factors[0]), product.coefficient));
    }
    DimExpr result = product.factors[0];
    for (size_t i = 1; i < product.factors.size(); ++i) {
        result = raw(ExprOp::kProd, result, product.factors[i]);
    }
    return product.coefficient == 1 ? result : raw(ExprOp::kProd, result, constant(product.coefficient));
}

DimExpr ExprBuilder::multiply(DimExpr a, DimExpr b) {
    if (isConstant(a)) {
        std::swap(a, b);
    }
    if (isConstant(b)) {
        return build(combine(Linear{}, linearOf(a), mPool.constantValue(b)));
    }
    Product product = productOf(a);
    const Product other = productOf(b);
    product.coefficient = saturatingMul(product.coefficient, other.coefficient);
    product.factors.insert(product.factors.end(), other.factors.begin(), other.factors.end());
    std::sort(product.factors.begin(), product.factors.end(),
              [this](DimExpr x, DimExpr y) { return compare(x, y) < 0; });
    return build(product);
}

std::optional<DimExpr> ExprBuilder::exactQuotient(const Term& term, const Product& divisor) {
    Product product = productOf(term.monomial);
    product.coefficient = saturatingMul(product.coefficient, term.coefficient);
    if (product.coefficient % divisor.coefficient != 0) {
        return std::nullopt;
    }
    for (const DimExpr factor : divisor.factors) {
        const auto found = std::find(product.factors.begin(), product.factors.end(), factor);
        if (found == product.factors.end()) {
            return std::nullopt;
        }
        product.factors.erase(found);
    }
    product.coefficient /= divisor.coefficient;
    return build(product);
}

ExprBuilder::Linear ExprBuilder::takeMultiples(Linear& dividend, const Product& divisor) {
    Linear quotient;
    // INT64_MIN / -1 does not fit, and such a coefficient was saturated anyway.
    if (divisor.coefficient == 0 || divisor.coefficient == -1) {
        return quotient;
    }
    std::vector<Term> rest;
    for (const Term& term : dividend.terms) {
        const std::optional<DimExpr> part = exactQuotient(term, divisor);
        if (part && part->valid()) {
            quotient = combine(quotient, linearOf(*part), 1);
        } else {
            rest.push_back(term);
        }
    }
    dividend.terms = std::move(rest);
    return quotient;
}

DimExpr ExprBuilder::divideByConstant(const Linear& dividend, int64_t divisor) {
    // floor((q*d + r) / d) = q + floor(r / d)
    Linear rest = dividend;
    Linear quotient = takeMultiples(rest, Product{{}, divisor});
    quotient.constant = saturatingAdd(quotient.constant, floorDivide(rest.constant, divisor));
    rest.constant = floorModulo(rest.constant, divisor);
    if (rest.terms.empty()) {
        return build(quotient);
    }
    // floor((g*x + k) / (g*c)) = floor((x + floor(k/g)) / c)
    int64_t common = divisor;
    for (const Term& term : rest.terms) {
        common = std::gcd(common, magnitude(term.coefficient));
    }
    if (common > 1) {
        divisor /= common;
        rest.constant = floorDivide(rest.constant, common);
        for (Term& term : rest.terms) {
            term.coefficient /= common;
        }
    }
    // floor((floor(x / c) + k) / d) = floor((x + k*c) / (c*d))
    if (rest.terms.size() == 1 && rest.terms[0].coefficient == 1) {
        const ExprNode inner = at(rest.terms[0].monomial);
        if (inner.op == ExprOp::kFloorDiv && isConstant(inner.operands[1])) {
            const int64_t innerDivisor = mPool.constantValue(inner.operands[1]);
            int64_t both = 0;
            int64_t offset = 0;
            if (innerDivisor > 0 && !__builtin_mul_overflow(innerDivisor, divisor, &both) &&
                !__builtin_mul_overflow(rest.constant, innerDivisor, &offset)) {
                Linear flat = linearOf(inner.operands[0]);
                flat.constant = saturatingAdd(flat.constant, offset);
                const DimExpr divided = divideByConstant(flat, both);
                return divided.valid() ? build(combine(quotient, linearOf(divided), 1)) : divided;
            }
        }
    }
    const DimExpr numerator = build(rest);
    if (!numerator.valid()) {
        return {};
    }
    const Interval range = boundsOf(numerator);
    if (range.min >= 0 && range.max < divisor) {
        return build(quotient);
    }
    const DimExpr divided = raw(ExprOp::kFloorDiv, numerator, constant(divisor));
    if (!divided.valid()) {
        return {};
    }
    return build(combine(quotient, Linear{{{divided, 1}}, 0}, 1));
}

DimExpr ExprBuilder::divide(ExprOp op, DimExpr a, DimExpr b) {
    if (isConstant(b)) {
        const int64_t divisor = mPool.constantValue(b);
        if (divisor == 0) {
            return constant(0);
        }
        if (divisor == INT64_MIN) {
            return isConstant(a) ? constant(op == ExprOp::kFloorDiv ? floorDivide(mPool.constantValue(a), divisor)
                                                                    : ceilDivide(mPool.constantValue(a), divisor))
                                 : raw(op, a, b);
        }
        Linear dividend = combine(Linear{}, linearOf(a), divisor < 0 ? -1 : 1);
        const int64_t positive = magnitude(divisor);
        if (op == ExprOp::kCeilDiv) {
            if (dividend.terms.empty()) {
                return constant(ceilDivide(dividend.constant, positive));
            }
            dividend.constant = saturatingAdd(dividend.constant, positive - 1);
        }
        return divideByConstant(dividend, positive);
    }
    if (a == b) {
        return constant(1);
    }
    if (isConstant(a) && mPool.constantValue(a) == 0) {
        return a;
    }
    Product divisor = productOf(b);
    Linear rest = linearOf(a);
    Linear quotient = takeMultiples(rest, divisor);
    if (rest.terms.empty() && rest.constant == 0) {
        return build(quotient);
    }
    // A sum divided by a multiple of itself: (2*N+2) / (N+1).
    if (at(b).op == ExprOp::kSum && quotient.terms.empty() && quotient.constant == 0) {
        const Linear whole = linearOf(b);
        const int64_t ratio = whole.terms[0].coefficient == 0 || rest.terms.empty()
                                  ? 0
                                  : floorDivide(rest.terms[0].coefficient, whole.terms[0].coefficient);
        const Linear difference = combine(rest, whole, saturatingSub(0, ratio));
        if (ratio != 0 && difference.terms.empty() && difference.constant == 0) {
            return constant(ratio);
        }
    }
    DimExpr numerator = build(rest);
    DimExpr denominator = b;
    if (rest.terms.size() == 1 && rest.constant == 0) {
        // One monomial over another: cancel what they share.
        Product top = productOf(numerator);
        std::vector<DimExpr> kept;
        for (const DimExpr factor : divisor.factors) {
            const auto found = std::find(top.factors.begin(), top.factors.end(), factor);
            if (found == top.factors.end()) {
                kept.push_back(factor);
            } else {
                top.factors.erase(found);
            }
        }
        const int64_t common = std::gcd(magnitude(top.coefficient), magnitude(divisor.coefficient));
        if (common > 1 || kept.size() < divisor.factors.size()) {
            top.coefficient /= std::max<int64_t>(common, 1);
            divisor.coefficient /= std::max<int64_t>(common, 1);
            divisor.factors = std::move(kept);
            numerator = build(top);
            denominator = build(divisor);
            if (!numerator.valid() || !denominator.valid()) {
                return {};
            }
            const DimExpr divided = divide(op, numerator, denominator);
            return divided.valid() ? build(combine(quotient, linearOf(divided), 1)) : divided;
        }
    }
    const DimExpr divided = numerator.valid() ? raw(op, numerator, denominator) : numerator;
    return divided.valid() ? build(combine(quotient, Linear{{{divided, 1}}, 0}, 1)) : divided;
}

DimExpr ExprBuilder::modulo(DimExpr a, DimExpr b) {
    if (a == b) {
        return constant(0);
    }
    if (isConstant(b)) {
        const int64_t divisor = mPool.constantValue(b);
        if (isConstant(a)) {
            return constant(floorModulo(mPool.constantValue(a), divisor));
        }
        if (divisor == 0 || divisor == 1 || divisor == -1) {
            return constant(0);
        }
        if (divisor < 0) {
            return raw(ExprOp::kMod, a, b);
        }
        Linear rest = linearOf(a);
        takeMultiples(rest, Product{{}, divisor});
        rest.constant = floorModulo(rest.constant, divisor);
        const DimExpr numerator = build(rest);
        if (!numerator.valid() || isConstant(numerator)) {
            return numerator;
        }
        const Interval range = boundsOf(numerator);
        return range.min >= 0 && range.max < divisor ? numerator : raw(ExprOp::kMod, numerator, b);
    }
    Linear rest = linearOf(a);
    takeMultiples(rest, productOf(b));
    if (rest.terms.empty() && rest.constant == 0) {
        return constant(0);
    }
    const DimExpr numerator = build(rest);
    return numerator.valid() ? raw(ExprOp::kMod, numerator, b) : numerator;
}

DimExpr ExprBuilder::extremum(ExprOp op, DimExpr a, DimExpr b) {
    const bool wantsMax = op == ExprOp::kMax;
    std::vector<DimExpr> operands;
    for (DimExpr expr : {a, b}) {
        while (at(expr).op == op) {
            operands.push_back(at(expr).operands[1]);
            expr = at(expr).operands[0];
        }
        operands.push_back(expr);
    }
    // Variables in structural order, constants last.
    std::sort(operands.begin(), operands.end(), [this](DimExpr x, DimExpr y) {
        return isConstant(x) != isConstant(y) ? isConstant(y) : compare(x, y) < 0;
    });
    operands.erase(std::unique(operands.begin(), operands.end()), operands.end());
    // Drop what another operand is never less extreme than. Long lists are not worth the pairs.
    constexpr size_t kMaxPairs = 16;
    std::vector<bool> dropped(operands.size(), false);
    for (size_t i = 0; i < operands.size() && operands.size() <= kMaxPairs; ++i) {
        for (size_t j = 0; j < operands.size(); ++j) {
            if (i == j || dropped[i] || dropped[j]) {
                continue;
            }
            const DimExpr difference = binary(ExprOp::kSub, operands[i], operands[j]);
            if (!difference.valid()) {
                continue;
            }
            const Interval range = boundsOf(difference);
            if (wantsMax ? range.min >= 0 : range.max <= 0) {
                dropped[j] = true;
            }
        }
    }
    std::optional<DimExpr> result;
    for (size_t i = 0; i < operands.size(); ++i) {
        if (!dropped[i]) {
            result = result ? raw(op, *result, operands[i]) : operands[i];
        }
        if (result && !result->valid()) {
            return {};
        }
    }
    return *result;
}

DimExpr ExprBuilder::relation(ExprOp op, DimExpr a, DimExpr b) {
    const DimExpr difference = binary(ExprOp::kSub, a, b);
    if (difference.valid()) {
        const Interval range = boundsOf(difference);
        if (op == ExprOp::kEqual) {
            if (range == Interval{0, 0}) {
                return constant(1);
            }
            if (range.min > 0 || range.max < 0) {
                return constant(0);
            }
        } else if (range.max < 0 || range.min >= 0) {
            return constant(range.max < 0 ? 1 : 0);
        }
    }
    if (op == ExprOp::kEqual && (isConstant(a) || (!isConstant(b) && compare(b, a) < 0))) {
        std::swap(a, b);
    }
    return raw(op, a, b);
}

DimExpr ExprBuilder::binary(ExprOp op, DimExpr a, DimExpr b) {
    if (!a.valid() || !b.valid()) {
        return {};
    }
    switch (op) {
    case ExprOp::kSum:
        return build(combine(linearOf(a), linearOf(b), 1));
    case ExprOp::kSub:
        return build(combine(linearOf(a), linearOf(b), -1));
    case ExprOp::kProd:
        return multiply(a, b);
    case ExprOp::kMax:
    case ExprOp::kMin:
        return extremum(op, a, b);
    case ExprOp::kFloorDiv:
    case ExprOp::kCeilDiv:
        return divide(op, a, b);
    case ExprOp::kMod:
        return modulo(a, b);
    case ExprOp::kEqual:
    case ExprOp::kLess:
        return relation(op, a, b);
    case ExprOp::kConstant:
    case ExprOp::kSymbol:
    case ExprOp::kSelect:
    case ExprOp::kScaleFloor:
    case ExprOp::kScaleCeil:
    case ExprOp::kScaleRound:
        break;
    }
    return {};
}

DimExpr ExprBuilder::select(DimExpr condition, DimExpr then, DimExpr otherwise) {
    if (!condition.valid() || !then.valid() || !otherwise.valid()) {
        return {};
    }
    const Interval range = boundsOf(condition);
    if (range == Interval{0, 0}) {
        return otherwise;
    }
    if (range.min > 0 || range.max < 0 || then == otherwise) {
        return then;
    }
    ExprNode node;
    node.op = ExprOp::kSelect;
    node.operands[0] = condition;
    node.operands[1] = then;
    node.operands[2] = otherwise;
    return mPool.intern(node);
}

DimExpr ExprBuilder::scaled(ExprOp op, DimExpr a, double scale) {
    if (!a.valid() || !std::isfinite(scale)) {
        return {};
    }
    ExprNode node;
    node.op = op;
    node.scale = scale == 0 ? 0.0 : scale; // one zero
    node.operands[0] = a;
    if (isConstant(a)) {
        return constant(evaluateNode(node, mPool.constantValue(a), 0, 0));
    }
    // Exact for every extent that fits a double.
    if (scale == std::floor(scale) && std::fabs(scale) <= 2147483648.0) {
        return multiply(a, constant(static_cast<int64_t>(scale)));
    }
    return mPool.intern(node);
}

DimExpr ExprPool::binary(ExprOp op, DimExpr a, DimExpr b) { return ExprBuilder(*this).binary(op, a, b); }

DimExpr ExprPool::select(DimExpr condition, DimExpr then, DimExpr otherwise) {
    return ExprBuilder(*this).select(condition, then, otherwise);
}

DimExpr ExprPool::scaled(ExprOp op, DimExpr a, double scale) { return ExprBuilder(*this).scaled(op, a, scale); }

} // namespace tenon::ir
