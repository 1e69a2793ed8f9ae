// fill, range, one_hot, eye_like, trilu: tensors made from little or masked by position.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

#include <cmath>

namespace tenon::ops {

using ir::DataType;
using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;

namespace {

Status inferFill(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 0, 0, 1));
    if (!isGiven(context, 0, "shape")) {
        return invalidArgument("needs the attribute 'shape' or operand 0");
    }
    const auto* value = context.attributes().get<ir::ConstantPtr>("value");
    if (value != nullptr && (*value)->elements() != 1) {
        return invalidArgument("attribute 'value' must be one element, but has ", (*value)->elements());
    }
    const DataType dtype = value != nullptr ? (*value)->dtype : DataType::kF32;
    const auto shape = context.integers(0, "shape");
    const ExtentMath math(context.pool());
    if (!shape) {
        const auto rank = listLength(context, 0, "shape");
        if (!rank || *rank > TN_MAX_DIMS) {
            context.setOutput(0, unranked(dtype));
            return support::okStatus();
        }
        Extents dims;
        for (int64_t i = 0; i < *rank; ++i) {
            dims.push_back(context.unbacked("filled"));
        }
        context.setOutput(0, tensorOf(dtype, std::move(dims)));
        return support::okStatus();
    }
    for (size_t i = 0; i < shape->size(); ++i) {
        if (math.bounds((*shape)[i]).max < 0) {
            return invalidArgument("attribute 'shape'[", i, "] is ", math.text((*shape)[i]),
                                   ", but must be at least 0");
        }
    }
    InferInput element;
    element.present = true;
    element.constant = value != nullptr ? *value : nullptr;
    const InferContext reader(context.attributes(), {element}, 0, context.pool());
    const auto contents = value != nullptr ? reader.contentsOf(0) : std::vector<DimExpr>{math.constant(0)};
    if (const auto to = smallDims(math, *shape); to && contents) {
        setContents(context, 0, generate(*to, [&](const std::vector<int64_t>&) { return (*contents)[0]; }));
    }
    context.setOutput(0, tensorOf(dtype, *shape));
    return support::okStatus();
}

// The number of elements from start to limit, by delta, all integers.
DimExpr rangeCount(const ExtentMath& math, DimExpr start, DimExpr limit, DimExpr delta) {
    const DimExpr zero = math.constant(0);
    const DimExpr up = math.ceilDiv(math.max(math.sub(limit, start), zero), delta);
    const DimExpr down = math.ceilDiv(math.max(math.sub(start, limit), zero), math.sub(zero, delta));
    return math.select(math.less(zero, delta), up, down);
}

Status inferRange(InferContext& context) {
    const ExtentMath math(context.pool());
    for (const size_t i : {0, 1, 2}) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kNumber));
        TN_RETURN_IF_ERROR(needSameType(context, 0, i));
        TN_RETURN_IF_ERROR(needRank(context, i, 0, 1));
        const TensorType& type = context.input(i).type;
        if (type.rank() == 1 && math.differSurely(type.dims[0], math.constant(1))) {
            return invalidArgument("operand ", i, " must be one element, but has shape ", math.text(type.dims));
        }
    }
    const DataType dtype = context.input(0).type.dtype;
    const auto start = context.contentsOf(0);
    const auto limit = context.contentsOf(1);
    const auto delta = context.contentsOf(2);
    if (start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1) {
        if (math.is((*delta)[0], 0)) {
            return invalidArgument("the step (operand 2) is 0");
        }
        const DimExpr count = rangeCount(math, (*start)[0], (*limit)[0], (*delta)[0]);
        context.setOutput(0, tensorOf(dtype, {count}));
        if (const auto to = smallDims(math, {count}); to && countsExactly(dtype)) {
            setContents(context, 0, generate(*to, [&](const std::vector<int64_t>& at) {
                            return math.add((*start)[0], math.mul((*delta)[0], at[0]));
                        }));
        }
        return support::okStatus();
    }
    double numbers[3] = {};
    bool known = true;
    for (const size_t i : {0, 1, 2}) {
        const ir::ConstantPtr& constant = context.input(i).constant;
        known = known && constant != nullptr && constant->elements() == 1;
        numbers[i] = known ? constant->numberAt(0) : 0;
    }
    if (!known) {
        context.setOutput(0, tensorOf(dtype, {context.unbacked("range")}));
        return support::okStatus();
    }
    const double count = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (!(std::fabs(count) < 9e15)) {
        return invalidArgument("from ", numbers[0], " to ", numbers[1], " in steps of ", numbers[2],
                               " is no finite range");
    }
    context.setOutput(0, tensorOf(dtype, {math.constant(count > 0 ? static_cast<int64_t>(count) : 0)}));
    return support::okStatus();
}

