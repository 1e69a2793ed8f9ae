// The innermost product of matrices: one tile of rows by columns, summed over the depth in registers.
// Used by gemm.cpp. The function exists once per instruction set. Knows no tensor.
#pragma once

#include <cstdint>

namespace tenon::cpu {

struct GemmTile {
    int64_t rows;
    int64_t columns;
    // c[r * stride + n] (+)= sum over k of a[k * rows + r] * b[k * columns + n], in the order of k.
    void (*run)(const float* a, const float* b, int64_t depth, float* c, int64_t stride, bool accumulate);
};

const GemmTile& gemmTile();

// No instruction set has a larger tile.
inline constexpr int64_t kMostTileRows = 16;
inline constexpr int64_t kMostTileColumns = 128;

} // namespace tenon::cpu
