#include "backends/cpu/gemm.h"

#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/cpu/simd/gemm_tile.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

// A block of the right operand stays in a second-level cache of 512 KiB beside the part of the result that it adds to.
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockRows = 480; // a multiple of 4, 6, 8, 12
constexpr int64_t kBlockColumns = 128;
constexpr int64_t kMostRows = kBlockRows + kMostTileRows;
constexpr int64_t kMostColumns = kBlockColumns + kMostTileColumns;
constexpr int64_t kScratch = kDepth * kMostColumns + kMostRows * kMostColumns; // floats per thread

} // namespace

void MatrixSource::pack(int64_t batch, int64_t firstDepth, int64_t depth, int64_t first, int64_t count, int64_t width,
                        float* to) const {
    const int64_t origin = mFirst[batch] + first * mOuterStride + firstDepth * mDepthStride;
    float scratch[kDepth];
    if (count < width) {
        std::fill(to, to + depth * width, 0.0F);
    }
    if (mDepthStride == 1) {
        for (int64_t i = 0; i < count; ++i) {
            const float* row = readRow(mType, mData, origin + i * mOuterStride, depth, scratch);
            for (int64_t k = 0; k < depth; ++k) {
                to[k * width + i] = row[k];
            }
        }
        return;
    }
    if (mOuterStride == 1) {
        for (int64_t k = 0; k < depth; ++k) {
            const float* row = readRow(mType, mData, origin + k * mDepthStride, count, scratch);
            std::memcpy(to + k * width, row, static_cast<size_t>(count) * sizeof(float));
        }
        return;
    }
    for (int64_t k = 0; k < depth; ++k) {
        for (int64_t i = 0; i < count; ++i) {
            to[k * width + i] = *readRow(mType, mData, origin + i * mOuterStride + k * mDepthStride, 1, scratch);
        }
    }
}

int64_t gemmWorkspace(const Gemm& gemm) {
    // Rounded to the tile: one row more never needs less.
    const int64_t left = gemm.batches * roundUp(gemm.rows, gemmTile().rows) * gemm.depth;
    return (kScratch * gemm.threads + left) * static_cast<int64_t>(sizeof(float));
}

void runGemm(const Gemm& gemm, const PanelSource& left, const PanelSource& right, const float* bias, int64_t biasStride,
             int64_t biasBatches, void* result, void* workspace) {
    if (gemm.batches * gemm.rows * gemm.columns == 0) {
        return;
    }
    const GemmTile& tile = gemmTile();
    const int64_t team = teamFor(gemm.threads, gemm.batches * gemm.rows * gemm.columns, gemm.depth / 8 + 1);
    // The left operand is packed once: panels of `tile.rows` rows, each over the whole depth.
    const int64_t panels = (gemm.rows + tile.rows - 1) / tile.rows;
    const int64_t panelSize = tile.rows * gemm.depth;
    auto* packedLeft = static_cast<float*>(workspace);
    float* scratch = packedLeft + gemm.batches * panels * panelSize;
    parallelTeam(team, gemm.batches * panels, [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
            const int64_t row = item % panels * tile.rows;
            for (int64_t k = 0; k < gemm.depth; k += kDepth) {
                left.pack(item / panels, k, std::min(kDepth, gemm.depth - k), row, std::min(tile.rows, gemm.rows - row),
                          tile.rows, packedLeft + item * panelSize + k * tile.rows);
            }
        }
    });
    // Blocks are cut smaller where there would be fewer of them than threads: that changes who computes an element, not how.
    int64_t blockRows = std::min(roundUp(gemm.rows, tile.rows), roundUp(kBlockRows, tile.rows));
    int64_t blockColumns = std::min(roundUp(gemm.columns, tile.columns), roundUp(kBlockColumns, tile.columns));
    const auto blocks = [&] {
        return gemm.batches * ((gemm.rows + blockRows - 1) / blockRows) *
               ((gemm.columns + blockColumns - 1) / blockColumns);
    };
    while (team > 1 && blocks() < 2 * team && (blockColumns > tile.columns || blockRows > tile.rows)) {
        if (blockColumns > tile.columns) {
            blockColumns = std::max(tile.columns, roundUp(blockColumns / 2, tile.columns));
        } else {
            blockRows = std::max(tile.rows, roundUp(blockRows / 2, tile.rows));
        }
    }
    const int64_t rowBlocks = (gemm.rows + blockRows - 1) / blockRows;
    const int64_t columnBlocks = (gemm.columns + blockColumns - 1) / blockColumns;
    parallelTeam(team, gemm.batches * rowBlocks * columnBlocks, [&](int64_t member, int64_t begin, int64_t end) {
        float* packedRight = scratch + member * kScratch;
        float* sums = packedRight + kDepth * kMostColumns;
        for (int64_t item = begin; item < end; ++item) {
            const int64_t batch = item / (rowBlocks * columnBlocks);
            const int64_t row = item / columnBlocks % rowBlocks * blockRows;
            const int64_t column = item % columnBlocks * blockColumns;
            const int64_t height = std::min(blockRows, gemm.rows - row);
            const int64_t width = std::min(blockColumns, gemm.columns - column);
            const int64_t stride = roundUp(width, tile.columns);
            if (gemm.depth == 0) {
                std::fill(sums, sums + height * stride, 0.0F);
            }
            for (int64_t k = 0; k < gemm.depth; k += kDepth) {
                const int64_t depth = std::min(kDepth, gemm.depth - k);
                for (int64_t c = 0; c < width; c += tile.columns) {
                    right.pack(batch, k, depth, column + c, std::min(tile.columns, width - c), tile.columns,
                               packedRight + c * depth);
                }
                for (int64_t r = 0; r < height; r += tile.rows) {
                    const float* panel =
                        packedLeft + (batch * panels + (row + r) / tile.rows) * panelSize + k * tile.rows;
                    for (int64_t c = 0; c < width; c += tile.columns) {
                        tile.run(panel, packedRight + c * depth, depth, sums + r * stride + c, stride, k > 0);
                    }
                }
            }
            for (int64_t r = 0; r < height; ++r) {
                float* line = sums + r * stride;
                if (bias != nullptr) {
                    rowTable().shift(line, bias[batch % biasBatches * biasStride + row + r], line, width);
                }
                const int64_t first = (batch * gemm.rows + row + r) * gemm.columns + column;
                if (gemm.type == TN_F32) {
                    std::memcpy(static_cast<float*>(result) + first, line, static_cast<size_t>(width) * sizeof(float));
                } else {
                    finishRow(gemm.type, result, first, width, line);
                }
            }
        }
    });
}

} // namespace tenon::cpu
