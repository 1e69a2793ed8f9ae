// softmax and log_softmax. Along the last dimension a row at a time; along another, a stripe of neighbouring columns at a
// time, so that memory is walked in order.
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <cmath>
#include <limits>

namespace tenon::cpu {

namespace {

struct Softmax {
    TnDataType type;
    bool isLog;
    int64_t outer, length, inner;
};

void softmaxRow(const Softmax& s, const Buffers& b, int64_t row, float* scratch) {
    const RowTable& rows = rowTable();
    const int64_t first = row * s.length;
    const float* x = readRow(s.type, b.inputs[0], first, s.length, scratch);
    float* to = targetRow(s.type, b.outputs[0], first, scratch);
    const float top = rows.max(x, s.length);
    if (!s.isLog) {
        const float sum = rows.expMinus(x, top, to, s.length);
        rows.scale(to, 1.0F / sum, to, s.length);
    } else {
        // The exponentials are only summed: they go into scratch, which x may be.
        float* spare = scratch + s.length;
        const float sum = rows.expMinus(x, top, spare, s.length);
        rows.shift(x, -top, to, s.length);
        rows.shift(to, -std::log(sum), to, s.length);
    }
    finishRow(s.type, b.outputs[0], first, s.length, to);
}

constexpr int64_t kStripe = 256;

void softmaxStripe(const Softmax& s, const Buffers& b, int64_t outer, int64_t column, int64_t width, float* scratch) {
    const RowTable& rows = rowTable();
    float* top = scratch;
    float* sums = top + kStripe;
    float* row = sums + kStripe;
    std::fill(top, top + width, -std::numeric_limits<float>::infinity());
    std::fill(sums, sums + width, 0.0F);
    const auto at = [&](int64_t i) { return (outer * s.length + i) * s.inner + column; };
    for (int64_t i = 0; i < s.length; ++i) {
        rows.maxInto(top, readRow(s.type, b.inputs[0], at(i), width, row), width);
    }
    float* exponentials = row + kStripe;
    for (int64_t i = 0; i < s.length; ++i) {
        const float* x = readRow(s.type, b.inputs[0], at(i), width, row);
        rows.expMinusColumns(x, top, exponentials + i * width, sums, width);
    }
    for (int64_t c = 0; c < width; ++c) {
        sums[c] = s.isLog ? top[c] + std::log(sums[c]) : 1.0F / sums[c];
    }
    for (int64_t i = 0; i < s.length; ++i) {
        float* to = targetRow(s.type, b.outputs[0], at(i), row);
        if (s.isLog) {
            rows.subtractColumns(readRow(s.type, b.inputs[0], at(i), width, row), sums, to, width);
        } else {
            rows.multiplyColumns(exponentials + i * width, sums, to, width);
        }
        finishRow(s.type, b.outputs[0], at(i), width, to);
    }
}

template <bool isLog>
Plan planSoftmax(const Call& call) {
    const Dims& dims = call.in(0).dims;
    Softmax s{call.in(0).dtype, isLog, 1, 1, 1};
    if (!dims.empty()) {
        const auto axis = static_cast<size_t>(call.axis("axis", -1, dims.size()));
        s = {call.in(0).dtype, isLog, product(dims, 0, axis), dims[axis], product(dims, axis + 1, dims.size())};
    }
    Plan plan;
    if (call.in(0).elements == 0) {
        plan.run = [](const Buffers&) { return Code::kOk; };
        return plan;
    }
    const int threads = call.threads();
    const bool isRow = s.inner == 1;
    const int64_t perThread = isRow ? 2 * s.length : (3 + s.length) * kStripe;
    plan.workspace = perThread * threads * static_cast<int64_t>(sizeof(float));
    if (isRow) {
        const int64_t team = teamFor(threads, s.outer, s.length * 8);
        plan.run = [=](const Buffers& b) {
            parallelTeam(team, s.outer, [&](int64_t member, int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                    softmaxRow(s, b, row, static_cast<float*>(b.workspace) + member * perThread);
                }
            });
            return Code::kOk;
        };
        return plan;
    }
    const int64_t stripes = (s.inner + kStripe - 1) / kStripe;
    const int64_t team = teamFor(threads, s.outer * stripes, s.length * 8 * std::min(s.inner, kStripe));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, s.outer * stripes, [&](int64_t member, int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t column = i % stripes * kStripe;
                softmaxStripe(s, b, i / stripes, column, std::min(kStripe, s.inner - column),
                              static_cast<float*>(b.workspace) + member * perThread);
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addSoftmax(KernelTable& table) {
    table.add({.op = "softmax", .types = kVectorFloats, .plan = planSoftmax<false>});
    table.add({.op = "log_softmax", .types = kVectorFloats, .plan = planSoftmax<true>});
}

} // namespace tenon::cpu
