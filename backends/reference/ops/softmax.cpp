// softmax and log_softmax along one axis.
#include "backends/common/parallel.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

template <bool isLog>
Plan planSoftmax(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const TnDataType type = call.in(0).dtype;
    const int64_t axis = dims.empty() ? 0 : call.axis("axis", -1, dims.size());
    const auto at = static_cast<size_t>(axis);
    const int64_t length = dims.empty() ? 1 : dims[at];
    const int64_t inner = dims.empty() ? 1 : product(dims, at + 1, dims.size());
    const int64_t slices = length == 0 ? 0 : call.in(0).elements / length;
    const int threads = call.threads();
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(double)) * length * threads;
    plan.run = [=](const Buffers& b) {
        const int64_t team = std::max<int64_t>(1, std::min<int64_t>(slices * length < 8192 ? 1 : threads, slices));
        parallelFor(static_cast<int>(team), team, 1, [&](int64_t firstThread, int64_t lastThread) {
            for (int64_t t = firstThread; t < lastThread; ++t) {
                double* x = static_cast<double*>(b.workspace) + t * length;
                for (int64_t slice = slices * t / team; slice < slices * (t + 1) / team; ++slice) {
                    const int64_t first = slice / inner * length * inner + slice % inner;
                    loadFloats(type, b.inputs[0], first, inner, length, x);
                    double top = -std::numeric_limits<double>::infinity();
                    for (int64_t i = 0; i < length; ++i) {
                        top = std::max(top, x[i]);
                    }
                    // A slice of nothing but -inf has no largest element to subtract: it stays NaN, as the formula says.
                    double sum = 0;
                    for (int64_t i = 0; i < length; ++i) {
                        sum += std::exp(x[i] - top);
                    }
                    const double logSum = std::log(sum);
                    for (int64_t i = 0; i < length; ++i) {
                        x[i] = isLog ? x[i] - top - logSum : std::exp(x[i] - top) / sum;
                    }
                    storeFloats(type, x, length, b.outputs[0], first, inner);
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addSoftmax(KernelTable& table) {
    table.add({.op = "softmax", .types = kFloats, .plan = planSoftmax<false>});
    table.add({.op = "log_softmax", .types = kFloats, .plan = planSoftmax<true>});
}

} // namespace tenon::reference
