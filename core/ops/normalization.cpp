// Normalisation over batch, instance, group, trailing dimensions, neighbouring channels, and by a norm.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

using support::invalidArgument;

namespace {

// Operands `first`... are vectors with one element per channel (dim 1) of operand 0.
Status checkPerChannel(const InferContext& context, size_t first) {
    const ExtentMath math(context.pool());
    const ir::TensorType& x = context.input(0).type;
    for (size_t i = first; i < context.inputCount(); ++i) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kFloat));
        TN_RETURN_IF_ERROR(needRank(context, i, 1, 1));
        const ir::TensorType& v = context.input(i).type;
        if (x.ranked && v.ranked && math.differSurely(v.dims[0], x.dims[1])) {
            return invalidArgument("operand ", i, " has ", math.text(v.dims[0]), " elements for ", math.text(x.dims[1]),
                                   " channels (operand 0, dim 1)");
        }
    }
    return support::okStatus();
}

Status sameAsInput(InferContext& context) {
    context.setOutput(0, context.input(0).type);
    return support::okStatus();
}

Status inferPerChannel(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
    TN_RETURN_IF_ERROR(needRank(context, 0, 2, TN_MAX_DIMS));
    TN_RETURN_IF_ERROR(checkPerChannel(context, 1));
    return sameAsInput(context);
}

Status inferGroupNorm(InferContext& context) {
    TN_RETURN_IF_ERROR(inferPerChannel(context));
    const ir::TensorType& x = context.input(0).type;
    const int64_t groups = context.attributes().intOr("groups", 1);
    const auto channels = x.ranked ? ExtentMath(context.pool()).value(x.dims[1]) : std::nullopt;
    if (channels && *channels % groups != 0) {
        return invalidArgument(*channels, " channels (operand 0, dim 1) cannot be split into ", groups, " groups");
    }
    return support::okStatus();
}

// layer_norm and rms_norm: scale and bias broadcast to the dimensions axis..last, so to x.
Status inferTrailing(InferContext& context) {
    for (size_t i = 0; i < context.inputCount(); ++i) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kFloat));
    }
    const ir::TensorType& x = context.input(0).type;
    if (x.ranked) {
        TN_RETURN_IF_ERROR(normalAxis(context.attributes().intOr("axis", -1), x.rank()).status());
    }
    TN_RETURN_IF_ERROR(needBroadcastsTo(context, 1, 0));
    TN_RETURN_IF_ERROR(needBroadcastsTo(context, 2, 0));
    return sameAsInput(context);
}

Status inferAlongAxis(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
    const ir::TensorType& x = context.input(0).type;
    if (x.ranked) {
        TN_RETURN_IF_ERROR(normalAxis(context.attributes().intOr("axis", -1), x.rank()).status());
    }
    return sameAsInput(context);
}

Status inferLrn(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
    TN_RETURN_IF_ERROR(needRank(context, 0, 2, TN_MAX_DIMS));
    return sameAsInput(context);
}

} // namespace

std::vector<OpDef> normalizationOps() {
    const char* epsilon = "added to the variance";
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("batch_norm",
                            "y = (x - mean[c]) / sqrt(var[c] + epsilon) * scale[c] + bias[c], c the index in dim 1.")
                      .input("x", "[N, C, ...]")
                      .input("scale", "[C]")
                      .input("bias", "[C]")
                      .input("mean", "[C]")
                      .input("var", "[C]")
                      .number("epsilon", 1e-5, epsilon)
                      .build(inferPerChannel));
    ops.push_back(OpBuilder("group_norm",
                            "As instance_norm, with mean and variance over groups of C / groups neighbouring channels.")
                      .input("x", "[N, C, ...]")
                      .input("scale", "[C]")
                      .input("bias", "[C]")
                      .requiredInteger("groups", "divides C", kPositive)
                      .number("epsilon", 1e-5, epsilon)
                      .build(inferGroupNorm));
    ops.push_back(OpBuilder("instance_norm", "y = (x - m) / sqrt(v + epsilon) * scale[c] + bias[c]; m and v are mean "
                                             "and variance over all but the first two dimensions.")
                      .input("x", "[N, C, ...]")
                      .input("scale", "[C]")
                      .input("bias", "[C]")
                      .number("epsilon", 1e-5, epsilon)
                      .build(inferPerChannel));
    ops.push_back(OpBuilder("layer_norm", "y = (x - m) / sqrt(v + epsilon) * scale + bias; m and v are mean and "
                                          "variance over the dimensions from axis on.")
                      .input("x")
                      .optionalInput("scale", "broadcasts to x; absent: 1")
                      .optionalInput("bias", "broadcasts to x; absent: 0")
                      .integer("axis", -1, "the first normalised dimension")
                      .number("epsilon", 1e-5, epsilon)
                      .build(inferTrailing));
    ops.push_back(OpBuilder("lp_norm", "y = x / (sum of |x|^p along axis)^(1/p).")
                      .input("x")
                      .integer("axis", -1, "")
                      .integer("p", 2, "", {1, 2})
                      .build(inferAlongAxis));
    ops.push_back(
        OpBuilder("lrn", "y = x / (bias + alpha / size * sum of x^2 over size channels around the own one)^beta.")
            .input("x", "[N, C, ...]")
            .number("alpha", 1e-4, "")
            .number("beta", 0.75, "")
            .number("bias", 1, "")
            .requiredInteger(
                "size", "channels in the sum, from c - (size - 1) / 2 rounded down to c + (size - 1) / 2 rounded up",
                kPositive)
            .build(inferLrn));
    ops.push_back(OpBuilder("rms_norm", "y = x / sqrt(mean of x^2 over the dimensions from axis on + epsilon) * scale.")
                      .input("x")
                      .optionalInput("scale", "broadcasts to x; absent: 1")
                      .integer("axis", -1, "the first normalised dimension")
                      .number("epsilon", 1e-5, "added to the mean of the squares")
                      .build(inferTrailing));
    return ops;
}

} // namespace tenon::ops
