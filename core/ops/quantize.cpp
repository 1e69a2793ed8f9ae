// quantize, dequantize: between real numbers and integers (or narrow floats) with a scale and a zero point; products of such integers.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/op_registry.h"
#include "core/ops/spatial_window.h"

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

Status inferDynamicQuantize(InferContext& context) {
    const TensorType& x = context.input(0).type;
    if (x.dtype != DataType::kF32) {
        return invalidArgument("operand 0 must be f32, but is ", ir::nameOf(x.dtype));
    }
    TensorType type = x;
    type.dtype = DataType::kU8;
    context.setOutput(0, type);
    context.setOutput(1, tensorOf(DataType::kF32, {}));
    context.setOutput(2, tensorOf(DataType::kU8, {}));
    return support::okStatus();
}

// Two operands of 8 bits, each with a zero point of its type that has at most one dimension.
Status checkBytes(const InferContext& context) {
    for (const size_t i : {0, 1}) {
        const TensorType& type = context.input(i).type;
        if (type.dtype != DataType::kI8 && type.dtype != DataType::kU8) {
            return invalidArgument("operand ", i, " must be i8 or u8, but is ", ir::nameOf(type.dtype));
        }
        TN_RETURN_IF_ERROR(needSameType(context, i, i + 2));
        if (context.hasInput(i + 2) && context.input(i + 2).type.rank() > 1) {
            return support::unsupported("operand ", i + 2, ", a zero point, must have at most 1 dimension, but has ",
                                        context.input(i + 2).type.rank());
        }
    }
    return support::okStatus();
}

// What the op on real numbers says of the shapes, of operands that count as i32.
Status inferAs(InferContext& context, std::string_view op) {
    TN_RETURN_IF_ERROR(checkBytes(context));
    std::vector<InferInput> inputs{context.input(0), context.input(1)};
    for (InferInput& input : inputs) {
        input.type.dtype = DataType::kI32;
        input.constant = nullptr;
    }
    const OpRegistry& registry = OpRegistry::builtin();
    InferContext real(context.attributes(), std::move(inputs), 1, context.pool());
    TN_RETURN_IF_ERROR(registry.infer(*registry.find(op), real));
    context.setOutput(0, real.outputs()[0].type);
    return support::okStatus();
}

Status inferMatmulInteger(InferContext& context) { return inferAs(context, "matmul"); }
Status inferConvInteger(InferContext& context) { return inferAs(context, "conv"); }

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
    ops.push_back(OpBuilder("dynamic_quantize",
                            "Quantises to u8 with the scale and zero point that the range of x, which is made to hold "
                            "0, asks for: scale = (max - min) / 255, zero_point = -min / scale rounded and clamped.")
                      .input("x")
                      .outputs(3, 3)
                      .build(inferDynamicQuantize));
    ops.push_back(OpBuilder("matmul_integer", "matmul of a - a_zero and b - b_zero, in i32.")
                      .input("a", "i8 or u8")
                      .input("b", "i8 or u8")
                      .optionalInput("a_zero", "one element, or one per row of a; absent: 0")
                      .optionalInput("b_zero", "one element, or one per column of b; absent: 0")
                      .build(inferMatmulInteger));
    OpBuilder conv("conv_integer", "conv of x - x_zero and w - w_zero, in i32.");
    conv.input("x", "i8 or u8")
        .input("w", "i8 or u8")
        .optionalInput("x_zero", "one element; absent: 0")
        .optionalInput("w_zero", "one element, or one per output channel; absent: 0")
        .integer("group", 1, "as of conv", kPositive);
    ops.push_back(addWindowAttributes(conv).build(inferConvInteger));
    return ops;
}

} // namespace tenon::ops
