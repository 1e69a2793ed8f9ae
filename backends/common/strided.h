// Loops over several tensors with strides: dimensions merged where all operands allow, so that inner rows are long.
//
// Who uses it: pointwise and movement kernels. What it must not know: element types.
#pragma once

#include "backends/common/call.h"

#include <cstdint>
#include <vector>

namespace tenon::kernels {

// Extents and, per operand, elements between neighbours along each. Row-major: the last dimension is the inner one.
struct StridedLoop {
    Dims dims;
    std::vector<Dims> strides;

    int64_t rows() const { return dims.empty() ? 1 : product(dims, 0, dims.size() - 1); }
    int64_t rowLength() const { return dims.empty() ? 1 : dims.back(); }
    int64_t rowStride(size_t operand) const { return dims.empty() ? 0 : strides[operand].back(); }
};

// Drops extents of 1 and merges neighbours that every operand walks as one. Never empty: at least one dimension is left.
StridedLoop collapse(const Dims& dims, const std::vector<Dims>& strides);

// Calls row(offsets) for rows [begin, end) of the loop; offsets has the element offset of each operand.
template <size_t operands, class Row>
void forRows(const StridedLoop& loop, int64_t begin, int64_t end, const Row& row) {
    const size_t outer = loop.dims.size() - 1;
    int64_t coordinate[2 * TN_MAX_DIMS + 8] = {};
    int64_t offsets[operands] = {};
    int64_t rest = begin;
    for (size_t d = outer; d-- > 0;) {
        coordinate[d] = rest % loop.dims[d];
        rest /= loop.dims[d];
        for (size_t o = 0; o < operands; ++o) {
            offsets[o] += coordinate[d] * loop.strides[o][d];
        }
    }
    for (int64_t r = begin; r < end; ++r) {
        row(offsets);
        for (size_t d = outer; d-- > 0;) {
            for (size_t o = 0; o < operands; ++o) {
                offsets[o] += loop.strides[o][d];
            }
            if (++coordinate[d] < loop.dims[d]) {
                break;
            }
            for (size_t o = 0; o < operands; ++o) {
                offsets[o] -= loop.strides[o][d] * loop.dims[d];
            }
            coordinate[d] = 0;
        }
    }
}

} // namespace tenon::kernels
