#include "backends/cpu/simd/depthwise_rows.h"
#include "tests/unit/backends/cpu/exact_numbers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tenon::cpu {
namespace {

struct How {
    int64_t lines = 3; // of a window
    int64_t columns = 3;
    int64_t stride = 1;
    int64_t down = 1;
    int64_t dilation = 1;
    int64_t apart = 1;
    int64_t pad = 1;
    int64_t width = 20;
    int64_t outputs = 20;
    int64_t rows = 1;
    int64_t ring = 40; // lines of x that there are
    int64_t first = 0;
};

void expectAsByLoops(const How& how, int64_t channels) {
    SCOPED_TRACE("lines " + std::to_string(how.lines) + ", columns " + std::to_string(how.columns) + ", stride " +
                 std::to_string(how.stride) + ", down " + std::to_string(how.down) + ", dilation " +
                 std::to_string(how.dilation) + ", pad " + std::to_string(how.pad) + ", width " +
                 std::to_string(how.width) + ", rows " + std::to_string(how.rows) + ", channels " +
                 std::to_string(channels));
    const int64_t xPixel = channels + 3;
    const int64_t yPixel = channels + 2;
    std::vector<float> x(static_cast<size_t>(how.ring * how.width * xPixel));
    for (size_t i = 0; i < x.size(); ++i) {
        x[i] = number(static_cast<int64_t>(i), 11);
    }
    std::vector<float> w(static_cast<size_t>(how.lines * how.columns * channels));
    for (size_t i = 0; i < w.size(); ++i) {
        w[i] = number(static_cast<int64_t>(i) * 3, 7);
    }
    std::vector<float> start(static_cast<size_t>(channels));
    for (size_t c = 0; c < start.size(); ++c) {
        start[c] = number(static_cast<int64_t>(c), 13);
    }
    std::vector<float> y(static_cast<size_t>(how.rows * how.outputs * yPixel), kBehind);
    DepthwiseRows r{};
    r.x = x.data();
    r.xLine = how.width * xPixel;
    r.first = how.first;
    r.apart = how.apart;
    r.ring = how.ring;
    r.xPixel = xPixel;
    r.width = how.width;
    r.w = w.data();
    r.wLine = how.columns * channels;
    r.wPixel = channels;
    r.lines = how.lines;
    r.columns = how.columns;
    r.stride = how.stride;
    r.dilation = how.dilation;
    r.pad = how.pad;
    r.start = start.data();
    r.y = y.data();
    r.yPixel = yPixel;
    r.rows = how.rows;
    r.down = how.down;
    r.outputs = how.outputs;
    r.channels = channels;
    r.low = -40;
    r.high = 50;
    depthwiseRows(r);
    for (int64_t n = 0; n < how.rows; ++n) {
        for (int64_t o = 0; o < how.outputs; ++o) {
            for (int64_t c = 0; c < yPixel; ++c) {
                float sum = c < channels ? start[static_cast<size_t>(c)] : kBehind;
                for (int64_t i = 0; c < channels && i < how.lines; ++i) {
                    const int64_t line = (how.first + n * how.down + i * how.apart) % how.ring;
                    for (int64_t k = 0; k < how.columns; ++k) {
                        const int64_t position = o * how.stride + k * how.dilation - how.pad;
                        if (position >= 0 && position < how.width) {
                            sum += x[static_cast<size_t>((line * how.width + position) * xPixel + c)] *
                                   w[static_cast<size_t>((i * how.columns + k) * channels + c)];
                        }
                    }
                }
                sum = c < channels ? std::clamp(sum, -40.0F, 50.0F) : sum;
                ASSERT_EQ(y[static_cast<size_t>((n * how.outputs + o) * yPixel + c)], sum)
                    << "row " << n << ", output " << o << ", channel " << c;
            }
        }
    }
}

int64_t outputsOf(const How& how, int64_t padEnd) {
    return std::max<int64_t>(0, (how.width + how.pad + padEnd - (how.columns - 1) * how.dilation - 1) / how.stride + 1);
}

TEST(DepthwiseRowsTest, SumsAsLoopsDo) {
    for (const int64_t columns : {2, 3, 5}) {
        for (const int64_t stride : {1, 2, 3}) {
            for (const int64_t width : {5, 6, 7, 14, 15, 29}) {
                for (const int64_t rows : {1, 2, 3, 4, 5, 7}) {
                    How how;
                    how.columns = how.lines = columns;
                    how.stride = how.down = stride;
                    how.pad = columns / 2;
                    how.width = width;
                    how.rows = rows;
                    how.outputs = outputsOf(how, how.pad);
                    expectAsByLoops(how, depthwiseLanes() * 2 + 1); // the last vector begins among others
                }
            }
        }
    }
}

TEST(DepthwiseRowsTest, TakesWindowsAtTheEdgesAndFurtherOutside) {
    for (const int64_t columns : {3, 5}) {
        for (const int64_t pad : {-2, -1, 0, 1, 2, 4, 6}) {
            for (const int64_t padEnd : {-1, 0, 1, 3, 6}) {
                for (const int64_t width : {1, 2, 4, 9}) {
                    for (const int64_t stride : {1, 2}) {
                        How how;
                        how.columns = columns;
                        how.lines = width % 2 == 0 ? columns : columns - 1;
                        how.stride = how.down = stride;
                        how.pad = pad;
                        how.width = width;
                        how.rows = 3;
                        how.outputs = outputsOf(how, padEnd);
                        if (how.width + pad + padEnd >= columns) {
                            expectAsByLoops(how, depthwiseLanes());
                        }
                    }
                }
            }
        }
    }
}

TEST(DepthwiseRowsTest, TakesWindowsOfFewerLinesOtherStridesAndGaps) {
    for (const int64_t rows : {1, 2, 4, 6}) {
        How how;
        how.rows = rows;
        how.lines = 2; // of three
        expectAsByLoops(how, depthwiseLanes());
        how = How{};
        how.rows = rows;
        how.down = 2; // other than along the line
        expectAsByLoops(how, depthwiseLanes());
        how = How{};
        how.rows = rows;
        how.apart = 2;
        expectAsByLoops(how, depthwiseLanes());
        how = How{};
        how.rows = rows;
        how.dilation = 2;
        how.pad = 2;
        expectAsByLoops(how, depthwiseLanes());
    }
}

TEST(DepthwiseRowsTest, FindsLinesOfARing) {
    for (const int64_t first : {0, 3, 6}) {
        How how;
        how.ring = 7;
        how.first = first;
        how.rows = 4;
        expectAsByLoops(how, depthwiseLanes() * 4);
    }
}

TEST(DepthwiseRowsTest, TakesLongLines) {
    for (const int64_t rows : {1, 3}) {
        How how;
        how.rows = rows;
        how.width = how.outputs = 130;
        expectAsByLoops(how, 64);
    }
}

TEST(DepthwiseRowsTest, TakesManyWeightsInStrips) {
    How how;
    how.rows = 4;
    how.width = how.outputs = 7;
    expectAsByLoops(how, 480);
}

} // namespace
} // namespace tenon::cpu
