// topk, cumsum.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;

namespace {

Status inferTopk(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    if (!isGiven(context, 1, "k")) {
        return invalidArgument("needs the attribute 'k' or operand 1");
    }
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, x);
        context.setOutput(1, unranked(ir::DataType::kI64));
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", -1), x.rank()));
    const ExtentMath math(context.pool());
    const auto k = context.integers(1, "k");
    const DimExpr extent = x.dims[static_cast<size_t>(axis)];
    if (k && k->size() != 1) {
        return invalidArgument("'k' must be one number, but has ", k->size());
    }
    if (k && (math.bounds((*k)[0]).max < 0 || math.bounds(math.sub(extent, (*k)[0])).max < 0)) {
        return invalidArgument("k is ", math.text((*k)[0]), ", but must be within [0, ", math.text(extent),
                               "], the extent of dim ", axis);
    }
    Extents dims = x.dims;
    dims[static_cast<size_t>(axis)] = k ? (*k)[0] : context.unbacked("k");
    context.setOutput(0, tensorOf(x.dtype, dims));
    context.setOutput(1, tensorOf(ir::DataType::kI64, dims));
    return support::okStatus();
}

Status inferCumsum(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    if (!isGiven(context, 1, "axis")) {
        return invalidArgument("needs the attribute 'axis' or operand 1");
    }
    const TensorType& x = context.input(0).type;
    const auto axis = constantIntegers(context, 1, "axis");
    if (axis && axis->size() != 1) {
        return invalidArgument("'axis' must be one number, but has ", axis->size());
    }
    if (axis && x.ranked) {
        TN_RETURN_IF_ERROR(normalAxis((*axis)[0], x.rank()).status());
    }
    context.setOutput(0, x);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> topk_sortOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("cumsum", "y[i] = x[0] + ... + x[i] along axis.")
                      .input("x")
                      .shapeOperand("axis", AttributeKind::kInt, "")
                      .flag("exclusive", false, "1: without x[i] itself")
                      .flag("reverse", false, "1: from the last element down")
                      .build(inferCumsum));
    ops.push_back(OpBuilder("topk", "The k largest or smallest elements along axis and their indices (i64). Of equal "
                                    "elements the one with the lower index comes first.")
                      .input("x")
                      .shapeOperand("k", AttributeKind::kDims, "one number, at most the extent")
                      .integer("axis", -1, "")
                      .flag("largest", true, "0: the smallest")
                      .flag("sorted", true, "0: in any order")
                      .outputs(1, 2)
                      .build(inferTopk));
    return ops;
}

} // namespace tenon::ops
