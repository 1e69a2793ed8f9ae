#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

using ir::DimExpr;

namespace {

Status inferMatmul(InferContext& context) {
    for (const size_t i : {0, 1}) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kNumber));
        TN_RETURN_IF_ERROR(needRank(context, i, 1, TN_MAX_DIMS));
    }
    TN_RETURN_IF_ERROR(needSameType(context, 0, 1));
    const ir::TensorType& a = context.input(0).type;
    const ir::TensorType& b = context.input(1).type;
    if (!a.ranked || !b.ranked) {
        context.setOutput(0, unranked(a.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const bool transA = context.attributes().intOr("trans_a", 0) != 0 && a.rank() > 1;
    const bool transB = context.attributes().intOr("trans_b", 0) != 0 && b.rank() > 1;
    const size_t rankA = a.dims.size();
    const size_t rankB = b.dims.size();
    const size_t innerA = rankA - (transA ? 2 : 1);
    const size_t innerB = rankB == 1 ? 0 : rankB - (transB ? 1 : 2);
    if (math.differSurely(a.dims[innerA], b.dims[innerB])) {
        return support::invalidArgument("inner extents differ: ", math.text(a.dims[innerA]), " (operand 0, dim ",
                                        innerA, ") and ", math.text(b.dims[innerB]), " (operand 1, dim ", innerB,
                                        ") of shapes ", math.text(a.dims), " and ", math.text(b.dims));
    }
    Extents dims;
    const size_t batchA = rankA > 2 ? rankA - 2 : 0;
    const size_t batchB = rankB > 2 ? rankB - 2 : 0;
    const size_t batch = std::max(batchA, batchB);
    for (size_t i = 0; i < batch; ++i) {
        const DimExpr one = math.constant(1);
        const DimExpr left = i + batchA >= batch ? a.dims[i + batchA - batch] : one;
        const DimExpr right = i + batchB >= batch ? b.dims[i + batchB - batch] : one;
        auto extent = broadcastExtent(math, left, right);
        if (!extent.ok()) {
            return support::invalidArgument("batch dimensions of ", math.text(a.dims), " (operand 0) and ",
                                            math.text(b.dims),
                                            " (operand 1) do not broadcast: ", extent.status().message());
        }
        dims.push_back(*extent);
    }
    if (rankA > 1) {
        dims.push_back(a.dims[rankA - (transA ? 1 : 2)]);
    }
    if (rankB > 1) {
        dims.push_back(b.dims[rankB - (transB ? 2 : 1)]);
    }
    context.setOutput(0, tensorOf(a.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> matmulOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("matmul", "y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]. Leading dimensions "
                                      "broadcast; an operand of one dimension is a row (a) or "
                                      "a column (b), which the result then lacks.")
                      .input("a", "[..., M, K], or [..., K, M] when trans_a")
                      .input("b", "[..., K, N], or [..., N, K] when trans_b")
                      .flag("trans_a", false, "swaps the last two dimensions of a; no effect on one dimension")
                      .flag("trans_b", false, "swaps the last two dimensions of b; no effect on one dimension")
                      .build(inferMatmul));
    return ops;
}

} // namespace tenon::ops
