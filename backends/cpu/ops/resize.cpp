// resize in the linear layout: nearest by index tables; linear and cubic along the last one or two dimensions by mixing rows, then the
// elements of the mixed row.
#include "backends/common/parallel.h"
#include "backends/common/resample.h"
#include "backends/cpu/indexed.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// A map as flat arrays: taps of one output element are neighbours.
struct Taps {
    std::vector<int64_t> begin; // one more than there are output elements
    std::vector<int64_t> from;
    std::vector<float> weights;
    bool twoEach = true;
};

Taps tapsOf(const std::vector<AxisMap>& maps, size_t axis, int64_t extent) {
    Taps taps;
    const auto found = std::find_if(maps.begin(), maps.end(), [&](const AxisMap& map) { return map.axis == axis; });
    taps.begin.push_back(0);
    for (int64_t i = 0; i < extent; ++i) {
        if (found == maps.end()) {
            taps.from.push_back(i);
            taps.weights.push_back(1);
        } else {
            const Mix& mix = found->mixes[static_cast<size_t>(i)];
            if (mix.from.empty()) {
                refuse("resize that reads outside its crop");
            }
            taps.from.insert(taps.from.end(), mix.from.begin(), mix.from.end());
            for (double weight : mix.weights) {
                taps.weights.push_back(static_cast<float>(weight));
            }
        }
        taps.begin.push_back(static_cast<int64_t>(taps.from.size()));
        taps.twoEach = taps.twoEach && taps.begin[static_cast<size_t>(i) + 1] - taps.begin[static_cast<size_t>(i)] == 2;
    }
    return taps;
}

Plan planInterpolation(const Call& call, const std::vector<AxisMap>& maps) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const size_t rank = in.size();
    for (const AxisMap& map : maps) {
        if (map.axis + 2 < rank) {
            refuse("resize along dimension ", map.axis, " of rank ", rank, "; only the last two are interpolated");
        }
    }
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    const int64_t inputColumns = in.back();
    const int64_t inputRows = rank > 1 ? in[rank - 2] : 1;
    const int64_t columns = out.back();
    const int64_t rows = rank > 1 ? out[rank - 2] : 1;
    const int64_t planes = call.out().elements / (rows * columns);
    const Taps vertical = rank > 1 ? tapsOf(maps, rank - 2, rows) : tapsOf({}, 0, 1);
    const Taps horizontal = tapsOf(maps, rank - 1, columns);
    const TnDataType type = call.in(0).dtype;
    const int threads = call.threads();
    const int64_t team = teamFor(threads, planes * rows, 2 * (inputColumns + 4 * columns));
    const int64_t perThread = 2 * inputColumns + columns;
    Plan plan;
    plan.workspace = threads * perThread * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, planes * rows, [&](int64_t member, int64_t begin, int64_t end) {
            float* mixed = static_cast<float*>(b.workspace) + member * perThread;
            float* row = mixed + inputColumns;
            float* line = row + inputColumns;
            for (int64_t item = begin; item < end; ++item) {
                const auto r = static_cast<size_t>(item % rows);
                std::fill(mixed, mixed + inputColumns, 0.0F);
                for (int64_t t = vertical.begin[r]; t < vertical.begin[r + 1]; ++t) {
                    const int64_t source =
                        (item / rows * inputRows + vertical.from[static_cast<size_t>(t)]) * inputColumns;
                    rowTable().addScaledInto(mixed, readRow(type, b.inputs[0], source, inputColumns, row),
                                             vertical.weights[static_cast<size_t>(t)], inputColumns);
                }
                float* to = targetRow(type, b.outputs[0], item * columns, line);
                const int64_t* from = horizontal.from.data();
                const float* weights = horizontal.weights.data();
                if (horizontal.twoEach) {
                    for (int64_t c = 0; c < columns; ++c) {
                        to[c] = weights[2 * c] * mixed[from[2 * c]] + weights[2 * c + 1] * mixed[from[2 * c + 1]];
                    }
                } else {
                    for (int64_t c = 0; c < columns; ++c) {
                        float sum = 0;
                        for (int64_t t = horizontal.begin[static_cast<size_t>(c)];
                             t < horizontal.begin[static_cast<size_t>(c) + 1]; ++t) {
                            sum += weights[t] * mixed[from[t]];
                        }
                        to[c] = sum;
                    }
                }
                finishRow(type, b.outputs[0], item * columns, columns, to);
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planResize(const Call& call) {
    const std::vector<AxisMap> maps = mapsOfResize(call);
    if (call.stringOr("mode", "nearest") == "nearest") {
        return planIndexed(call, sourcesOfNearest(call, maps), call.floatOr("extrapolation", 0), -1);
    }
    return planInterpolation(call, maps);
}

// Interpolation is for the last two dimensions: extents in front of them must stay as they are.
void checkHere(const module::NodeView& node) {
    checkResize(node);
    if (node.stringOr("mode", "nearest") == "nearest") {
        return;
    }
    requireType(node, 0, kVectorFloats);
    if (node.stringOr("coordinate", "half_pixel") == "tf_crop_and_resize") {
        refuse("resize of a crop; only whole tensors are interpolated");
    }
    checkResizedBehind(node, node.input(0).rank() - 2);
}

} // namespace

void checkResizedBehind(const module::NodeView& node, int32_t first) {
    const module::ValueView in = node.input(0);
    const module::ValueView out = node.output(0);
    const std::span<const double> scales = node.floats("scales");
    const std::span<const int64_t> axes = node.ints("axes");
    for (int32_t d = 0; d < first; ++d) {
        bool scaled = !scales.empty();
        if (scaled && axes.empty()) {
            scaled = scales[static_cast<size_t>(d)] != 1;
        } else if (!axes.empty()) {
            scaled =
                std::any_of(axes.begin(), axes.end(), [&](int64_t axis) { return axis == d || axis == d - in.rank(); });
        }
        const bool same = (in.dim(d).expr >= 0 && in.dim(d).expr == out.dim(d).expr) ||
                          (in.isStatic(d) && out.isStatic(d) && in.dim(d).opt == out.dim(d).opt);
        if (scaled || !same) {
            refuse("resize along dimension ", d, " of rank ", in.rank(), ", which this kernel leaves as it is");
        }
    }
}

void addResize(KernelTable& table) {
    table.add({.op = "resize", .maxInputs = 3, .types = kWholeBytes, .plan = planResize, .check = checkHere});
}

} // namespace tenon::cpu
