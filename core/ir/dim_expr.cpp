// Storage, evaluation and comparison of expressions. Construction with simplification: expr_builder.cpp. Text: expr_text.cpp.
#include "core/ir/dim_expr.h"

#include "core/ir/expr_math.h"
#include "core/support/hash.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <map>
#include <optional>

namespace tenon::ir {

namespace {

int operandCount(ExprOp op) {
    switch (op) {
    case ExprOp::kConstant:
    case ExprOp::kSymbol:
        return 0;
    case ExprOp::kScaleFloor:
    case ExprOp::kScaleCeil:
    case ExprOp::kScaleRound:
        return 1;
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
    }
    return 0;
}

uint64_t hashOf(const ExprNode& node) {
    const int64_t fields[] = {static_cast<int64_t>(node.op), node.value,          std::bit_cast<int64_t>(node.scale),
                              node.operands[0].id,           node.operands[1].id, node.operands[2].id};
    return support::hashBytes(fields, sizeof(fields)).low;
}

bool sameNode(const ExprNode& a, const ExprNode& b) {
    return a.op == b.op && a.value == b.value && std::bit_cast<uint64_t>(a.scale) == std::bit_cast<uint64_t>(b.scale) &&
           std::equal(std::begin(a.operands), std::end(a.operands), std::begin(b.operands));
}

// Folds `node` (T f(const ExprNode&, int32_t id, T a, T b, T c)) over everything `root` needs, operands first. An expression's operands
// have smaller ids, so the needed ids in rising order will do.
template <class T, class F>
T fold(const std::vector<ExprNode>& nodes, DimExpr root, F&& node) {
    std::vector<int32_t> needed{root.id};
    std::unordered_map<int32_t, T> values{{root.id, T{}}};
    for (size_t i = 0; i < needed.size(); ++i) {
        for (const DimExpr operand : nodes[static_cast<size_t>(needed[i])].operands) {
            if (operand.valid() && values.emplace(operand.id, T{}).second) {
                needed.push_back(operand.id);
            }
        }
    }
    std::sort(needed.begin(), needed.end());
    for (const int32_t id : needed) {
        const ExprNode& at = nodes[static_cast<size_t>(id)];
        const auto value = [&](int operand) {
            return at.operands[operand].valid() ? values.at(at.operands[operand].id) : T{};
        };
        values[id] = node(at, id, value(0), value(1), value(2));
    }
    return values.at(root.id);
}

// A sum of monomials: sorted factor ids -> coefficient.
using Polynomial = std::map<std::vector<int32_t>, int64_t>;
constexpr size_t kMaxTerms = 256;

// Adds factor * a to `to`; false when it overflows or gets too large.
bool addScaled(Polynomial& to, const Polynomial& a, int64_t factor) {
    for (const auto& [monomial, coefficient] : a) {
        int64_t scaled = 0;
        int64_t& sum = to[monomial];
        if (__builtin_mul_overflow(coefficient, factor, &scaled) || __builtin_add_overflow(sum, scaled, &sum)) {
            return false;
        }
        if (sum == 0) {
            to.erase(monomial);
        }
    }
    return to.size() <= kMaxTerms;
}

std::optional<Polynomial> multiply(const Polynomial& a, const Polynomial& b) {
    Polynomial product;
    for (const auto& [left, coefficient] : a) {
        Polynomial partial;
        for (const auto& [right, other] : b) {
            std::vector<int32_t> monomial;
            std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(monomial));
            partial[std::move(monomial)] = other;
        }
        if (!addScaled(product, partial, coefficient)) {
            return std::nullopt;
        }
    }
    return product;
}

std::optional<Polynomial> expand(const std::vector<ExprNode>& nodes, DimExpr expr) {
    using Maybe = std::optional<Polynomial>;
    return fold<Maybe>(nodes, expr, [](const ExprNode& node, int32_t id, const Maybe& a, const Maybe& b, const Maybe&) {
        switch (node.op) {
        case ExprOp::kConstant:
            return node.value == 0 ? Maybe(Polynomial{}) : Maybe(Polynomial{{{}, node.value}});
        case ExprOp::kSum:
        case ExprOp::kSub: {
            Maybe sum = a;
            if (!a || !b || !addScaled(*sum, *b, node.op == ExprOp::kSum ? 1 : -1)) {
                return Maybe();
            }
            return sum;
        }
        case ExprOp::kProd:
            return a && b ? multiply(*a, *b) : Maybe();
        case ExprOp::kSymbol:
        case ExprOp::kMax:
        case ExprOp::kMin:
        case ExprOp::kFloorDiv:
        case ExprOp::kCeilDiv:
        case ExprOp::kMod:
        case ExprOp::kEqual:
        case ExprOp::kLess:
        case ExprOp::kSelect:
        case ExprOp::kScaleFloor:
        case ExprOp::kScaleCeil:
        case ExprOp::kScaleRound:
            break;
        }
        return Maybe(Polynomial{{{id}, 1}}); // opaque
    });
}

} // namespace

ExprPool::ExprPool() = default;

DimExpr ExprPool::intern(const ExprNode& node) {
    // Written out as a tree; the cap keeps text, recursion and hostile inputs within bounds.
    constexpr int32_t kMaxWeight = 1024;
    const int count = operandCount(node.op);
    int32_t weight = 1;
    for (int i = 0; i < count; ++i) {
        const DimExpr operand = node.operands[i];
        if (!operand.valid()) {
            return {};
        }
        assert(operand.id < size());
        weight += mWeights[static_cast<size_t>(operand.id)];
    }
    if (weight > kMaxWeight) {
        return {};
    }
    std::vector<int32_t>& bucket = mIndex[hashOf(node)];
    for (const int32_t id : bucket) {
        if (sameNode(mNodes[static_cast<size_t>(id)], node)) {
            return {id};
        }
    }
    const DimExpr expr{size()};
    mNodes.push_back(node);
    mWeights.push_back(weight);
    mBounds.push_back(boundsOf(node));
    bucket.push_back(expr.id);
    return expr;
}

