#include "backends/cpu/simd/channel_maximum.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace tenon::cpu {
namespace {

// Whole vectors of channels and what is left of them.
constexpr int64_t kChannels = 75;
constexpr int64_t kPixels = 3;

uint16_t narrowed(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); }
float widened(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// One window over a line of three pixels, of which pixel `which` is no number in every second channel.
std::vector<float> maxima(bool isBrain, int64_t which) {
    std::vector<float> x;
    for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
        for (int64_t c = 0; c < kChannels; ++c) {
            const bool isNumber = pixel != which || c % 2 == 0;
            x.push_back(isNumber ? static_cast<float>(pixel + c) : std::numeric_limits<float>::quiet_NaN());
        }
    }
    std::vector<uint16_t> narrow;
    for (const float each : x) {
        narrow.push_back(narrowed(each));
    }
    std::vector<float> y(kChannels);
    std::vector<uint16_t> narrowY(kChannels);
    const void* const from = isBrain ? static_cast<const void*>(narrow.data()) : x.data();
    void* const to = isBrain ? static_cast<void*>(narrowY.data()) : y.data();
    maximumRow({.isBrain = isBrain,
                .x = from,
                .lines = 1,
                .line = kPixels * kChannels,
                .width = kPixels,
                .channels = kChannels,
                .columns = kPixels,
                .stride = 1,
                .dilation = 1,
                .pad = 0,
                .y = to,
                .outputs = 1});
    for (size_t c = 0; isBrain && c < y.size(); ++c) {
        y[c] = widened(narrowY[c]);
    }
    return y;
}

TEST(ChannelMaximumTest, WhatIsNoNumberStaysWhereverItIs) {
    for (const bool isBrain : {false, true}) {
        for (int64_t which = 0; which < kPixels; ++which) {
            const std::vector<float> y = maxima(isBrain, which);
            for (size_t c = 0; c < y.size(); ++c) {
                if (c % 2 == 1) {
                    EXPECT_TRUE(std::isnan(y[c])) << "pixel " << which << ", channel " << c << ", bf16 " << isBrain;
                } else {
                    EXPECT_EQ(y[c], static_cast<float>(c + 2)) << "pixel " << which << ", channel " << c;
                }
            }
        }
    }
}

} // namespace
} // namespace tenon::cpu
