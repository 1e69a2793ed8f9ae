// shape, size: the extents of a tensor as a tensor.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

#include <algorithm>

namespace tenon::ops {

namespace {

Status inferShape(InferContext& context) {
    const ir::TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, tensorOf(ir::DataType::kI64, Extents(1)));
        return support::okStatus();
    }
    const int64_t rank = x.rank();
    const auto clamped = [rank](int64_t position) {
        return std::clamp<int64_t>(position < 0 ? position + rank : position, 0, rank);
    };
    const int64_t start = clamped(context.attributes().intOr("start", 0));
    const int64_t end = std::max(start, clamped(context.attributes().intOr("end", INT64_MAX)));
    Extents contents(x.dims.begin() + start, x.dims.begin() + end);
    context.setOutput(0, tensorOf(ir::DataType::kI64, {context.pool().constant(end - start)}));
    if (std::all_of(contents.begin(), contents.end(), [](ir::DimExpr e) { return e.valid(); })) {
        context.setContents(0, std::move(contents));
    }
    return support::okStatus();
}

Status inferSize(InferContext& context) {
    context.setOutput(0, tensorOf(ir::DataType::kI64, {}));
    const ir::TensorType& x = context.input(0).type;
    const ir::DimExpr count = x.ranked ? ExtentMath(context.pool()).product(x.dims) : ir::DimExpr{};
    if (count.valid()) {
        context.setContents(0, {count});
    }
    return support::okStatus();
}

} // namespace

std::vector<OpDef> shapeOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        OpBuilder(
            "shape",
            "The extents of x, i64, from dimension start up to but without end; negative ones count from the last.")
            .input("x")
            .integer("start", 0, "")
            .integer("end", INT64_MAX, "")
            .build(inferShape));
    ops.push_back(OpBuilder("size", "The number of elements of x, an i64 scalar.").input("x").build(inferSize));
    return ops;
}

} // namespace tenon::ops
