// A float function of one argument, applied to every element: computed in double, rounded once.
// Used by the unary and activation families.
#pragma once

#include "backends/common/call.h"
#include "backends/common/parallel.h"
#include "backends/reference/wide.h"

namespace tenon::reference {

template <class Map>
Plan planFloatMap(const Call& call, Map map) {
    const TnDataType type = call.in(0).dtype;
    const int64_t count = call.in(0).elements;
    const int threads = call.threads();
    return {[=](const Buffers& b) {
        parallelFor(threads, count, 16 * kChunk, [&](int64_t begin, int64_t end) {
            double x[kChunk];
            for (int64_t i = begin; i < end; i += kChunk) {
                const int64_t n = std::min(kChunk, end - i);
                loadFloats(type, b.inputs[0], i, 1, n, x);
                for (int64_t k = 0; k < n; ++k) {
                    x[k] = map(x[k]);
                }
                storeFloats(type, x, n, b.outputs[0], i);
            }
        });
        return Code::kOk;
    }};
}

} // namespace tenon::reference
