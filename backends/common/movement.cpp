#include "backends/common/movement.h"

#include <algorithm>

namespace tenon::kernels {

namespace {

// to[coordinate permuted by perm] = from[coordinate]: output dimension d is dimension perm[d] of the input seen as `dims`.
Copies permuted(const Dims& dims, const std::vector<size_t>& perm) {
    const Dims strides = rowMajorStrides(dims);
    CopySpec copy;
    for (size_t d : perm) {
        copy.dims.push_back(dims[d]);
        copy.from.strides.push_back(strides[d]);
    }
    copy.to.strides = rowMajorStrides(copy.dims);
    return {copy};
}

Dims blockedDims(const Call& call, int64_t block) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() != 4 || block < 1) {
        invalid(call.op(), " of shape ", shapeText(dims), " with blocks of ", block, "; the tensor must have rank 4");
    }
    return dims;
}

// The element of an extent that index x stands for where x may be outside: "clamp" or "edge", "wrap", "reflect" (without
// repeating the edge), anything else -1.
int64_t foldIndex(int64_t x, int64_t extent, std::string_view mode) {
    if (x >= 0 && x < extent) {
        return x;
    }
    if (extent == 0) {
        return -1;
    }
    if (mode == "clamp" || mode == "edge") {
        return x < 0 ? 0 : extent - 1;
    }
    if (mode == "wrap") {
        return (x % extent + extent) % extent;
    }
    if (mode == "reflect") {
        if (extent == 1) {
            return 0;
        }
        const int64_t period = 2 * (extent - 1);
        const int64_t folded = (x % period + period) % period;
        return folded < extent ? folded : period - folded;
    }
    return -1;
}

// With ends by ONNX's rules (negative indices, clamping), or with sizes exactly as asked.
struct SliceShape {
    Dims starts;
    Dims steps;
};

SliceShape readSlice(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    if (in.size() != out.size()) {
        invalid("slice of shape ", shapeText(in), " to shape ", shapeText(out));
    }
    const Dims starts = call.dims("starts");
    const Dims ends = call.dims("ends");
    const Dims sizes = call.dims("sizes");
    Dims axes = call.dims("axes");
    Dims steps = call.dims("steps");
    if (axes.empty()) {
        for (size_t d = 0; d < starts.size(); ++d) {
            axes.push_back(static_cast<int64_t>(d));
        }
    }
    if (steps.empty()) {
        steps.assign(starts.size(), 1);
    }
    const bool bySizes = call.hasAttribute("sizes");
    if (axes.size() != starts.size() || steps.size() != starts.size() ||
        (bySizes ? sizes : ends).size() != starts.size()) {
        invalid("slice with ", starts.size(), " starts, ", axes.size(), " axes and ", steps.size(), " steps");
    }
    SliceShape shape{Dims(in.size(), 0), Dims(in.size(), 1)};
    for (size_t i = 0; i < starts.size(); ++i) {
        const auto d = static_cast<size_t>(normalizeAxis(axes[i], in.size()));
        const int64_t step = steps[i];
        int64_t start = starts[i];
        if (!bySizes) {
            if (step == 0) {
                invalid("slice with a step of 0 along axis ", d);
            }
            start = start < 0 ? start + in[d] : start;
            start = std::clamp<int64_t>(start, 0, std::max<int64_t>(step > 0 ? in[d] : in[d] - 1, 0));
        }
        shape.starts[d] = start;
        shape.steps[d] = step;
    }
    return shape;
}

// The furthest index that dimension d reads; saturates where a step is absurd.
int64_t lastIndex(const SliceShape& shape, size_t d, int64_t extent) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(extent - 1, shape.steps[d], &reach) ||
        __builtin_add_overflow(reach, shape.starts[d], &reach)) {
        return shape.steps[d] < 0 ? INT64_MIN : INT64_MAX;
    }
    return reach;
}

} // namespace

