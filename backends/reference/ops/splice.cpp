// Ops that put tensors together, take them apart or repeat them: concat, split, expand, tile.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

Plan planConcat(const Call& call) {
    const Dims& out = call.out().dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, out.size()));
    const TnDataType type = call.out().dtype;
    const Dims strides = rowMajorStrides(out);
    std::vector<Dims> pieces;
    std::vector<int64_t> firsts;
    int64_t at = 0;
    for (size_t i = 0; i < call.inputCount(); ++i) {
        pieces.push_back(call.in(i).dims);
        firsts.push_back(at * strides[axis]);
        if (pieces.back().size() != out.size()) {
            invalid("concat of shape ", shapeText(pieces.back()), " into shape ", shapeText(out));
        }
        at += pieces.back()[axis];
        for (size_t d = 0; d < out.size(); ++d) {
            if (d != axis && pieces.back()[d] != out[d]) {
                invalid("concat of shape ", shapeText(pieces.back()), " into shape ", shapeText(out), " along axis ",
                        axis);
            }
        }
    }
    if (at != out[axis]) {
        invalid("concat: the pieces make ", at, " along axis ", axis, ", the output has ", out[axis]);
    }
    std::vector<Plan> copies;
    for (size_t i = 0; i < pieces.size(); ++i) {
        copies.push_back(planCopy(type, pieces[i], {rowMajorStrides(pieces[i]), 0}, {strides, firsts[i]}));
    }
    return {[copies](const Buffers& b) {
        for (size_t i = 0; i < copies.size(); ++i) {
            Buffers piece = b;
            piece.inputs = b.inputs + i;
            copies[i].run(piece);
        }
        return Code::kOk;
    }};
}

Plan planSplit(const Call& call) {
    const Dims& in = call.in(0).dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, in.size()));
    const Dims strides = rowMajorStrides(in);
    std::vector<Plan> copies;
    int64_t at = 0;
    for (size_t o = 0; o < call.outputCount(); ++o) {
        // The parts' extents were inferred; an output that nobody reads is not there, so the sizes are asked again.
        const Dims sizes = call.dims("sizes");
        const auto parts = static_cast<int64_t>(call.outputCount());
        const int64_t even = (in[axis] + parts - 1) / parts;
        const int64_t size = !sizes.empty() ? (o < sizes.size() ? sizes[o] : 0) : std::min(even, in[axis] - at);
        Dims part = in;
        part[axis] = size;
        if (size < 0 || at + size > in[axis] || (call.wants(o) && call.out(o).dims != part)) {
            invalid("split: part ", o, " of ", size, " along axis ", axis, " of shape ", shapeText(in));
        }
        copies.push_back(
            call.wants(o) ? planCopy(call.in(0).dtype, part, {strides, at * strides[axis]}, {rowMajorStrides(part), 0})
                          : Plan{});
        at += size;
    }
    return {[copies](const Buffers& b) {
        for (size_t o = 0; o < copies.size(); ++o) {
            if (copies[o].run) {
                Buffers piece = b;
                piece.outputs = b.outputs + o;
                copies[o].run(piece);
            }
        }
        return Code::kOk;
    }};
}

Plan planExpand(const Call& call) {
    const Dims& out = call.out().dims;
    return planCopy(call.out().dtype, out, {broadcastStrides(call.in(0).dims, out), 0}, {rowMajorStrides(out), 0});
}

Plan planTile(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    if (in.size() != out.size()) {
        invalid("tile of shape ", shapeText(in), " to shape ", shapeText(out));
    }
    // Every dimension becomes two: which repeat, which element of the original.
    const Dims inStrides = rowMajorStrides(in);
    const Dims outStrides = rowMajorStrides(out);
    Dims dims;
    Side from;
    Side to;
    for (size_t d = 0; d < in.size(); ++d) {
        if (in[d] == 0 ? out[d] != 0 : out[d] % in[d] != 0) {
            invalid("tile of shape ", shapeText(in), " to shape ", shapeText(out));
        }
        dims.insert(dims.end(), {in[d] == 0 ? 0 : out[d] / in[d], in[d]});
        from.strides.insert(from.strides.end(), {0, inStrides[d]});
        to.strides.insert(to.strides.end(), {outStrides[d] * in[d], outStrides[d]});
    }
    return planCopy(call.in(0).dtype, dims, from, to);
}

} // namespace

void addSplice(KernelTable& table) {
    table.add({.op = "concat", .maxInputs = -1, .types = kWholeBytes, .plan = planConcat, .check = requireSameTypes});
    table.add({.op = "split", .maxInputs = 2, .types = kWholeBytes, .plan = planSplit});
    table.add({.op = "expand", .maxInputs = 2, .types = kWholeBytes, .plan = planExpand});
    table.add({.op = "tile", .maxInputs = 2, .types = kWholeBytes, .plan = planTile});
}

} // namespace tenon::reference
