// attention: scaled dot-product attention as one op.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

#include <limits>

namespace tenon::ops {

using ir::DimExpr;
using support::invalidArgument;

namespace {

// Extents of q, k and v by what they count.
struct Places {
    size_t heads;
    size_t positions;
};

Status checkMask(const InferContext& context, const Extents& scores) {
    if (!context.hasInput(3)) {
        return support::okStatus();
    }
    const ir::TensorType& mask = context.input(3).type;
    if (mask.dtype != ir::DataType::kBool) {
        TN_RETURN_IF_ERROR(needSameType(context, 0, 3));
    }
    const ExtentMath math(context.pool());
    const size_t offset = scores.size() - mask.dims.size();
    for (size_t i = 0; mask.ranked && i < mask.dims.size(); ++i) {
        const bool isOne = math.value(mask.dims[i]) == 1;
        if (mask.dims.size() > scores.size() || (!isOne && math.differSurely(mask.dims[i], scores[offset + i]))) {
            return invalidArgument("a mask (operand 3) of shape ", math.text(mask.dims),
                                   " does not broadcast to scores of shape ", math.text(scores));
        }
    }
    return support::okStatus();
}

Status inferAttention(InferContext& context) {
    for (const size_t i : {0, 1, 2}) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kFloat));
        TN_RETURN_IF_ERROR(needRank(context, i, 3, 4));
        TN_RETURN_IF_ERROR(needSameType(context, 0, i));
    }
    const ir::TensorType& q = context.input(0).type;
    const ir::TensorType& k = context.input(1).type;
    const ir::TensorType& v = context.input(2).type;
    const ir::AttributeMap& attributes = context.attributes();
    const int64_t headsAxis = attributes.intOr("heads_axis", -3);
    const bool transposedKeys = attributes.intOr("k_transposed", 0) != 0;
    if (transposedKeys && headsAxis != -3) {
        return invalidArgument("transposed keys (k_transposed) go with heads_axis -3 only");
    }
    if (!q.ranked || !k.ranked || !v.ranked) {
        context.setOutput(0, unranked(q.dtype));
        return support::okStatus();
    }
    const size_t rank = q.dims.size();
    if (k.dims.size() != rank || v.dims.size() != rank) {
        return invalidArgument("q, k and v must have one rank; they have ", rank, ", ", k.dims.size(), " and ",
                               v.dims.size());
    }
    const ExtentMath math(context.pool());
    const Places at = headsAxis == -2 ? Places{rank - 2, rank - 3} : Places{rank - 3, rank - 2};
    const DimExpr keys = k.dims[transposedKeys ? rank - 1 : at.positions];
    const DimExpr keyDepth = k.dims[transposedKeys ? rank - 2 : rank - 1];
    const auto mustAgree = [&](DimExpr a, DimExpr b, const char* what) -> Status {
        return math.differSurely(a, b) ? Status(invalidArgument(what, " differ: ", math.text(a), " and ", math.text(b)))
                                       : support::okStatus();
    };
    TN_RETURN_IF_ERROR(mustAgree(q.dims[rank - 1], keyDepth, "the last extents of q and k"));
    TN_RETURN_IF_ERROR(mustAgree(keys, v.dims[at.positions], "the positions of k and v"));
    TN_RETURN_IF_ERROR(mustAgree(k.dims[at.heads], v.dims[at.heads], "the heads of k and v"));
    if (rank == 4) {
        TN_RETURN_IF_ERROR(mustAgree(q.dims[0], k.dims[0], "the batches of q and k"));
        TN_RETURN_IF_ERROR(mustAgree(q.dims[0], v.dims[0], "the batches of q and v"));
    }
    const auto heads = math.value(q.dims[at.heads]);
    const auto shared = math.value(k.dims[at.heads]);
    if (heads && shared && (*shared == 0 ? *heads != 0 : *heads % *shared != 0)) {
        return invalidArgument(*heads, " heads of q cannot share ", *shared, " heads of k evenly");
    }
    Extents scores;
    if (rank == 4) {
        scores.push_back(q.dims[0]);
    }
    scores.insert(scores.end(), {q.dims[at.heads], q.dims[at.positions], keys});
    TN_RETURN_IF_ERROR(checkMask(context, scores));
    Extents dims = q.dims;
    dims.back() = v.dims.back();
    context.setOutput(0, tensorOf(q.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> attentionOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        OpBuilder("attention", "y = softmax(mask(scale * q k^T)) v for each batch and head, softmax along the keys. B "
                               "batches (no such dimension in tensors "
                               "of rank 3), H heads, S positions of q, T positions of k and v, D and E elements. Fewer "
                               "heads G of k and v serve H / G "
                               "neighbouring heads of q each. The result is laid out as q, with E elements.")
            .input("q", "[B, H, S, D]; [B, S, H, D] where heads_axis is -2")
            .input("k", "[B, G, T, D]; [B, T, G, D] where heads_axis is -2; [B, G, D, T] where k_transposed")
            .input("v", "[B, G, T, E]; [B, T, G, E] where heads_axis is -2")
            .optionalInput(
                "mask",
                "broadcasts to [B, H, S, T], whatever heads_axis is: a float is added to the score, a bool says which "
                "scores stay")
            .number("scale", 1, "")
            .flag("causal", false, "position s of q sees positions 0 to s of k and v")
            .integer("heads_axis", -3, "which dimension counts heads, from the last: -3 or -2", {-3, -2})
            .flag("k_transposed", false, "k comes with its last two dimensions swapped; with heads_axis -3 only")
            .flag("mask_keeps", true,
                  "true elements of a bool mask stand for scores that stay (1) or that become `fill` (0)")
            .number("fill", -std::numeric_limits<double>::infinity(), "what a score becomes that a bool mask takes out")
            .flag("nan_to_zero", false,
                  "a row of probabilities that are NaN (all scores -inf, or one NaN) counts as zeros")
            .build(inferAttention));
    return ops;
}

} // namespace tenon::ops
