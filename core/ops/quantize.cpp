// quantize, dequantize: between real numbers and integers (or narrow floats) with a scale and a zero point.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

using ir::DataType;
using ir::TensorType;
using support::invalidArgument;

namespace {

// Scale and zero point are one element, or one per index of the axis.
Status checkParameters(const InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kFloat));
    const ExtentMath math(context.pool());
    const TensorType& x = context.input(0).type;
    for (const size_t i : {1, 2}) {
        if (!context.hasInput(i)) {
            continue;
        }
        const TensorType& type = context.input(i).type;
        if (type.rank() > 1) {
            return support::unsupported(
                "operand ", i,
                " must have at most 1 dimension: one element for all of x, or one per index of the axis; got ",
                math.text(type.dims));
        }
        if (type.rank() != 1 || !x.ranked || math.is(type.dims[0], 1)) {
            continue;
        }
        TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", 1), x.rank()));
        if (math.differSurely(type.dims[0], x.dims[static_cast<size_t>(axis)])) {
            return invalidArgument("operand ", i, " has ", math.text(type.dims[0]), " elements, but dim ", axis,
                                   " of operand 0 has extent ", math.text(x.dims[static_cast<size_t>(axis)]));
        }
    }
    return support::okStatus();
}

bool isQuantized(DataType type) { return ir::isInteger(type) || (ir::isFloat(type) && ir::bitsOf(type) <= 8); }

Status inferQuantize(InferContext& context) {
    const TensorType& x = context.input(0).type;
    if (!belongsTo(x.dtype, TypeClass::kFloat) && x.dtype != DataType::kI32) {
        return invalidArgument("operand 0 must be a float type or i32, but is ", ir::nameOf(x.dtype));
    }
    TN_RETURN_IF_ERROR(checkParameters(context));
    const auto* wanted = context.attributes().get<DataType>("to");
    const DataType to = wanted != nullptr ? *wanted : context.hasInput(2) ? context.input(2).type.dtype : DataType::kU8;
    if (!isQuantized(to)) {
        return invalidArgument("attribute 'to' must be an integer type or a float of at most 8 bits, but is ",
                               ir::nameOf(to));
    }
    if (context.hasInput(2) && context.input(2).type.dtype != to) {
        return invalidArgument("the zero point (operand 2) must be ", ir::nameOf(to), " as the output, but is ",
                               ir::nameOf(context.input(2).type.dtype));
    }
    TensorType type = x;
    type.dtype = to;
    context.setOutput(0, type);
    return support::okStatus();
}

Status inferDequantize(InferContext& context) {
    const TensorType& x = context.input(0).type;
    if (!isQuantized(x.dtype)) {
        return invalidArgument("operand 0 must be an integer type or a float of at most 8 bits, but is ",
                               ir::nameOf(x.dtype));
    }
    TN_RETURN_IF_ERROR(needSameType(context, 0, 2));
    TN_RETURN_IF_ERROR(checkParameters(context));
    const auto* wanted = context.attributes().get<DataType>("to");
    TensorType type = x;
    type.dtype = wanted != nullptr ? *wanted : DataType::kF32;
    if (!belongsTo(type.dtype, TypeClass::kFloat)) {
        return invalidArgument("attribute 'to' must be f32, f16, bf16 or f64, but is ", ir::nameOf(type.dtype));
    }
    context.setOutput(0, type);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> quantizeOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("dequantize", "y = (x - zero_point) * scale.")
                      .input("x")
                      .input("scale", "one element, or one per index of axis")
                      .optionalInput("zero_point", "as scale, of the type of x; absent: 0")
                      .integer("axis", 1, "of scale and zero point with several elements")
                      .dtype("to", DataType::kF32, "")
                      .build(inferDequantize));
    ops.push_back(
        OpBuilder("quantize",
                  "y = x / scale rounded (of two nearest the even one) + zero_point, clamped to the range of the type.")
            .input("x")
            .input("scale", "one element, or one per index of axis")
            .optionalInput("zero_point", "as scale, of the type of y; absent: 0")
            .integer("axis", 1, "of scale and zero point with several elements")
            .dtype("to", std::nullopt, "absent: the type of zero_point, or u8 without one")
            .build(inferQuantize));
    return ops;
}

} // namespace tenon::ops