Copies copiesOfTranspose(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const size_t rank = dims.size();
    const Dims given = call.intsOr("perm", 0, 0);
    std::vector<size_t> perm;
    std::vector<bool> seen(rank, false);
    for (size_t d = 0; d < rank; ++d) {
        if (!given.empty() && given.size() != rank) {
            invalid("transpose of rank ", rank, " with ", given.size(), " entries in 'perm'");
        }
        perm.push_back(given.empty() ? rank - 1 - d : static_cast<size_t>(normalizeAxis(given[d], rank)));
        if (seen[perm[d]]) {
            invalid("'perm' of transpose names dimension ", perm[d], " twice");
        }
        seen[perm[d]] = true;
    }
    return permuted(dims, perm);
}

Copies copiesOfDepthToSpace(const Call& call) {
    const int64_t block = call.intOr("block", 1);
    const Dims x = blockedDims(call, block);
    if (x[1] % (block * block) != 0) {
        invalid("depth_to_space: ", x[1], " channels are no multiple of the block's ", block * block);
    }
    const int64_t channels = x[1] / (block * block);
    const std::string mode = call.stringOr("mode", "dcr");
    if (mode == "dcr") {
        return permuted({x[0], block, block, channels, x[2], x[3]}, {0, 3, 4, 1, 5, 2});
    }
    if (mode == "crd") {
        return permuted({x[0], channels, block, block, x[2], x[3]}, {0, 1, 4, 2, 5, 3});
    }
    invalid("depth_to_space has no mode '", mode, "'; there are dcr and crd");
}

Copies copiesOfSpaceToDepth(const Call& call) {
    const int64_t block = call.intOr("block", 1);
    const Dims x = blockedDims(call, block);
    if (x[2] % block != 0 || x[3] % block != 0) {
        invalid("space_to_depth: a plane of ", x[2], " by ", x[3], " does not divide into blocks of ", block);
    }
    return permuted({x[0], x[1], x[2] / block, block, x[3] / block, block}, {0, 3, 5, 1, 2, 4});
}

Copies copiesOfConcat(const Call& call) {
    const Dims& out = call.out().dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, out.size()));
    const Dims strides = rowMajorStrides(out);
    Copies copies;
    int64_t at = 0;
    for (size_t i = 0; i < call.inputCount(); ++i) {
        const Dims& piece = call.in(i).dims;
        bool fits = piece.size() == out.size();
        for (size_t d = 0; fits && d < out.size(); ++d) {
            fits = d == axis || piece[d] == out[d];
        }
        if (!fits) {
            invalid("concat of shape ", shapeText(piece), " into shape ", shapeText(out), " along axis ", axis);
        }
        copies.push_back({i, 0, piece, {rowMajorStrides(piece), 0}, {strides, at * strides[axis]}});
        at += piece[axis];
    }
    if (at != out[axis]) {
        invalid("concat: the pieces make ", at, " along axis ", axis, ", the output has ", out[axis]);
    }
    return copies;
}

Copies copiesOfSplit(const Call& call) {
    const Dims& in = call.in(0).dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, in.size()));
    const Dims strides = rowMajorStrides(in);
    const Dims sizes = call.dims("sizes");
    const auto parts = static_cast<int64_t>(call.outputCount());
    const int64_t even = parts == 0 ? 0 : (in[axis] + parts - 1) / parts;
    Copies copies;
    int64_t at = 0;
    for (size_t o = 0; o < call.outputCount(); ++o) {
        // The parts' extents were inferred; an output that nobody reads is not there, so the sizes are asked again.
        const int64_t size = !sizes.empty() ? (o < sizes.size() ? sizes[o] : 0) : std::min(even, in[axis] - at);
        Dims part = in;
        part[axis] = size;
        if (size < 0 || at + size > in[axis] || (call.wants(o) && call.out(o).dims != part)) {
            invalid("split: part ", o, " of ", size, " along axis ", axis, " of shape ", shapeText(in));
        }
        if (call.wants(o)) {
            copies.push_back({0, o, part, {strides, at * strides[axis]}, {rowMajorStrides(part), 0}});
        }
        at += size;
    }
    return copies;
}

Copies copiesOfExpand(const Call& call) {
    const Dims& out = call.out().dims;
    return {{0, 0, out, {broadcastStrides(call.in(0).dims, out), 0}, {rowMajorStrides(out), 0}}};
}

