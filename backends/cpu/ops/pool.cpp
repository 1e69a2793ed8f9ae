// pool.max and pool.avg of floats in the linear layout: for each output row the input rows of its window are folded into one, then that row, shifted,
// into the output's. With a stride the one row is dealt out before into rows of every stride-th element.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

namespace {

struct Pool {
    TnDataType type = TN_F32;
    bool isMax = false;
    Window window;
    int64_t planes = 0;
    int64_t inputSize = 0;
    int64_t outputSize = 0;
    std::vector<int64_t> taps;    // per row of the window and dimension but the last, how far it is from the first
    std::vector<int64_t> corners; // per output row and dimension but the last, where the first row of its window is
    // Of an average: how many taps count, per dimension and output index, and per output row.
    std::vector<std::vector<float>> counts;
    std::vector<float> rowCounts;
};

// Indices of the first `rows` rows of a tensor of these extents, one per dimension but the last.
std::vector<int64_t> rowIndices(const Dims& extents, int64_t rows) {
    const size_t last = extents.size() - 1;
    std::vector<int64_t> indices(static_cast<size_t>(rows) * last);
    for (int64_t row = 0; row < rows; ++row) {
        int64_t rest = row;
        for (size_t d = last; d-- > 0; rest /= extents[d]) {
            indices[static_cast<size_t>(row) * last + d] = rest % extents[d];
        }
    }
    return indices;
}

Plan planPool(const Call& call) {
    const Dims kernel = call.intsOr("kernel", 0, 0);
    if (kernel.empty() || kernel.size() + 2 != call.in(0).dims.size()) {
        invalid(call.op(), " of shape ", shapeText(call.in(0).dims), " with a kernel of ", kernel.size(),
                " dimensions");
    }
    Pool p;
    p.type = call.in(0).dtype;
    p.isMax = call.op() == "pool.max";
    p.window = windowOf(call, kernel);
    p.planes = product(call.in(0).dims, 0, 2);
    const Window& w = p.window;
    p.inputSize = product(w.input);
    p.outputSize = product(w.output);
    if (p.planes * p.outputSize == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    p.counts = tapCounts(w, call.intOr("count_include_pad", 0) != 0);
    const size_t last = w.rank() - 1;
    const int64_t stride = w.strides[last];
    const int64_t phase = (w.input[last] + stride - 1) / stride;
    const int64_t rows = p.outputSize / w.output[last];
    const int64_t rowTaps = w.taps() / std::max<int64_t>(1, w.kernel[last]);
    const int64_t perThread = w.output[last] + 2 * w.input[last] + stride * phase;
    p.taps = rowIndices(w.kernel, rowTaps);
    p.corners = rowIndices(w.output, rows);
    p.rowCounts.assign(static_cast<size_t>(rows), 1.0F);
    for (size_t i = 0; i < p.taps.size(); ++i) {
        p.taps[i] *= w.dilations[i % last];
    }
    for (size_t i = 0; i < p.corners.size(); ++i) {
        p.rowCounts[i / last] *= p.counts[i % last][static_cast<size_t>(p.corners[i])];
        p.corners[i] = p.corners[i] * w.strides[i % last] - w.padBegin[i % last];
    }
    const int threads = call.threads();
    const int64_t team = teamFor(threads, p.planes, p.outputSize * w.taps() / 4);
    Plan plan;
    plan.workspace = threads * perThread * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, p.planes, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& table = rowTable();
            const Window& window = p.window;
            const auto fold = p.isMax ? table.maxInto : table.addInto;
            const float start = p.isMax ? -std::numeric_limits<float>::infinity() : 0.0F;
            float* folded = static_cast<float*>(b.workspace) + member * perThread;
            float* row = folded + window.output[last];
            float* sum = row + window.input[last];
            float* dealt = sum + window.input[last];
            for (int64_t plane = begin; plane < end; ++plane) {
                for (int64_t r = 0; r < rows; ++r) {
                    const int64_t* corner = p.corners.data() + static_cast<size_t>(r) * last;
                    const float* x = nullptr; // the only row of the window, or `sum`
                    for (int64_t rowTap = 0; rowTap < rowTaps; ++rowTap) {
                        const int64_t* tap = p.taps.data() + static_cast<size_t>(rowTap) * last;
                        int64_t source = 0;
                        bool inside = true;
                        for (size_t d = 0; d < last; ++d) {
                            const int64_t at = corner[d] + tap[d];
                            inside = inside && at >= 0 && at < window.input[d];
                            source = source * window.input[d] + at;
                        }
                        if (!inside) {
                            continue;
                        }
                        const int64_t first = plane * p.inputSize + source * window.input[last];
                        const float* next = readRow(p.type, b.inputs[0], first, window.input[last], row);
                        if (x == nullptr && next != row) {
                            x = next;
                            continue;
                        }
                        if (x != sum) {
                            std::copy_n(x == nullptr ? next : x, window.input[last], sum);
                        }
                        if (x != nullptr) {
                            fold(sum, next, window.input[last]);
                        }
                        x = sum;
                    }
                    std::fill(folded, folded + window.output[last], start);
                    if (x != nullptr && stride > 1) {
                        dealRow(x, window.input[last], stride, phase, dealt);
                    }
                    for (int64_t t = 0; x != nullptr && t < window.kernel[last]; ++t) {
                        const int64_t shift = t * window.dilations[last] - window.padBegin[last];
                        const int64_t from = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
                        const int64_t to =
                            shift >= window.input[last]
                                ? 0
                                : std::min(window.output[last], (window.input[last] - 1 - shift) / stride + 1);
                        if (from >= to) {
                            continue;
                        }
                        const int64_t at = shift + from * stride;
                        fold(folded + from, stride == 1 ? x + at : dealt + at % stride * phase + at / stride,
                             to - from);
                    }
                    const int64_t at = plane * p.outputSize + r * window.output[last];
                    if (!p.isMax) {
                        for (int64_t c = 0; c < window.output[last]; ++c) {
                            const float count =
                                p.rowCounts[static_cast<size_t>(r)] * p.counts[last][static_cast<size_t>(c)];
                            folded[c] = count == 0 ? 0.0F : folded[c] / count;
                        }
                    }
                    if (p.type == TN_F32) {
                        std::copy(folded, folded + window.output[last], b.out<float>() + at);
                    } else {
                        finishRow(p.type, b.outputs[0], at, window.output[last], folded);
                    }
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

void checkPool(const module::NodeView& node) {
    if (node.outputCount() > 1) {
        refuse("pool.max with indices; only values are supported");
    }
    if (node.ints("kernel").size() + 2 != static_cast<size_t>(node.input(0).rank())) {
        refuse(node.op(), " of rank ", node.input(0).rank(), " with a kernel of ", node.ints("kernel").size(),
               " dimensions");
    }
}

} // namespace

void addPool(KernelTable& table) {
    table.add({.op = "pool.max", .types = kVectorFloats, .plan = planPool, .check = checkPool});
    table.add({.op = "pool.avg", .types = kVectorFloats, .plan = planPool, .check = checkPool});
}

} // namespace tenon::cpu