Status inferOneHot(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    TN_RETURN_IF_ERROR(needRank(context, 2, 1, 1));
    if (!isGiven(context, 1, "depth")) {
        return invalidArgument("needs the attribute 'depth' or operand 1");
    }
    const ExtentMath math(context.pool());
    const TensorType& indices = context.input(0).type;
    const TensorType& values = context.input(2).type;
    if (values.ranked && math.differSurely(values.dims[0], math.constant(2))) {
        return invalidArgument("the values (operand 2) must be two, off and on, but are ", math.text(values.dims[0]));
    }
    if (!indices.ranked) {
        context.setOutput(0, unranked(values.dtype));
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", -1), indices.rank() + 1));
    // A float depth is a whole number in disguise.
    const auto depth = context.attributes().has("depth") ? context.integers(1, "depth") : context.contentsOf(1);
    if (depth && (depth->size() != 1 || math.bounds((*depth)[0]).max < 0)) {
        return invalidArgument("the depth must be one number that is at least 0, but is ", math.text(*depth));
    }
    Extents dims = indices.dims;
    dims.insert(dims.begin() + axis, depth ? (*depth)[0] : context.unbacked("depth"));
    context.setOutput(0, tensorOf(values.dtype, std::move(dims)));
    return support::okStatus();
}

Status inferEyeLike(InferContext& context) {
    TN_RETURN_IF_ERROR(needRank(context, 0, 2, 2));
    const TensorType& x = context.input(0).type;
    const auto* dtype = context.attributes().get<DataType>("dtype");
    TensorType type = x;
    type.dtype = dtype != nullptr ? *dtype : x.dtype;
    if (!belongsTo(type.dtype, TypeClass::kNumberOrBool)) {
        return invalidArgument("an identity matrix of ", ir::nameOf(type.dtype), " cannot be made");
    }
    context.setOutput(0, type);
    return support::okStatus();
}

Status inferTrilu(InferContext& context) {
    TN_RETURN_IF_ERROR(needRank(context, 0, 2, TN_MAX_DIMS));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    context.setOutput(0, context.input(0).type);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> fill_rangeOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("eye_like", "A matrix of the shape of x with 1 where column - row = k, else 0.")
                      .input("x", "a matrix; its elements do not matter")
                      .dtype("dtype", std::nullopt, "absent: that of x")
                      .integer("k", 0, "")
                      .build(inferEyeLike));
    ops.push_back(OpBuilder("fill", "A tensor of the given shape, every element of which is value.")
                      .shapeOperand("shape", AttributeKind::kDims, "empty: a scalar")
                      .tensor("value", "one element, which gives the type; absent: 0 of type f32", false)
                      .build(inferFill));
    ops.push_back(OpBuilder("one_hot", "A new dimension of `depth` elements at axis: values[1] at the position that "
                                       "indices names, values[0] elsewhere. Negative indices count from "
                                       "the end; others outside give values[0] throughout.")
                      .input("indices")
                      .shapeOperand("depth", AttributeKind::kDims, "one extent")
                      .input("values", "two elements, off and on, which give the type")
                      .integer("axis", -1, "in the output")
                      .build(inferOneHot));
    ops.push_back(
        OpBuilder("range",
                  "y[i] = start + i * delta, as many as lie before limit: max(0, ceil((limit - start) / delta)).")
            .input("start", "a scalar")
            .input("limit", "a scalar")
            .input("delta", "a scalar, not 0")
            .build(inferRange));
    ops.push_back(
        OpBuilder(
            "trilu",
            "x with zeros below (upper) or above (lower) the diagonal column - row = k of its last two dimensions.")
            .input("x", "[..., rows, columns]")
            .shapeOperand("k", AttributeKind::kInt, "the diagonal; absent: 0, the main one")
            .flag("upper", true, "0: keeps the lower triangle")
            .build(inferTrilu));
    return ops;
}

} // namespace tenon::ops
