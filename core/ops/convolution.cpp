// conv, deconv: any number of spatial dimensions.
#include "core/ops/op_families.h"
#include "core/ops/spatial_window.h"

namespace tenon::ops {

using ir::DimExpr;
using support::invalidArgument;

namespace {

// Types, ranks and the bias; what conv and deconv check alike.
Status checkOperands(const InferContext& context) {
    for (const size_t i : {0, 1, 2}) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kNumber));
        TN_RETURN_IF_ERROR(needSameType(context, 0, i));
    }
    TN_RETURN_IF_ERROR(needRank(context, 0, 3, TN_MAX_DIMS));
    TN_RETURN_IF_ERROR(needRank(context, 1, 3, TN_MAX_DIMS));
    TN_RETURN_IF_ERROR(needRank(context, 2, 1, 1));
    const ir::TensorType& x = context.input(0).type;
    const ir::TensorType& w = context.input(1).type;
    if (x.ranked && w.ranked && x.rank() != w.rank()) {
        return invalidArgument("operands 0 and 1 must have as many dimensions as each other, but have ", x.rank(),
                               " and ", w.rank());
    }
    return support::okStatus();
}

Status checkBias(const InferContext& context, const ExtentMath& math, DimExpr channels) {
    if (context.hasInput(2) && context.input(2).type.ranked &&
        math.differSurely(context.input(2).type.dims[0], channels)) {
        return invalidArgument("the bias (operand 2) has ", math.text(context.input(2).type.dims[0]), " elements for ",
                               math.text(channels), " output channels");
    }
    return support::okStatus();
}

