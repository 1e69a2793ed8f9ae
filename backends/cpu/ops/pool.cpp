// pool.max and pool.avg of floats in the linear layout: each output row folds shifted input rows. With a stride, input rows are
// first dealt out into rows of every stride-th element.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

namespace {

struct Pool {
    TnDataType type;
    bool isMax;
    Window window;
    int64_t planes, inputSize, outputSize;
    std::vector<std::vector<float>> counts; // of an average: per dimension and output index, how many taps count
};

Plan planPool(const Call& call) {
    const Dims kernel = call.intsOr("kernel", 0, 0);
    if (kernel.empty() || kernel.size() + 2 != call.in(0).dims.size()) {
        invalid(call.op(), " of shape ", shapeText(call.in(0).dims), " with a kernel of ", kernel.size(),
                " dimensions");
    }
    Pool p{call.in(0).dtype, call.op() == "pool.max", windowOf(call, kernel), product(call.in(0).dims, 0, 2), 0, 0, {}};
    const Window& w = p.window;
    p.inputSize = product(w.input);
    p.outputSize = product(w.output);
    if (p.planes * p.outputSize == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    const bool includePads = call.intOr("count_include_pad", 0) != 0;
    for (size_t d = 0; d < w.rank(); ++d) {
        p.counts.emplace_back();
        for (int64_t o = 0; o < w.output[d]; ++o) {
            // What counts: taps in the input, or also those in the pads (but not those that ceil_mode lets hang over).
            const int64_t first = includePads ? -w.padBegin[d] : 0;
            const int64_t end = w.input[d] + (includePads ? w.padEnd[d] : 0);
            int64_t count = 0;
            for (int64_t t = 0; t < w.kernel[d]; ++t) {
                const int64_t at = o * w.strides[d] - w.padBegin[d] + t * w.dilations[d];
                count += at >= first && at < end ? 1 : 0;
            }
            p.counts.back().push_back(static_cast<float>(count));
        }
    }
    const size_t last = w.rank() - 1;
    const int64_t stride = w.strides[last];
    const int64_t phase = (w.input[last] + stride - 1) / stride;
    const int64_t rows = p.outputSize / w.output[last];
    const int64_t rowTaps = w.taps() / std::max<int64_t>(1, w.kernel[last]);
    const int64_t perThread = w.output[last] + w.input[last] + stride * phase;
    const int threads = call.threads();
    const int64_t team = teamFor(threads, p.planes, p.outputSize * w.taps() / 4);
    Plan plan;
    plan.workspace = threads * perThread * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, p.planes, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& table = rowTable();
            const Window& window = p.window;
            float* folded = static_cast<float*>(b.workspace) + member * perThread;
            float* row = folded + window.output[last];
            float* dealt = row + window.input[last];
            for (int64_t plane = begin; plane < end; ++plane) {
                for (int64_t r = 0; r < rows; ++r) {
                    std::fill(folded, folded + window.output[last],
                              p.isMax ? -std::numeric_limits<float>::infinity() : 0.0F);
                    float rowCount = 1;
                    for (int64_t rowTap = 0; rowTap < rowTaps; ++rowTap) {
                        int64_t restRow = r;
                        int64_t restTap = rowTap;
                        int64_t source = 0;
                        int64_t step = 1;
                        bool inside = true;
                        rowCount = 1;
                        for (size_t d = last; d-- > 0;) {
                            const int64_t out = restRow % window.output[d];
                            const int64_t at = out * window.strides[d] +
                                               restTap % window.kernel[d] * window.dilations[d] - window.padBegin[d];
                            inside = inside && at >= 0 && at < window.input[d];
                            source += at * step;
                            step *= window.input[d];
                            rowCount *= p.counts[d][static_cast<size_t>(out)];
                            restRow /= window.output[d];
                            restTap /= window.kernel[d];
                        }
                        if (!inside) {
                            continue;
                        }
                        const int64_t first = plane * p.inputSize + source * window.input[last];
                        const float* x = readRow(p.type, b.inputs[0], first, window.input[last], row);
                        if (stride > 1) {
                            dealRow(x, window.input[last], stride, phase, dealt);
                        }
                        for (int64_t t = 0; t < window.kernel[last]; ++t) {
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
                            const float* shifted = stride == 1 ? x + at : dealt + at % stride * phase + at / stride;
                            (p.isMax ? table.maxInto : table.addInto)(folded + from, shifted, to - from);
                        }
                    }
                    const int64_t at = plane * p.outputSize + r * window.output[last];
                    if (!p.isMax) {
                        for (int64_t c = 0; c < window.output[last]; ++c) {
                            const float count = rowCount * p.counts[last][static_cast<size_t>(c)];
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
