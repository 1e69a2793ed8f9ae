#include "backends/cpu/simd/packed_tile.h"
#include "tests/unit/backends/cpu/exact_numbers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace tenon::cpu {
namespace {

// isAll: any number of rows, else those of one tile. columns: that are written; sums go on from what is in c where they continue.
void expectAsByLoops(const PackedTile& tile, bool isAll, int64_t rows, int64_t depth, int64_t columns, bool isCut,
                     bool hasStart, bool continues) {
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
    const auto before = [&](int64_t r, int64_t n) { return continues ? number(r * 5 + n, 9) : 0; };
    for (int64_t r = 0; continues && r < rows; ++r) {
        for (int64_t n = 0; n < columns; ++n) {
            c[static_cast<size_t>(r * cRow + n)] = before(r, n);
        }
    }
    PackedProduct product{
        .a = a.data(), .aRow = aRow, .b = b.data(), .bRow = panel, .depth = depth, .c = c.data(), .cRow = cRow};
    product.start = hasStart ? start.data() : nullptr;
    product.continues = continues;
    product.columns = columns < tile.columns ? columns : 0;
    product.isCut = isCut;
    product.low = -5;
    product.high = 6;
    (isAll ? tile.runAll : tile.run)(rows, product);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t n = 0; n < cRow; ++n) {
            const bool isWritten = n < columns;
            float sum = !isWritten ? kBehind : continues ? before(r, n) : start[static_cast<size_t>(n)];
            for (int64_t k = 0; isWritten && k < depth; ++k) {
                sum += a[static_cast<size_t>(r * aRow + k)] * b[static_cast<size_t>(k * panel + n)];
            }
            sum = isCut && isWritten ? std::clamp(sum, -5.0F, 6.0F) : sum;
            ASSERT_EQ(c[static_cast<size_t>(r * cRow + n)], sum)
                << "row " << r << " of " << rows << ", column " << n << " of " << columns << " of a tile of "
                << tile.columns << ", depth " << depth << (continues ? ", continued" : "");
        }
    }
}

TEST(PackedTileTest, SumsAsLoopsDoWhateverTheDepth) {
    const PackedTiles& tiles = packedTiles();
    for (const PackedTile* tile : {&tiles.wide, &tiles.narrow, &tiles.thin, &tiles.paired}) {
        if (tile->columns == 0) {
            continue; // vectors are too short for it
        }
        for (const int64_t depth : {1, 2, 3, 8, 25, 63, 64, 65, 130}) { // shallow ones end at 64
            for (const int64_t rows : {1, 2, 5, 6, 7, 11, 12, 13, 16, 17, 23, 24, 25, 33}) {
                expectAsByLoops(*tile, true, rows, depth, tile->columns, rows % 2 == 0, rows % 3 != 0, false);
                expectAsByLoops(*tile, true, rows, depth, tile->columns, rows % 3 == 0, rows % 2 != 0, true);
                if (rows <= tile->rows) {
                    expectAsByLoops(*tile, false, rows, depth, tile->columns, rows % 3 == 0, rows % 2 == 0, false);
                    expectAsByLoops(*tile, false, rows, depth, tile->columns, rows % 2 == 0, false, true);
                }
            }
        }
    }
}

TEST(PackedTileTest, LeavesColumnsThatAreNotThere) {
    const PackedTiles& tiles = packedTiles();
    for (const PackedTile* tile : {&tiles.wide, &tiles.narrow, &tiles.thin}) {
        for (const int64_t columns : {int64_t{1}, tile->columns / 2 + 1, tile->columns - 1}) {
            if (!tiles.writesParts || columns == 0) {
                continue;
            }
            for (const int64_t depth : {3, 8, 70}) {
                expectAsByLoops(*tile, true, 13, depth, columns, true, true, false);
                expectAsByLoops(*tile, true, 14, depth, columns, false, false, true);
            }
        }
    }
}

TEST(PackedTileTest, WhatIsNoNumberStaysSo) {
    const PackedTiles& tiles = packedTiles();
    const int64_t panel = tiles.wide.columns;
    const std::vector<float> b(static_cast<size_t>(panel * 9), 1.0F);
    for (const PackedTile* tile : {&tiles.wide, &tiles.narrow, &tiles.thin, &tiles.paired}) {
        for (const int64_t depth : {4, 9}) {
            std::vector<float> a(static_cast<size_t>(2 * depth), 1.0F);
            a.at(static_cast<size_t>(2 * depth - 1)) = std::numeric_limits<float>::quiet_NaN(); // of the second row
            std::vector<float> c(static_cast<size_t>(2 * panel), kBehind);
            PackedProduct product{.a = a.data(),
                                  .aRow = depth,
                                  .b = b.data(),
                                  .bRow = panel,
                                  .depth = depth,
                                  .c = c.data(),
                                  .cRow = panel};
            product.isCut = true;
            product.low = 0;
            product.high = 6;
            if (tile->columns != 0) {
                tile->runAll(2, product);
            }
            for (int64_t n = 0; n < tile->columns; ++n) {
                EXPECT_EQ(c[static_cast<size_t>(n)], depth == 4 ? 4.0F : 6.0F);
                EXPECT_TRUE(std::isnan(c[static_cast<size_t>(panel + n)])) << "column " << n << " of " << tile->columns;
            }
        }
    }
}

TEST(PackedTileTest, PiecesOfRowsStayWithinAPanel) {
    const PackedTiles& tiles = packedTiles();
    const int64_t panel = tiles.wide.columns;
    for (const auto choose : {tileFor, plainTileFor}) {
        for (int64_t columns = 1; columns <= 2 * panel + 1; ++columns) {
            for (int64_t column = 0; column < columns;) {
                const PackedTile& tile = choose(tiles, columns - column);
                ASSERT_GT(tile.columns, 0);
                ASSERT_LE(column % panel + tile.columns, panel) << columns << " columns";
                column += std::min(tile.columns, columns - column);
            }
        }
    }
    if (tiles.paired.columns != 0) {
        EXPECT_EQ(&plainTileFor(tiles, tiles.paired.columns), &tiles.paired);
        EXPECT_EQ(&plainTileFor(tiles, tiles.narrow.columns + tiles.paired.columns), &tiles.narrow);
        EXPECT_NE(&tileFor(tiles, tiles.paired.columns), &tiles.paired);
    }
}

} // namespace
} // namespace tenon::cpu
