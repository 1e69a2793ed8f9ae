// attention: scores, mask, softmax and the weighted sum of one row of q after another, in double.
#include "backends/common/attention.h"
#include "backends/common/parallel.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

using kernels::AttentionShape;

// The scores of one row, masked.
void scoreRow(const AttentionShape& a, const Buffers& b, int64_t batch, int64_t head, int64_t row, const double* q,
              double* k, double* scores) {
    const int64_t shared = head / a.group();
    for (int64_t j = 0; j < a.keys; ++j) {
        loadFloats(a.type, b.inputs[1], a.k.at(batch, shared, j), a.k.element, a.depth, k);
        double score = 0;
        for (int64_t d = 0; d < a.depth; ++d) {
            score += q[d] * k[d];
        }
        score *= a.scale;
        if (a.hasMask) {
            const int64_t at = a.mask.at(batch, head, row) + j * a.mask.element;
            if (a.maskType == TN_BOOL) {
                const bool stays = (b.in<uint8_t>(3)[at] != 0) == a.maskKeeps;
                score = stays ? score : a.fill;
            } else {
                double offset = 0;
                loadFloats(a.maskType, b.inputs[3], at, 1, 1, &offset);
                score += offset;
            }
        }
        scores[j] = a.causal && j > row ? -std::numeric_limits<double>::infinity() : score;
    }
}

Plan planAttention(const Call& call) {
    const AttentionShape a = kernels::attentionShapeOf(call);
    const int threads = call.threads();
    const int64_t perThread = a.depth * 2 + a.keys + 2 * a.width;
    Plan plan;
    plan.workspace = perThread * threads * static_cast<int64_t>(sizeof(double));
    plan.run = [=](const Buffers& b) {
        const int64_t rows = a.batches * a.heads * a.rows;
        const int64_t team = std::clamp<int64_t>(rows * a.keys * a.depth / 8192, 1,
                                                 std::max<int64_t>(1, std::min<int64_t>(threads, rows)));
        parallelFor(static_cast<int>(team), team, 1, [&](int64_t firstThread, int64_t lastThread) {
            for (int64_t t = firstThread; t < lastThread; ++t) {
                double* q = static_cast<double*>(b.workspace) + t * perThread;
                double* k = q + a.depth;
                double* scores = k + a.depth;
                double* v = scores + a.keys;
                double* sum = v + a.width;
                for (int64_t item = rows * t / team; item < rows * (t + 1) / team; ++item) {
                    const int64_t row = item % a.rows;
                    const int64_t head = item / a.rows % a.heads;
                    const int64_t batch = item / (a.rows * a.heads);
                    loadFloats(a.type, b.inputs[0], a.q.at(batch, head, row), a.q.element, a.depth, q);
                    scoreRow(a, b, batch, head, row, q, k, scores);
                    double top = -std::numeric_limits<double>::infinity();
                    for (int64_t j = 0; j < a.keys; ++j) {
                        top = std::max(top, scores[j]);
                    }
                    double total = 0;
                    for (int64_t j = 0; j < a.keys; ++j) {
                        // -inf - -inf is NaN, as the formula says of a row without a score.
                        scores[j] = std::exp(scores[j] - top);
                        total += scores[j];
                    }
                    const bool isZero = std::isnan(total) && a.nanToZero;
                    std::fill(sum, sum + a.width, 0.0);
                    for (int64_t j = 0; j < a.keys && !isZero; ++j) {
                        loadFloats(a.type, b.inputs[2], a.v.at(batch, head / a.group(), j), a.v.element, a.width, v);
                        for (int64_t e = 0; e < a.width; ++e) {
                            sum[e] += scores[j] / total * v[e];
                        }
                    }
                    storeFloats(a.type, sum, a.width, b.outputs[0], a.y.at(batch, head, row));
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addAttention(KernelTable& table) {
    table.add({.op = "attention",
               .minInputs = 3,
               .maxInputs = 4,
               .types = kFloats,
               .plan = planAttention,
               .check = kernels::checkAttention});
}

} // namespace tenon::reference
