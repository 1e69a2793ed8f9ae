#include "core/ops/infer_rules.h"

#include <algorithm>

namespace tenon::ops {

using ir::DataType;
using ir::DimExpr;
using ir::TensorType;
using support::cat;
using support::invalidArgument;
using support::Result;

namespace {

std::string_view describe(TypeClass wanted) {
    switch (wanted) {
    case TypeClass::kAny:
        return "any type";
    case TypeClass::kFloat:
        return "f32, f16, bf16 or f64";
    case TypeClass::kInteger:
        return "an integer type";
    case TypeClass::kNumber:
        return "a float or integer type";
    case TypeClass::kNumberOrBool:
        return "a float, integer or bool type";
    case TypeClass::kBool:
        return "bool";
    case TypeClass::kIndex:
        return "i32 or i64";
    }
    return "";
}

// Whether b is min(a, c) with c > 1: where such a pair broadcasts at all, the two are equal (a <= c) or both 1. A table
// of c rows cut to the first a of them is the common case.
bool isCutOf(const ExtentMath& math, DimExpr b, DimExpr a) {
    const ir::ExprNode node = math.pool().at(b);
    if (node.op != ir::ExprOp::kMin) {
        return false;
    }
    for (int i = 0; i < 2; ++i) {
        if (math.equalSurely(node.operands[i], a) && math.bounds(node.operands[1 - i]).min > 1) {
            return true;
        }
    }
    return false;
}

} // namespace

bool belongsTo(DataType type, TypeClass wanted) {
    const bool isPlainFloat =
        type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBF16 || type == DataType::kF64;
    switch (wanted) {
    case TypeClass::kAny:
        return true;
    case TypeClass::kFloat:
        return isPlainFloat;
    case TypeClass::kInteger:
        return ir::isInteger(type);
    case TypeClass::kNumber:
        return isPlainFloat || ir::isInteger(type);
    case TypeClass::kNumberOrBool:
        return isPlainFloat || ir::isInteger(type) || type == DataType::kBool;
    case TypeClass::kBool:
        return type == DataType::kBool;
    case TypeClass::kIndex:
        return type == DataType::kI32 || type == DataType::kI64;
    }
    return false;
}

Status needType(const InferContext& context, size_t input, TypeClass wanted) {
    if (!context.hasInput(input) || belongsTo(context.input(input).type.dtype, wanted)) {
        return support::okStatus();
    }
    return invalidArgument("operand ", input, " must be ", describe(wanted), ", but is ",
                           ir::nameOf(context.input(input).type.dtype));
}

Status needSameType(const InferContext& context, size_t first, size_t second) {
    if (!context.hasInput(first) || !context.hasInput(second)) {
        return support::okStatus();
    }
    const DataType a = context.input(first).type.dtype;
    const DataType b = context.input(second).type.dtype;
    if (a == b) {
        return support::okStatus();
    }
    return invalidArgument("operands ", first, " and ", second, " must have one element type, but are ", ir::nameOf(a),
                           " and ", ir::nameOf(b), "; cast one of them");
}

Status needRank(const InferContext& context, size_t input, int64_t low, int64_t high) {
    if (!context.hasInput(input) || !context.input(input).type.ranked) {
        return support::okStatus();
    }
    const int64_t rank = context.input(input).type.rank();
    if (rank >= low && rank <= high) {
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const int64_t limit = rank < low ? low : high;
    return invalidArgument("operand ", input, " must have ",
                           low == high  ? "exactly "
                           : rank < low ? "at least "
                                        : "at most ",
                           counted(limit, "dimension", "dimensions"), ", but has ", rank, ": ",
                           math.text(context.input(input).type.dims));
}

std::string textOf(const ExtentMath& math, const TensorType& type) {
    return type.ranked ? math.text(type.dims) : "unknown rank";
}

Result<int64_t> normalAxis(int64_t axis, int64_t rank, std::string_view name) {
    if (axis < -rank || axis >= rank) {
        return invalidArgument(name, " ", axis, " is out of range for ", counted(rank, "dimension", "dimensions"),
                               rank > 0 ? cat(": it must be within [", -rank, ", ", rank - 1, "]") : "");
    }
    return axis < 0 ? axis + rank : axis;
}

Result<std::vector<int64_t>> normalAxes(const std::vector<int64_t>& axes, int64_t rank, std::string_view name) {
    std::vector<int64_t> result;
    for (const int64_t axis : axes) {
        TN_ASSIGN_OR_RETURN(const int64_t normal, normalAxis(axis, rank, name));
        if (std::find(result.begin(), result.end(), normal) != result.end()) {
            return invalidArgument(name, " names dim ", normal, " twice");
        }
        result.push_back(normal);
    }
    return result;
}

std::optional<std::vector<int64_t>> constantIntegers(const InferContext& context, size_t input,
                                                     std::string_view attribute) {
    const auto exprs = context.integers(input, attribute);
    if (!exprs) {
        return std::nullopt;
    }
    const ExtentMath math(context.pool());
    std::vector<int64_t> values;
    for (const DimExpr e : *exprs) {
        const auto known = math.value(e);
        if (!known) {
            return std::nullopt;
        }
        values.push_back(*known);
    }
    return values;
}

bool isGiven(const InferContext& context, size_t input, std::string_view attribute) {
    return context.attributes().has(attribute) || context.hasInput(input);
}

std::optional<int64_t> listLength(const InferContext& context, size_t input, std::string_view attribute) {
    if (const auto known = context.integers(input, attribute)) {
        return static_cast<int64_t>(known->size());
    }
    if (const auto* floats = context.attributes().get<std::vector<double>>(attribute)) {
        return static_cast<int64_t>(floats->size());
    }
    if (!context.hasInput(input) || !context.input(input).type.ranked) {
        return std::nullopt;
    }
    const auto& dims = context.input(input).type.dims;
    if (dims.empty()) {
        return 1;
    }
    return dims.size() == 1 ? ExtentMath(context.pool()).value(dims[0]) : std::nullopt;
}

Result<DimExpr> unify(const ExtentMath& math, DimExpr a, DimExpr b, std::string_view what) {
    if (!a.valid() || !b.valid()) {
        return a.valid() ? a : b;
    }
    if (math.differSurely(a, b)) {
        return invalidArgument(what, ": ", math.text(a), " and ", math.text(b));
    }
    return math.value(b) ? b : a;
}

Result<DimExpr> broadcastExtent(const ExtentMath& math, DimExpr a, DimExpr b) {
    if (math.equalSurely(a, b) || math.is(b, 1)) {
        return a;
    }
    if (math.is(a, 1)) {
        return b;
    }
    const auto valueA = math.value(a);
    const auto valueB = math.value(b);
    if (valueA && valueB) {
        return invalidArgument("extents ", *valueA, " and ", *valueB, " differ and neither is 1");
    }
    // A constant other than 1 decides: the other one can only be equal to it or 1.
    if (valueA || valueB) {
        return valueA ? a : b;
    }
    if (!a.valid() || !b.valid()) {
        return DimExpr{};
    }
    if (math.bounds(a).min > 1 || isCutOf(math, b, a)) {
        return a;
    }
    if (math.bounds(b).min > 1 || isCutOf(math, a, b)) {
        return b;
    }
    if (math.bounds(a).min >= 1 && math.bounds(b).min >= 1) {
        return math.max(a, b);
    }
    // Not the larger of the two: an empty dimension broadcasts with 1 to an empty one.
    // In the order of their texts, so that a + b and b + a have one extent.
    const bool inOrder = math.text(a) < math.text(b);
    const DimExpr first = inOrder ? a : b;
    const DimExpr second = inOrder ? b : a;
    return math.select(math.equal(first, math.constant(1)), second, first);
}

Result<TensorType> broadcastInputs(const InferContext& context, const std::vector<size_t>& inputs) {
    const ExtentMath math(context.pool());
    const TensorType& first = context.input(inputs[0]).type;
    Extents dims;
    bool ranked = true;
    for (size_t k = 0; k < inputs.size() && ranked; ++k) {
        const TensorType& type = context.input(inputs[k]).type;
        ranked = type.ranked;
        Extents other = type.dims;
        const size_t rank = std::max(dims.size(), other.size());
        dims.insert(dims.begin(), rank - dims.size(), math.constant(1));
        other.insert(other.begin(), rank - other.size(), math.constant(1));
        for (size_t i = 0; i < rank && ranked; ++i) {
            auto extent = broadcastExtent(math, dims[i], other[i]);
            if (!extent.ok()) {
                const TensorType& against = context.input(inputs[k == 1 ? 0 : k - 1]).type;
                return invalidArgument("cannot broadcast ", textOf(math, against), " (operand ",
                                       inputs[k == 1 ? 0 : k - 1], ") and ", textOf(math, type), " (operand ",
                                       inputs[k], "): ", extent.status().message());
            }
            dims[i] = *extent;
        }
    }
    return ranked ? tensorOf(first.dtype, std::move(dims)) : unranked(first.dtype);
}

Status needBroadcastsTo(const InferContext& context, size_t small, size_t large) {
    if (!context.hasInput(small) || !context.input(small).type.ranked || !context.input(large).type.ranked) {
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const Extents& from = context.input(small).type.dims;
    const Extents& to = context.input(large).type.dims;
    bool fits = from.size() <= to.size();
    for (size_t i = 0; i < from.size() && fits; ++i) {
        const DimExpr extent = from[from.size() - 1 - i];
        fits = math.is(extent, 1) || !math.differSurely(extent, to[to.size() - 1 - i]);
    }
    if (fits) {
        return support::okStatus();
    }
    return invalidArgument("operand ", small, " of shape ", math.text(from),
                           " does not broadcast to the shape of operand ", large, ", ", math.text(to));
}

Result<Extents> unifyShapes(const ExtentMath& math, const Extents& a, const Extents& b, std::string_view what) {
    if (a.size() != b.size()) {
        return invalidArgument(what, ": ", math.text(a), " and ", math.text(b));
    }
    Extents result;
    for (size_t i = 0; i < a.size(); ++i) {
        auto extent = unify(math, a[i], b[i], what);
        if (!extent.ok()) {
            return invalidArgument(what, ": ", math.text(a), " and ", math.text(b));
        }
        result.push_back(*extent);
    }
    return result;
}

} // namespace tenon::ops
