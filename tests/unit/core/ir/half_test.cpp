#include "core/ir/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace tenon::ir {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(HalfTest, EveryHalfComesBack) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float wide = halfToFloat(static_cast<uint16_t>(bits));
        const uint16_t back = floatToHalf(wide);
        if (std::isnan(wide)) {
            ASSERT_EQ(back, bits | 0x200u) << "NaN becomes quiet and keeps its payload";
        } else {
            ASSERT_EQ(back, bits);
        }
    }
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float wide = bfloat16ToFloat(static_cast<uint16_t>(bits));
        ASSERT_EQ(floatToBfloat16(wide), std::isnan(wide) ? bits | 0x40u : bits);
    }
}

TEST(HalfTest, HalvesRoundToNearestEven) {
    EXPECT_EQ(halfToFloat(0x3c00), 1.0F);
    EXPECT_EQ(halfToFloat(0x0001), std::ldexp(1.0F, -24));
    EXPECT_EQ(floatToHalf(65504.0F), 0x7bff);
    EXPECT_EQ(floatToHalf(65519.99F), 0x7bff);
    EXPECT_EQ(floatToHalf(65520.0F), 0x7c00) << "the tie goes to infinity";
    EXPECT_EQ(floatToHalf(1.0F + std::ldexp(1.0F, -11)), 0x3c00) << "tie to even";
    EXPECT_EQ(floatToHalf(1.0F + 3 * std::ldexp(1.0F, -11)), 0x3c02) << "tie to even, upwards";
    EXPECT_EQ(floatToHalf(std::ldexp(1.0F, -25)), 0x0000);
    EXPECT_EQ(floatToHalf(std::ldexp(1.5F, -25)), 0x0001);
    EXPECT_EQ(floatToHalf(-0.0F), 0x8000);
    EXPECT_EQ(floatToHalf(-kInf), 0xfc00);
    EXPECT_EQ(floatToHalf(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
    EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
    EXPECT_EQ(floatToBfloat16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(HalfTest, EightBitFloats) {
    for (uint32_t bits = 0; bits < 256; ++bits) {
        const auto byte = static_cast<uint8_t>(bits);
        if (!std::isnan(f8e4m3ToFloat(byte))) {
            ASSERT_EQ(floatToF8e4m3(f8e4m3ToFloat(byte)), byte);
        }
        if (std::isfinite(f8e5m2ToFloat(byte))) {
            ASSERT_EQ(floatToF8e5m2(f8e5m2ToFloat(byte)), byte);
        }
        if (bits != 255) {
            ASSERT_EQ(floatToF8e8m0(f8e8m0ToFloat(byte)), byte);
        }
    }
    EXPECT_EQ(f8e4m3ToFloat(0x7e), 448.0F);
    EXPECT_EQ(floatToF8e4m3(1000.0F), 0x7e);
    EXPECT_EQ(floatToF8e4m3(464.0F, false), 0x7e) << "the tie to the even 448";
    EXPECT_EQ(floatToF8e4m3(470.0F, false), 0x7f);
    EXPECT_EQ(floatToF8e4m3(kInf), 0x7e);
    EXPECT_TRUE(std::isnan(f8e4m3ToFloat(floatToF8e4m3(kNan))));
    EXPECT_EQ(f8e5m2ToFloat(0x7b), 57344.0F);
    EXPECT_EQ(floatToF8e5m2(1e9F), 0x7b);
    EXPECT_EQ(floatToF8e5m2(-kInf, false), 0xfc);
    EXPECT_TRUE(std::isnan(f8e5m2ToFloat(floatToF8e5m2(kNan))));
    EXPECT_TRUE(std::isnan(f8e8m0ToFloat(255)));
    EXPECT_EQ(f8e8m0ToFloat(127), 1.0F);
    EXPECT_EQ(floatToF8e8m0(-1.0F), 0xff);
}

TEST(HalfTest, FourBitFloats) {
    const float values[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
    for (uint8_t bits = 0; bits < 8; ++bits) {
        EXPECT_EQ(f4e2m1ToFloat(bits), values[bits]);
        EXPECT_EQ(floatToF4e2m1(values[bits]), bits);
        EXPECT_EQ(floatToF4e2m1(-values[bits]), bits | 8);
    }
    EXPECT_EQ(floatToF4e2m1(100.0F), 7);
    EXPECT_EQ(floatToF4e2m1(2.5F), 4) << "tie to even";
    EXPECT_EQ(floatToF4e2m1(3.5F), 6) << "tie to even, upwards";
}

} // namespace
} // namespace tenon::ir
