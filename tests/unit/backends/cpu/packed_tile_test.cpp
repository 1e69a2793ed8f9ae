#include "backends/cpu/simd/packed_tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tenon::cpu {
namespace {

constexpr float kBehind = -77;

// Numbers that differ from place to place and are exact, as their sums are.
float number(int64_t at, int64_t period) {
    const int64_t middle = period / 2;
    return static_cast<float>(at * 7 % period - middle);
}

void expectAsByLoops(const PackedTile& tile, int64_t rows, int64_t depth, bool isCut, bool hasStart) {
    const int64_t panel = packedTiles().wide.columns;
    const int64_t aRow = depth + 3;
    const int64_t cRow = tile.columns + 5;
    std::vector<float> a;
    for (int64_t i = 0; i < rows * aRow; ++i) {
        a.push_back(number(i, 11));
    }
    std::vector<float> b;
    for (int64_t i = 0; i < depth * panel; ++i) {
        b.push_back(number(i * 3, 7));
    }
    std::vector<float> start;
    for (int64_t n = 0; n < panel; ++n) {
        start.push_back(hasStart ? number(n, 13) : 0);
    }
    std::vector<float> c(static_cast<size_t>(rows * cRow), kBehind);
    PackedProduct product{
        .a = a.data(), .aRow = aRow, .b = b.data(), .bRow = panel, .depth = depth, .c = c.data(), .cRow = cRow};
    product.start = hasStart ? start.data() : nullptr;
    product.isCut = isCut;
    product.low = -5;
    product.high = 6;
    tile.runAll(rows, product);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t n = 0; n < cRow; ++n) {
            float sum = n < tile.columns ? start[static_cast<size_t>(n)] : kBehind;
            for (int64_t k = 0; n < tile.columns && k < depth; ++k) {
                sum += a[static_cast<size_t>(r * aRow + k)] * b[static_cast<size_t>(k * panel + n)];
            }
            sum = isCut && n < tile.columns ? std::clamp(sum, -5.0F, 6.0F) : sum;
            ASSERT_EQ(c[static_cast<size_t>(r * cRow + n)], sum)
                << "row " << r << " of " << rows << ", column " << n << " of " << tile.columns << ", depth " << depth;
        }
    }
}

TEST(PackedTileTest, SumsAsLoopsDoWhateverTheDepth) {
    const PackedTiles& tiles = packedTiles();
    for (const PackedTile* tile : {&tiles.wide, &tiles.narrow, &tiles.thin}) {
        for (const int64_t depth : {1, 2, 3, 8, 25, 63, 64, 65, 130}) { // shallow ones end at 64
            for (const int64_t rows : {1, 2, 5, 6, 7, 11, 12, 13, 23, 24, 25}) {
                expectAsByLoops(*tile, rows, depth, rows % 2 == 0, rows % 3 != 0);
            }
        }
    }
}

} // namespace
} // namespace tenon::cpu
