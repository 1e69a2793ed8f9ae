// The inner product of the reference: a tile of 4 rows by 8 columns, summed over the depth in one fixed order.
// Used by matmul and convolution. Every output element is the same chain of operations wherever it lies in a tile, so results
// do not depend on threads or tiling.
#pragma once

#include <cstdint>

namespace tenon::reference {

inline constexpr int64_t kTileRows = 4;
inline constexpr int64_t kTileColumns = 8;

// tile[r][c] = sum over k of rows[r * depth + k] * columns[offsets[k] + c * step]. Reads kTileColumns columns.
void multiplyTile(const double* rows, int64_t depth, const double* columns, const int64_t* offsets, int64_t step,
                  double* tile);
// The same on integers that wrap.
void multiplyTile(const uint64_t* rows, int64_t depth, const uint64_t* columns, const int64_t* offsets, int64_t step,
                  uint64_t* tile);

} // namespace tenon::reference