Copies copiesOfTile(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    if (in.size() != out.size()) {
        invalid("tile of shape ", shapeText(in), " to shape ", shapeText(out));
    }
    // Every dimension becomes two: which repeat, which element of the original.
    const Dims inStrides = rowMajorStrides(in);
    const Dims outStrides = rowMajorStrides(out);
    CopySpec copy;
    for (size_t d = 0; d < in.size(); ++d) {
        if (in[d] == 0 ? out[d] != 0 : out[d] % in[d] != 0) {
            invalid("tile of shape ", shapeText(in), " to shape ", shapeText(out));
        }
        copy.dims.insert(copy.dims.end(), {in[d] == 0 ? 0 : out[d] / in[d], in[d]});
        copy.from.strides.insert(copy.from.strides.end(), {0, inStrides[d]});
        copy.to.strides.insert(copy.to.strides.end(), {outStrides[d] * in[d], outStrides[d]});
    }
    return {copy};
}

std::optional<Copies> copiesOfSlice(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const SliceShape shape = readSlice(call);
    const Dims strides = rowMajorStrides(in);
    CopySpec copy;
    copy.dims = out;
    copy.to.strides = rowMajorStrides(out);
    if (call.out().elements == 0) {
        copy.from.strides.assign(out.size(), 0);
        return Copies{copy};
    }
    for (size_t d = 0; d < in.size(); ++d) {
        const int64_t last = lastIndex(shape, d, out[d]);
        if (std::min(shape.starts[d], last) < 0 || std::max(shape.starts[d], last) >= in[d]) {
            return std::nullopt;
        }
        // A single element has no next one, however large the step is.
        copy.from.strides.push_back(out[d] == 1 ? 0 : strides[d] * shape.steps[d]);
        copy.from.first += shape.starts[d] * strides[d];
    }
    return Copies{copy};
}

Sources sourcesOfSlice(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const SliceShape shape = readSlice(call);
    const std::string mode = call.stringOr("mode", "strict");
    if (mode == "strict" || mode == "default" || !call.hasAttribute("sizes")) {
        invalid("slice of shape ", shapeText(in), " from ", shapeText(shape.starts), " by ", shapeText(shape.steps),
                " to ", shapeText(out), " reaches outside");
    }
    Sources sources(out.size());
    for (size_t d = 0; d < out.size(); ++d) {
        if (lastIndex(shape, d, out[d]) == INT64_MIN || lastIndex(shape, d, out[d]) == INT64_MAX) {
            invalid("slice with a step of ", shape.steps[d], " along axis ", d);
        }
        for (int64_t i = 0; i < out[d]; ++i) {
            sources[d].push_back(foldIndex(shape.starts[d] + i * shape.steps[d], in[d], mode));
        }
    }
    return sources;
}

Sources sourcesOfPad(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const Dims pads = call.dims("pads");
    Dims axes = call.dims("axes");
    if (axes.empty()) {
        for (size_t d = 0; d < in.size(); ++d) {
            axes.push_back(static_cast<int64_t>(d));
        }
    }
    if (pads.size() != 2 * axes.size() || in.size() != out.size()) {
        invalid("pad of shape ", shapeText(in), " to shape ", shapeText(out), " with ", pads.size(), " pads along ",
                axes.size(), " axes");
    }
    Dims begin(in.size(), 0);
    Dims expected = in;
    for (size_t i = 0; i < axes.size(); ++i) {
        const auto d = static_cast<size_t>(normalizeAxis(axes[i], in.size()));
        begin[d] += pads[i];
        expected[d] += pads[i] + pads[i + axes.size()];
    }
    if (expected != out) {
        invalid("pad of shape ", shapeText(in), " gives shape ", shapeText(expected), ", the output has ",
                shapeText(out));
    }
    const std::string mode = call.stringOr("mode", "constant");
    if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap") {
        invalid("pad has no mode '", mode, "'; there are constant, edge, reflect, wrap");
    }
    Sources sources(out.size());
    for (size_t d = 0; d < out.size(); ++d) {
        for (int64_t i = 0; i < out[d]; ++i) {
            sources[d].push_back(foldIndex(i - begin[d], in[d], mode));
        }
    }
    return sources;
}

} // namespace tenon::kernels
