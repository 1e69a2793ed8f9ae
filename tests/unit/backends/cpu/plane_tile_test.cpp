#include "backends/cpu/simd/plane_tile.h"

#include "backends/cpu/simd/packed_tile.h"
#include "tests/unit/backends/cpu/exact_numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tenon::cpu {
namespace {

struct Line {
    int64_t taps;
    int64_t stride;
    int64_t lineCount;
    int64_t pixels;
    int64_t columns;
    bool isCut;
    bool hasStart;
    bool isBlocked; // a block of columns has all pixels, then the next one
};

void expectAsByLoops(const Line& line, const PlaneTile& tile) {
    const int64_t panel = packedTiles().wide.columns;
    const int64_t reach = (line.pixels - 1) * line.stride + line.taps;
    const int64_t depth = line.lineCount * line.taps;
    std::vector<std::vector<float>> image(static_cast<size_t>(line.lineCount));
    std::vector<const float*> lines;
    for (size_t i = 0; i < image.size(); ++i) {
        for (int64_t at = 0; at < reach; ++at) {
            image[i].push_back(number(static_cast<int64_t>(i) * 31 + at, 11));
        }
        lines.push_back(image[i].data());
    }
    const int64_t padded = wholePanels(packedTiles(), line.columns);
    std::vector<float> weights(static_cast<size_t>(padded * depth));
    const auto weightOf = [&](int64_t column, int64_t k) { return number(column * 5 + k * 3, 7); };
    for (int64_t column = 0; column < line.columns; ++column) {
        for (int64_t k = 0; k < depth; ++k) {
            weights[static_cast<size_t>((column / panel * depth + k) * panel + column % panel)] = weightOf(column, k);
        }
    }
    std::vector<float> start;
    for (int64_t column = 0; column < padded; ++column) {
        start.push_back(line.hasStart ? number(column, 13) : 0);
    }
    std::vector<float> y(static_cast<size_t>(line.pixels * line.columns + 16), kBehind);
    const int64_t lanes = packedTiles().lanes;
    const int64_t pixelStep = line.isBlocked ? lanes : line.columns;
    const int64_t vectorStep = line.isBlocked ? line.pixels * lanes : lanes;
    tile.run({.lines = lines.data(),
              .lineCount = line.lineCount,
              .weights = weights.data(),
              .start = line.hasStart ? start.data() : nullptr,
              .to = y.data(),
              .pixelStep = pixelStep,
              .vectorStep = vectorStep,
              .pixels = line.pixels,
              .columns = line.columns,
              .isCut = line.isCut,
              .low = -5,
              .high = 6});
    for (int64_t pixel = 0; pixel < line.pixels; ++pixel) {
        for (int64_t column = 0; column < line.columns; ++column) {
            float sum = start[static_cast<size_t>(column)];
            for (int64_t k = 0; k < depth; ++k) {
                const auto& from = image[static_cast<size_t>(k / line.taps)];
                sum += from[static_cast<size_t>(pixel * line.stride + k % line.taps)] * weightOf(column, k);
            }
            sum = line.isCut ? std::fmin(6.0F, std::fmax(-5.0F, sum)) : sum;
            ASSERT_EQ(y[static_cast<size_t>(pixel * pixelStep + column / lanes * vectorStep + column % lanes)], sum)
                << line.taps << " taps by " << line.stride << ", pixel " << pixel << " of " << line.pixels
                << ", column " << column << " of " << line.columns;
        }
    }
    for (size_t behind = static_cast<size_t>(line.pixels * line.columns); behind < y.size(); ++behind) {
        ASSERT_EQ(y[behind], kBehind) << "something was written behind the line";
    }
}

TEST(PlaneTileTest, SumsAsLoopsDo) {
    const PackedTiles& tiles = packedTiles();
    for (const int64_t taps : {3, 5, 7}) {
        for (const int64_t stride : {1, 2}) {
            // All sizes of pieces, and weights too many to stay near.
            for (const int64_t vectors : {1, 2, 3, 4, 7, 8, 20}) {
                const int64_t columns = vectors * tiles.lanes;
                const PlaneTile tile = planeTile(taps, stride, columns);
                ASSERT_NE(tile.run, nullptr);
                for (const int64_t more : {0, 1, 5, 13}) {
                    for (const int64_t lineCount : {1, 9, 28}) {
                        const bool isOdd = (vectors + more) % 2 == 1;
                        for (const bool isBlocked : {false, true}) {
                            expectAsByLoops(
                                {taps, stride, lineCount, tile.pixels + more, columns, isOdd, more != 1, isBlocked},
                                tile);
                        }
                    }
                }
            }
        }
    }
}

TEST(PlaneTileTest, RareWindowsAndPartsOfVectorsHaveNone) {
    const int64_t lanes = packedTiles().lanes;
    EXPECT_EQ(planeTile(4, 1, lanes).run, nullptr);
    EXPECT_EQ(planeTile(3, 3, lanes).run, nullptr);
    if (lanes > 1) {
        EXPECT_EQ(planeTile(3, 1, lanes + 1).run, nullptr);
    }
}

} // namespace
} // namespace tenon::cpu
