// reduce.* over any axes; arg.max and arg.min over one.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

#include <algorithm>
#include <array>

namespace tenon::ops {

using ir::DimExpr;

namespace {

using Combine = DimExpr (*)(const ExtentMath&, DimExpr, DimExpr);

struct Rule {
    const char* name;
    const char* doc;
    TypeClass operand;
    Combine combine; // null: contents are not followed
};

const std::array<Rule, 10> kRules{{
    {"l1", "y = sum of |x|.", TypeClass::kNumber, nullptr},
    {"l2", "y = sqrt(sum of x^2).", TypeClass::kNumber, nullptr},
    {"log_sum", "y = ln(sum of x).", TypeClass::kNumber, nullptr},
    {"log_sum_exp", "y = ln(sum of e^x), without overflow inside.", TypeClass::kNumber, nullptr},
    {"max", "y = the largest x; NaN if one is NaN; over nothing the lowest value of the type.",
     TypeClass::kNumberOrBool, [](const ExtentMath& math, DimExpr a, DimExpr b) { return math.max(a, b); }},
    {"mean", "y = mean of x; integers truncate toward zero.", TypeClass::kNumber, nullptr},
    {"min", "y = the smallest x; NaN if one is NaN; over nothing the highest value of the type.",
     TypeClass::kNumberOrBool, [](const ExtentMath& math, DimExpr a, DimExpr b) { return math.min(a, b); }},
    {"prod", "y = product of x.", TypeClass::kNumber,
     [](const ExtentMath& math, DimExpr a, DimExpr b) { return math.mul(a, b); }},
    {"sum", "y = sum of x.", TypeClass::kNumber,
     [](const ExtentMath& math, DimExpr a, DimExpr b) { return math.add(a, b); }},
    {"sum_square", "y = sum of x^2.", TypeClass::kNumber, nullptr},
}};

// Contents of a vector reduced to one element.
void reduceContents(InferContext& context, const Rule& rule, const std::vector<bool>& isReduced) {
    const auto x = smallTensor(context, 0);
    if (!x || rule.combine == nullptr || x->dims.size() > 1 || x->elements.empty() ||
        !countsExactly(context.input(0).type.dtype)) {
        return;
    }
    if (x->dims.empty() || !isReduced[0]) {
        context.setContents(0, x->elements);
        return;
    }
    const ExtentMath math(context.pool());
    DimExpr result = x->elements[0];
    for (size_t i = 1; i < x->elements.size(); ++i) {
        result = rule.combine(math, result, x->elements[i]);
    }
    if (result.valid()) {
        context.setContents(0, {result});
    }
}

Status inferReduce(InferContext& context, const Rule& rule) {
    TN_RETURN_IF_ERROR(needType(context, 0, rule.operand));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    const ir::TensorType& x = context.input(0).type;
    const bool keep = context.attributes().intOr("keep_dims", 1) != 0;
    const bool noop = context.attributes().intOr("noop_with_empty_axes", 0) != 0;
    const bool given = isGiven(context, 1, "axes");
    const auto axes = constantIntegers(context, 1, "axes");
    const bool all = (!given || (axes && axes->empty())) && !noop;
    if (!x.ranked) {
        context.setOutput(0, all && !keep ? tensorOf(x.dtype, {}) : unranked(x.dtype));
        return support::okStatus();
    }
    std::vector<bool> isReduced(x.dims.size(), all);
    if (given && !axes) {
        // Which dimensions go is known only when the axes are.
        const auto count = listLength(context, 1, "axes");
        if (keep) {
            Extents dims;
            for (size_t i = 0; i < x.dims.size(); ++i) {
                dims.push_back(context.unbacked("reduced"));
            }
            context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
        } else if (count && *count > 0 && *count <= x.rank()) {
            Extents dims;
            for (int64_t i = 0; i < x.rank() - *count; ++i) {
                dims.push_back(context.unbacked("reduced"));
            }
            context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
        } else {
            context.setOutput(0, unranked(x.dtype));
        }
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const auto normal, normalAxes(axes.value_or(std::vector<int64_t>{}), x.rank()));
    for (const int64_t axis : normal) {
        isReduced[static_cast<size_t>(axis)] = true;
    }
    Extents dims;
    for (size_t i = 0; i < x.dims.size(); ++i) {
        if (!isReduced[i]) {
            dims.push_back(x.dims[i]);
        } else if (keep) {
            dims.push_back(context.pool().constant(1));
        }
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    reduceContents(context, rule, isReduced);
    return support::okStatus();
}

Status inferArg(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    const ir::TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(ir::DataType::kI64));
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", 0), x.rank()));
    const ExtentMath math(context.pool());
    if (math.is(x.dims[static_cast<size_t>(axis)], 0)) {
        return support::invalidArgument("dim ", axis, " of operand 0 is empty and has no largest or smallest element");
    }
    Extents dims = x.dims;
    if (context.attributes().intOr("keep_dims", 1) != 0) {
        dims[static_cast<size_t>(axis)] = math.constant(1);
    } else {
        dims.erase(dims.begin() + axis);
    }
    context.setOutput(0, tensorOf(ir::DataType::kI64, std::move(dims)));
    return support::okStatus();
}

OpDef arg(const char* name, const char* doc) {
    return OpBuilder(name, doc)
        .input("x")
        .integer("axis", 0, "")
        .flag("keep_dims", true, "0: the dimension is dropped, 1: it stays with extent 1")
        .flag("select_last", false, "of several equal elements the last, not the first")
        .build(inferArg);
}

} // namespace

std::vector<OpDef> reduceOps() {
    std::vector<OpDef> ops;
    ops.push_back(arg("arg.max", "y = index (i64) of the largest element along axis."));
    ops.push_back(arg("arg.min", "y = index (i64) of the smallest element along axis."));
    for (const Rule& rule : kRules) {
        ops.push_back(OpBuilder(support::cat("reduce.", rule.name), rule.doc)
                          .input("x")
                          .shapeOperand("axes", AttributeKind::kInts,
                                        "dimensions to reduce; absent or empty: all, or none with noop_with_empty_axes")
                          .flag("keep_dims", true, "0: reduced dimensions are dropped, 1: they stay with extent 1")
                          .flag("noop_with_empty_axes", false,
                                "1: no axes mean no reduction: the formula over each element alone")
                          .build([&rule](InferContext& context) { return inferReduce(context, rule); }));
    }
    return ops;
}

} // namespace tenon::ops
