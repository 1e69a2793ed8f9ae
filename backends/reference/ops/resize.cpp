// resize: nearest, linear and cubic interpolation along any axes, with ONNX's coordinate transformations.
//
// Interpolation is separable: for each axis a table says which input elements an output element mixes and with what weights; the axes are
// applied one after the other in double. Nearest only moves bytes.
#include "backends/common/resample.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>

namespace tenon::reference {

namespace {

Plan planNearest(const Call& call, const std::vector<AxisMap>& maps) {
    return planIndexed(call, sourcesOfNearest(call, maps),
                       elementOf(call.out().dtype, call.floatOr("extrapolation", 0)), -1);
}

// to[o][i][n] = sum of weights * from[o][taps of i][n]
void mixAxis(const AxisMap& map, int64_t outer, int64_t input, int64_t inner, const double* from, double* to) {
    const auto output = static_cast<int64_t>(map.mixes.size());
    for (int64_t o = 0; o < outer; ++o) {
        for (int64_t i = 0; i < output; ++i) {
            const Mix& mix = map.mixes[static_cast<size_t>(i)];
            double* row = to + (o * output + i) * inner;
            std::fill(row, row + inner, 0.0);
            for (size_t tap = 0; tap < mix.from.size(); ++tap) {
                const double* source = from + (o * input + mix.from[tap]) * inner;
                for (int64_t n = 0; n < inner; ++n) {
                    row[n] += mix.weights[tap] * source[n];
                }
            }
        }
    }
}

Plan planInterpolation(const Call& call, const std::vector<AxisMap>& maps) {
    const Dims in = call.in(0).dims;
    const Dims out = call.out().dims;
    const TnDataType type = call.in(0).dtype;
    const int64_t inputElements = call.in(0).elements;
    const int64_t elements = call.out().elements;
    const double extrapolation = call.floatOr("extrapolation", 0);
    int64_t most = inputElements;
    Dims dims = in;
    for (const AxisMap& map : maps) {
        dims[map.axis] = out[map.axis];
        most = std::max(most, product(dims));
    }
    Plan plan;
    plan.workspace = 2 * most * static_cast<int64_t>(sizeof(double));
    plan.run = [=](const Buffers& b) {
        if (elements == 0) {
            return Code::kOk;
        }
        auto* from = static_cast<double*>(b.workspace);
        double* to = from + most;
        loadFloats(type, b.inputs[0], 0, 1, inputElements, from);
        int64_t current[TN_MAX_DIMS];
        std::copy(in.begin(), in.end(), current);
        const std::span<int64_t> extents(current, in.size());
        for (const AxisMap& map : maps) {
            mixAxis(map, product(extents.first(map.axis)), extents[map.axis], product(extents.subspan(map.axis + 1)),
                    from, to);
            extents[map.axis] = static_cast<int64_t>(map.mixes.size());
            std::swap(from, to);
        }
        for (const AxisMap& map : maps) {
            const int64_t inner = product(std::span(out).subspan(map.axis + 1));
            for (int64_t i = 0; i < elements; ++i) {
                if (map.mixes[static_cast<size_t>(i / inner % out[map.axis])].from.empty()) {
                    from[i] = extrapolation;
                }
            }
        }
        storeFloats(type, from, elements, b.outputs[0], 0);
        return Code::kOk;
    };
    return plan;
}

Plan planResize(const Call& call) {
    const std::vector<AxisMap> maps = mapsOfResize(call);
    return call.stringOr("mode", "nearest") == "nearest" ? planNearest(call, maps) : planInterpolation(call, maps);
}

} // namespace

void addResize(KernelTable& table) {
    table.add({.op = "resize", .maxInputs = 3, .types = kWholeBytes, .plan = planResize, .check = checkResize});
}

} // namespace tenon::reference
