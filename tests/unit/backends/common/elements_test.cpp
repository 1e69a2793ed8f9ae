#include "backends/common/elements.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tenon::kernels {
namespace {

TEST(Half, EveryBitPatternComesBack) {
    for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
        const Half half{static_cast<uint16_t>(bits)};
        const float value = floatOf(half);
        const Half back = halfOf(static_cast<double>(value));
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(floatOf(back))) << bits;
        } else {
            EXPECT_EQ(back.bits, half.bits) << bits;
        }
    }
}

TEST(BFloat16, EveryBitPatternComesBack) {
    for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
        const BFloat16 number{static_cast<uint16_t>(bits)};
        const float value = floatOf(number);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(floatOf(bfloat16Of(static_cast<double>(value))))) << bits;
        } else {
            EXPECT_EQ(bfloat16Of(static_cast<double>(value)).bits, number.bits) << bits;
        }
    }
}

TEST(Half, RoundsToNearestEvenOnce) {
    EXPECT_EQ(floatOf(halfOf(2049.0)), 2048.0F); // a tie: to even
    EXPECT_EQ(floatOf(halfOf(2051.0)), 2052.0F);
    EXPECT_EQ(floatOf(halfOf(65519.0)), 65504.0F);
    EXPECT_EQ(floatOf(halfOf(65520.0)), std::numeric_limits<float>::infinity());
    EXPECT_EQ(floatOf(halfOf(0x1p-25)), 0.0F); // half of the smallest number: to even
    EXPECT_EQ(floatOf(halfOf(0x1.8p-25)), 0x1p-24F);
    // By way of float this would round up twice: once to 2049, a tie, and then to 2050.
    EXPECT_EQ(floatOf(halfOf(2049.0 - 0x1p-30)), 2048.0F);
}

TEST(F8E4M3, EveryFiniteValueComesBack) {
    for (uint32_t bits = 0; bits < 256; ++bits) {
        const double value = floatOfF8E4M3(static_cast<uint8_t>(bits));
        if (std::isnan(value)) {
            EXPECT_EQ(bits & 0x7FU, 0x7FU);
        } else {
            EXPECT_EQ(f8E4M3Of(value, true), bits) << value;
        }
    }
    EXPECT_EQ(floatOfF8E4M3(0x7E), 448.0);
}

TEST(F8E4M3, TooLargeSaturatesOrIsNan) {
    EXPECT_EQ(floatOfF8E4M3(f8E4M3Of(1000, true)), 448.0);
    EXPECT_TRUE(std::isnan(floatOfF8E4M3(f8E4M3Of(1000, false))));
    EXPECT_EQ(floatOfF8E4M3(f8E4M3Of(-1e9, true)), -448.0);
    EXPECT_EQ(floatOfF8E4M3(f8E4M3Of(464, true)), 448.0); // a tie between 448 and what would be 480
    EXPECT_EQ(floatOfF8E4M3(f8E4M3Of(0x1p-10, true)), 0.0);
    EXPECT_EQ(floatOfF8E4M3(f8E4M3Of(0x1.8p-10, true)), 0x1p-9);
}

TEST(F8E5M2, RoundsAndSaturates) {
    for (uint32_t bits = 0; bits < 256; ++bits) {
        const double value = floatOfF8E5M2(static_cast<uint8_t>(bits));
        if (!std::isnan(value) && !std::isinf(value)) {
            EXPECT_EQ(f8E5M2Of(value, true), bits) << value;
        }
    }
    EXPECT_EQ(floatOfF8E5M2(f8E5M2Of(1e9, true)), 57344.0);
    EXPECT_TRUE(std::isinf(floatOfF8E5M2(f8E5M2Of(1e9, false))));
}

TEST(TypeMask, NamesItsTypes) { EXPECT_EQ(namesOf(kFloats), "f32, f16, bf16, f64"); }

} // namespace
} // namespace tenon::kernels