Status inferConv(InferContext& context) {
    TN_RETURN_IF_ERROR(checkOperands(context));
    const ir::TensorType& x = context.input(0).type;
    const ir::TensorType& w = context.input(1).type;
    if (!x.ranked && !w.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const size_t rank = x.ranked ? x.dims.size() : w.dims.size();
    const Extents in = x.ranked ? x.dims : Extents(rank);
    const Extents weights = w.ranked ? w.dims : Extents(rank);
    const int64_t group = context.attributes().intOr("group", 1);
    const DimExpr wanted = math.mul(weights[1], group);
    if (math.differSurely(in[1], wanted)) {
        return invalidArgument("channels differ: ", math.text(in[1]), " in the input (operand 0, dim 1), ",
                               group == 1 ? "" : support::cat(group, " groups of "), math.text(weights[1]),
                               " in the weights (operand 1, dim 1)");
    }
    const auto channels = math.value(weights[0]);
    if (channels && *channels % group != 0) {
        return invalidArgument(*channels, " output channels (operand 1, dim 0) cannot be split into ", group,
                               " groups");
    }
    TN_RETURN_IF_ERROR(checkBias(context, math, weights[0]));
    TN_ASSIGN_OR_RETURN(const SpatialWindow window, readWindow(context, rank - 2));
    Extents dims{in[0], weights[0]};
    for (size_t i = 0; i + 2 < rank; ++i) {
        TN_ASSIGN_OR_RETURN(const DimExpr extent, windowCount(math, window, i, in[i + 2], weights[i + 2], i + 2));
        dims.push_back(extent);
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

Status inferDeconv(InferContext& context) {
    TN_RETURN_IF_ERROR(checkOperands(context));
    const ir::TensorType& x = context.input(0).type;
    const ir::TensorType& w = context.input(1).type;
    if (!x.ranked && !w.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const size_t rank = x.ranked ? x.dims.size() : w.dims.size();
    const size_t spatial = rank - 2;
    const Extents in = x.ranked ? x.dims : Extents(rank);
    const Extents weights = w.ranked ? w.dims : Extents(rank);
    const int64_t group = context.attributes().intOr("group", 1);
    if (math.differSurely(in[1], weights[0])) {
        return invalidArgument("channels differ: ", math.text(in[1]), " in the input (operand 0, dim 1), ",
                               math.text(weights[0]), " in the weights (operand 1, dim 0)");
    }
    const auto channels = math.value(in[1].valid() ? in[1] : weights[0]);
    if (channels && *channels % group != 0) {
        return invalidArgument(*channels, " input channels (operand 0, dim 1) cannot be split into ", group, " groups");
    }
    const DimExpr outputs = math.mul(weights[1], group);
    TN_RETURN_IF_ERROR(checkBias(context, math, outputs));
    TN_ASSIGN_OR_RETURN(const SpatialWindow window, readWindow(context, spatial));
    const auto checkLength = [&](const char* name, const std::vector<int64_t>& values) {
        return values.empty() || values.size() == spatial
                   ? support::okStatus()
                   : invalidArgument("attribute '", name, "' has ", counted(values.size(), "entry", "entries"),
                                     ", but needs ", spatial, ", one per spatial dimension");
    };
    std::vector<int64_t> extra = context.attributes().intsOr("output_padding", {});
    const std::vector<int64_t> shape = context.attributes().intsOr("output_shape", {});
    TN_RETURN_IF_ERROR(checkLength("output_padding", extra));
    TN_RETURN_IF_ERROR(checkLength("output_shape", shape));
    extra.resize(spatial, 0);
    Extents dims{in[0], outputs};
    for (size_t i = 0; i < spatial; ++i) {
        const int64_t stride = window.strides[i];
        if (!shape.empty()) {
            dims.push_back(math.constant(shape[i]));
        } else if (window.autoPad == AutoPad::kSameUpper || window.autoPad == AutoPad::kSameLower) {
            dims.push_back(math.mul(in[i + 2], stride));
        } else {
            const DimExpr reach = math.add(math.mul(math.sub(weights[i + 2], 1), window.dilations[i]), 1);
            const DimExpr full = math.add(math.mul(math.sub(in[i + 2], 1), stride), math.add(reach, extra[i]));
            const int64_t padding = window.padsBegin[i] + window.padsEnd[i];
            const DimExpr extent = math.sub(full, padding);
            if (math.bounds(extent).max < 0) {
                return invalidArgument("padding of ", padding, " takes more than the ", math.text(full),
                                       " elements that dim ", i + 2, " would have without it");
            }
            dims.push_back(extent);
        }
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> convolutionOps() {
    std::vector<OpDef> ops;
    OpBuilder conv("conv", "y[n, m, o...] = bias[m] + sum over c, k... of x[n, c, o * stride - pad + k * dilation] * "
                           "w[m, c, k...], c over the channels of m's group. "
                           "Extents: floor((in + pads - dilation * (kernel - 1) - 1) / stride) + 1.");
    conv.input("x", "[N, C, spatial...]").input("w", "[M, C / group, kernel...]").optionalInput("bias", "[M]");
    addWindowAttributes(conv).integer("group", 1, "input and output channels fall into this many independent groups",
                                      kPositive);
    ops.push_back(conv.build(inferConv));

    OpBuilder deconv("deconv", "The transpose of conv: every element of x adds its window w to y. Extents: (in - 1) * "
                               "stride + output_padding + dilation * (kernel - 1) + 1 - "
                               "pads, or output_shape.");
    deconv.input("x", "[N, C, spatial...]").input("w", "[C, M / group, kernel...]").optionalInput("bias", "[M]");
    addWindowAttributes(deconv)
        .integer("group", 1, "input and output channels fall into this many independent groups", kPositive)
        .integers("output_padding", "elements added at the end of each output dimension; absent: 0", kNotNegative)
        .integers("output_shape",
                  "spatial extents of the output, from which the padding follows: with same_lower the odd element is "
                  "cut at the begin, otherwise at the end",
                  kNotNegative);
    ops.push_back(deconv.build(inferDeconv));
    return ops;
}

} // namespace tenon::ops
