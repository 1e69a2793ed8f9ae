// slice: with ends by ONNX's rules (negative indices, clamping), or with sizes exactly as asked, where mode says what an
// index outside the input means: strict (an error), clamp (the edge), fill (a value), wrap, reflect.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

#include <algorithm>

namespace tenon::reference {

namespace {

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
            start = step > 0 ? std::clamp<int64_t>(start, 0, in[d]) : std::clamp<int64_t>(start, -1, in[d] - 1);
        }
        shape.starts[d] = start;
        shape.steps[d] = step;
    }
    return shape;
}

Plan planSlice(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const TnDataType type = call.out().dtype;
    const SliceShape shape = readSlice(call);
    const Dims strides = rowMajorStrides(in);
    Side from;
    bool inside = true;
    for (size_t d = 0; d < in.size(); ++d) {
        from.strides.push_back(strides[d] * shape.steps[d]);
        from.first += shape.starts[d] * strides[d];
        const int64_t last = shape.starts[d] + (out[d] - 1) * shape.steps[d];
        inside = inside &&
                 (out[d] == 0 || (std::min(shape.starts[d], last) >= 0 && std::max(shape.starts[d], last) < in[d]));
    }
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }};
    }
    if (inside) {
        return planCopy(type, out, from, {rowMajorStrides(out), 0});
    }
    const std::string mode = call.stringOr("mode", "strict");
    if (mode == "strict" || mode == "default" || !call.hasAttribute("sizes")) {
        invalid("slice of shape ", shapeText(in), " from ", shapeText(shape.starts), " by ", shapeText(shape.steps),
                " to ", shapeText(out), " reaches outside");
    }
    // Per dimension, where each output index reads.
    std::vector<Dims> sources(out.size());
    for (size_t d = 0; d < out.size(); ++d) {
        for (int64_t i = 0; i < out[d]; ++i) {
            sources[d].push_back(foldIndex(shape.starts[d] + i * shape.steps[d], in[d], mode));
        }
    }
    return planIndexed(call, sources, 0, call.has(6) ? 6 : -1);
}

} // namespace

void addSlice(KernelTable& table) {
    table.add({.op = "slice", .maxInputs = 7, .types = kWholeBytes, .plan = planSlice});
}

} // namespace tenon::reference
