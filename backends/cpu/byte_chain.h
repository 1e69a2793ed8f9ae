// Convolutions and products of bytes whose results are quantized: dequantized image or rows and weights, what multiplies them, perhaps a bias, an
// activation that cuts off, a quantize.
//
// Who uses it: the cpu backend's convolutions and products of bytes. What it must not know: how they are computed, layouts.
#pragma once

#include "backends/common/call.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/simd/byte_result.h"

#include <optional>
#include <vector>

namespace tenon::cpu {

struct ByteChain {
    size_t head = 0; // the convolution or product among the nodes
    // Places among the region's inputs.
    int32_t x = -1;
    int32_t weights = -1;
    int32_t bias = -1; // -1: none
    ByteScale from;
    ByteScale to;
    int64_t channels = 0;             // of the result; columns of a product
    std::vector<float> factors;       // for each channel: what a sum of products is multiplied with to be a byte
    std::vector<int32_t> weightZeros; // for each channel: the zero point of its weights; empty: none has one
    float low = 0;                    // bounds of the byte
    float high = 0;

    // How the sums of columns [column, column + width) become bytes of the result, from `row` on. `shift` has room for so many numbers, and lives as long.
    void finish(const kernels::Buffers& b, int64_t row, int64_t column, int64_t width, float* shift,
                ByteResult& result) const;
};

// Of images with two spatial extents, or of rows and a matrix; with constant signed weights. Nothing for any other region, and where scales are not shown.
std::optional<ByteChain> readByteChain(const module::GraphView& body);

} // namespace tenon::cpu