DimExpr ExprPool::constant(int64_t value) {
    ExprNode node;
    node.value = value;
    return intern(node);
}

DimExpr ExprPool::symbol(const Symbol& symbol) {
    const auto [found, isNew] = mSymbolIndex.emplace(symbol.name, static_cast<int32_t>(mSymbols.size()));
    if (isNew) {
        mSymbols.push_back(symbol);
        Symbol& added = mSymbols.back();
        if (added.source != SymbolSource::kInputElement) {
            added.bounds.min = std::max<int64_t>(added.bounds.min, 0); // an extent
        }
    }
    ExprNode node;
    node.op = ExprOp::kSymbol;
    node.value = found->second;
    return intern(node);
}

void ExprPool::narrow(int32_t symbol, Interval bounds, int64_t opt) {
    Symbol& at = mSymbols[static_cast<size_t>(symbol)];
    at.bounds.min = std::max(at.bounds.min, bounds.min);
    at.bounds.max = std::min(at.bounds.max, bounds.max);
    at.opt = opt;
    for (size_t i = 0; i < mNodes.size(); ++i) {
        mBounds[i] = boundsOf(mNodes[i]);
    }
}

void ExprPool::setOrigin(int32_t symbol, SymbolSource source, int32_t input, int32_t index) {
    Symbol& at = mSymbols[static_cast<size_t>(symbol)];
    at.source = source;
    at.input = input;
    at.index = index;
}

Interval ExprPool::boundsOf(const ExprNode& node) const {
    if (node.op == ExprOp::kSymbol) {
        return mSymbols[static_cast<size_t>(node.value)].bounds;
    }
    const auto operand = [&](int i) {
        return node.operands[i].valid() ? mBounds[static_cast<size_t>(node.operands[i].id)] : Interval{};
    };
    return boundsOfNode(node, operand(0), operand(1), operand(2));
}

DimExpr ExprPool::product(const std::vector<DimExpr>& factors) {
    DimExpr result = constant(1);
    for (const DimExpr factor : factors) {
        result = mul(result, factor);
    }
    return result;
}

std::optional<int32_t> ExprPool::findSymbol(std::string_view name) const {
    const auto found = mSymbolIndex.find(std::string(name));
    return found == mSymbolIndex.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

const ExprNode& ExprPool::at(DimExpr expr) const {
    assert(expr.valid() && expr.id < size());
    return mNodes[static_cast<size_t>(expr.id)];
}

bool ExprPool::isConstant(DimExpr expr) const { return expr.valid() && at(expr).op == ExprOp::kConstant; }

int64_t ExprPool::constantValue(DimExpr expr) const {
    assert(isConstant(expr));
    return at(expr).value;
}

int64_t ExprPool::evaluate(DimExpr expr, const std::vector<int64_t>& symbolValues) const {
    if (isConstant(expr)) {
        return at(expr).value;
    }
    return fold<int64_t>(mNodes, expr, [&](const ExprNode& node, int32_t, int64_t a, int64_t b, int64_t c) {
        if (node.op != ExprOp::kSymbol) {
            return evaluateNode(node, a, b, c);
        }
        const auto symbol = static_cast<size_t>(node.value);
        assert(symbol < symbolValues.size());
        return symbol < symbolValues.size() ? symbolValues[symbol] : 0;
    });
}

Interval ExprPool::bounds(DimExpr expr, const SymbolBox& box) const {
    if (!expr.valid()) {
        return {INT64_MIN, INT64_MAX};
    }
    return fold<Interval>(mNodes, expr, [&](const ExprNode& node, int32_t, Interval a, Interval b, Interval c) {
        if (node.op != ExprOp::kSymbol) {
            return boundsOfNode(node, a, b, c);
        }
        const auto symbol = static_cast<size_t>(node.value);
        return symbol < box.bounds.size() ? box.bounds[symbol] : mSymbols[symbol].bounds;
    });
}

Interval ExprPool::bounds(DimExpr expr) const { return bounds(expr, SymbolBox{}); }

bool ExprPool::provablyEqual(DimExpr a, DimExpr b) const {
    if (!a.valid() || !b.valid()) {
        return false;
    }
    if (a == b) {
        return true;
    }
    if (isConstant(a) && isConstant(b)) {
        return false;
    }
    const auto left = expand(mNodes, a);
    const auto right = expand(mNodes, b);
    return left && right && *left == *right;
}

DimExpr ExprPool::importFrom(const ExprPool& other, DimExpr expr) {
    if (!expr.valid() || &other == this) {
        return expr;
    }
    return fold<DimExpr>(other.mNodes, expr, [&](const ExprNode& node, int32_t, DimExpr a, DimExpr b, DimExpr c) {
        switch (node.op) {
        case ExprOp::kConstant:
            return constant(node.value);
        case ExprOp::kSymbol:
            return symbol(other.mSymbols[static_cast<size_t>(node.value)]);
        case ExprOp::kSelect:
            return select(a, b, c);
        case ExprOp::kScaleFloor:
        case ExprOp::kScaleCeil:
        case ExprOp::kScaleRound:
            return scaled(node.op, a, node.scale);
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
            break;
        }
        return binary(node.op, a, b);
    });
}

} // namespace tenon::ir
