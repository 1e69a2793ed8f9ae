#include "backends/cpu/simd/winograd_tile.h"

#include "backends/cpu/simd/packed_tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tenon::cpu {
namespace {

float number(int64_t at, int64_t period) {
    const int64_t middle = period / 2;
    return static_cast<float>(at * 7 % period - middle);
}

// One input channel and a vector of output channels: the products between the transforms are of two numbers each.
void expectAConvolution(int64_t results, int64_t tiles, int64_t columns) {
    const WinogradTile& tile = winogradTile(results);
    ASSERT_EQ(tile.results, results);
    const int64_t lanes = packedTiles().lanes;
    const int64_t size = results + 2;
    const int64_t width = tiles * results;
    const auto pixelAt = [](int64_t row, int64_t column) { return number(row * 5 + column * 3, 11); };
    std::vector<float> image(static_cast<size_t>(size * width));
    for (int64_t row = 0; row < size; ++row) {
        for (int64_t column = 0; column < width; ++column) {
            image[static_cast<size_t>(row * width + column)] = pixelAt(row, column);
        }
    }
    const int64_t element = tiles * lanes;
    const auto floats = static_cast<size_t>(size * size * element);
    std::vector<float> v(floats);
    WinogradInput input{.rows = {},
                        .pixel = 1,
                        .width = width,
                        .first = -1,
                        .tiles = tiles,
                        .channels = 1,
                        .v = v.data(),
                        .element = element,
                        .tile = lanes};
    for (int64_t row = 0; row < size; ++row) {
        input.rows[row] = image.data() + row * width;
    }
    tile.input(input);

    const auto tapAt = [](int64_t tap, int64_t channel) { return number(tap * 3 + channel * 5, 9); };
    std::vector<float> taps(static_cast<size_t>(9 * lanes));
    for (int64_t tap = 0; tap < 9; ++tap) {
        for (int64_t channel = 0; channel < lanes; ++channel) {
            taps[static_cast<size_t>(tap * lanes + channel)] = tapAt(tap, channel);
        }
    }
    std::vector<float> u(static_cast<size_t>(size * size * lanes));
    tile.weights({.taps = taps.data(), .channels = 1, .columns = lanes, .u = u.data(), .element = lanes});

    std::vector<float> m(floats);
    for (int64_t e = 0; e < size * size; ++e) {
        for (int64_t t = 0; t < tiles; ++t) {
            for (int64_t channel = 0; channel < lanes; ++channel) {
                m[static_cast<size_t>(e * element + t * lanes + channel)] =
                    v[static_cast<size_t>(e * element + t * lanes)] * u[static_cast<size_t>(e * lanes + channel)];
            }
        }
    }
    std::vector<float> y(static_cast<size_t>(results * columns * lanes));
    tile.output({.m = m.data(),
                 .element = element,
                 .tile = lanes,
                 .columns = columns,
                 .lines = results,
                 .channels = lanes,
                 .start = nullptr,
                 .other = nullptr,
                 .low = -INFINITY,
                 .high = INFINITY,
                 .y = y.data(),
                 .pixel = lanes,
                 .line = columns * lanes,
                 .largest = nullptr,
                 .largestLine = 0});
    for (int64_t row = 0; row < results; ++row) {
        for (int64_t column = 0; column < columns; ++column) {
            for (int64_t channel = 0; channel < lanes; ++channel) {
                float expected = 0;
                for (int64_t tap = 0; tap < 9; ++tap) {
                    const int64_t from = column + tap % 3 - 1;
                    expected += from < 0 || from >= width ? 0 : pixelAt(row + tap / 3, from) * tapAt(tap, channel);
                }
                EXPECT_NEAR(y[static_cast<size_t>((row * columns + column) * lanes + channel)], expected, 2e-4)
                    << "row " << row << ", column " << column << ", channel " << channel;
            }
        }
    }
}

TEST(WinogradTile, TransformsMakeAConvolution) {
    for (const int64_t results : {2, 4}) {
        SCOPED_TRACE(results);
        expectAConvolution(results, 1, results - 1);
        expectAConvolution(results, 3, 3 * results);
        expectAConvolution(results, 11, 11 * results - 1);
    }
}

} // namespace
} // namespace tenon::cpu
