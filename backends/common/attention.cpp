#include "backends/common/attention.h"

#include "backends/common/failure.h"
#include "backends/common/kernel_table.h"

#include <limits>

namespace tenon::kernels {

namespace {

struct Operand {
    int64_t batches, heads, positions, elements;
    AttentionStrides strides;
};

// A tensor of rank 3 has one batch.
Operand read(const Dims& dims, bool headsInner, bool swapped) {
    if (dims.size() != 3 && dims.size() != 4) {
        invalid("attention of a tensor of shape ", shapeText(dims));
    }
    const Dims strides = rowMajorStrides(dims);
    const size_t rank = dims.size();
    const size_t head = rank - (headsInner ? 2 : 3);
    const size_t row = swapped ? rank - 1 : rank - (headsInner ? 3 : 2);
    const size_t element = swapped ? rank - 2 : rank - 1;
    return {rank == 4 ? dims[0] : 1,
            dims[head],
            dims[row],
            dims[element],
            {rank == 4 ? strides[0] : 0, strides[head], strides[row], strides[element]}};
}

} // namespace

AttentionShape attentionShapeOf(const Call& call) {
    const bool headsInner = call.intOr("heads_axis", -3) == -2;
    const Operand q = read(call.in(0).dims, headsInner, false);
    const Operand k = read(call.in(1).dims, headsInner, call.intOr("k_transposed", 0) != 0);
    const Operand v = read(call.in(2).dims, headsInner, false);
    const Operand y = read(call.out().dims, headsInner, false);
    if (q.elements != k.elements || k.positions != v.positions || k.heads != v.heads || q.batches != k.batches ||
        q.batches != v.batches || (k.heads == 0 ? q.heads != 0 : q.heads % k.heads != 0) || y.elements != v.elements) {
        invalid("attention of ", shapeText(call.in(0).dims), ", ", shapeText(call.in(1).dims), " and ",
                shapeText(call.in(2).dims), ", which do not fit");
    }
    AttentionShape shape;
    shape.type = call.in(0).dtype;
    shape.batches = q.batches;
    shape.heads = q.heads;
    shape.sharedHeads = k.heads;
    shape.rows = q.positions;
    shape.keys = k.positions;
    shape.depth = q.elements;
    shape.width = v.elements;
    shape.q = q.strides;
    shape.k = k.strides;
    shape.v = v.strides;
    shape.y = y.strides;
    shape.scale = call.floatOr("scale", 1);
    shape.causal = call.intOr("causal", 0) != 0;
    shape.maskKeeps = call.intOr("mask_keeps", 1) != 0;
    shape.fill = call.floatOr("fill", -std::numeric_limits<double>::infinity());
    shape.nanToZero = call.intOr("nan_to_zero", 0) != 0;
    if (call.has(3)) {
        const Dims strides = broadcastStrides(call.in(3).dims, {shape.batches, shape.heads, shape.rows, shape.keys});
        shape.hasMask = true;
        shape.maskType = call.in(3).dtype;
        shape.mask = {strides[0], strides[1], strides[2], strides[3]};
    }
    return shape;
}

void checkAttention(const module::NodeView& node) {
    for (int32_t i = 1; i < 3; ++i) {
        if (node.hasInput(i) && node.input(i).dtype() != node.input(0).dtype()) {
            refuse("attention of ", nameOf(node.input(0).dtype()), " and ", nameOf(node.input(i).dtype()));
        }
    }
    if (node.hasInput(3)) {
        requireType(node, 3, maskOf(node.input(0).dtype()) | kBool);
    }
}

} // namespace tenon::kernels
