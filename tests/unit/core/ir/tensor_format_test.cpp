#include "core/ir/tensor_format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace tenon::ir {
namespace {

TensorFormat opaque() {
    TensorFormat format = linearFormat(2);
    std::strcpy(format.opaque_provider, "onednn");
    format.opaque_id = 0x1f;
    format.opaque_version = 2;
    format.opaque_bytes = 4096;
    return format;
}

TEST(TensorFormatTest, TextComesBack) {
    TensorFormat odd = channelsLastFormat(4);
    odd.blocks[odd.block_count++] = {1, 16};
    odd.blocks[odd.block_count++] = {0, 4};
    odd.outer_pitch = 4096;
    odd.tail_zero = 1;
    odd.alignment = 128;
    const std::pair<TensorFormat, const char*> cases[] = {
        {linearFormat(0), "linear"},
        {linearFormat(8), "linear"},
        {channelsLastFormat(4), "order(0,2,3,1)"},
        {channelsLastFormat(2), "linear"},
        {blockedFormat(4, {{1, 16}}), "order(0,1,2,3) block(1:16)"},
        {odd, "order(0,2,3,1) block(1:16,0:4) pitch(4096) tail(zero) align(128)"},
        {opaque(), "opaque(onednn:1f:2:4096)"},
    };
    for (const auto& [format, text] : cases) {
        EXPECT_EQ(toText(format), text);
        const auto back = formatOf(text, format.rank);
        ASSERT_TRUE(back.has_value()) << text;
        EXPECT_TRUE(equal(*back, format)) << text;
        EXPECT_EQ(hashOf(*back), hashOf(format));
        EXPECT_TRUE(isWellFormed(format));
    }
}

TEST(TensorFormatTest, DamagedTextIsRefused) {
    for (const char* bad : {"", "lin", "linear x", "order(0,1)", "order(0,0,1)", "order(0,1,3)", "order(0,1,2,)",
                            "order(0,1,2) block(5:2)", "order(0,1,2) block(1:0)", "order(0,1,2", "linear pitch(0)",
                            "linear tail(one)", "opaque(a:b:c)", "opaque(x:g:0:1)",
                            "opaque(a-name-that-is-longer-than-the-field:1:1:1)", "opaque(x:1:1:-5)"}) {
        EXPECT_FALSE(formatOf(bad, 3).has_value()) << bad;
    }
    EXPECT_FALSE(formatOf("linear", 9).has_value());
}

TEST(TensorFormatTest, EveryFieldCounts) {
    const TensorFormat base = blockedFormat(4, {{1, 16}});
    TensorFormat other = base;
    other.blocks[0].size = 8;
    EXPECT_FALSE(equal(base, other));
    other = base;
    other.tail_zero = 1;
    EXPECT_FALSE(equal(base, other));
    other = base;
    other.outer_pitch = 64;
    EXPECT_FALSE(equal(base, other));
    EXPECT_FALSE(isLinear(base));
    EXPECT_TRUE(isLinear(linearFormat(3)));
    EXPECT_FALSE(isLinear(opaque()));
}

TEST(TensorFormatTest, Bytes) {
    const int64_t dims[] = {2, 17, 3, 5};
    EXPECT_EQ(bytesOf(linearFormat(4), DataType::kF32, dims), 2 * 17 * 3 * 5 * 4);
    EXPECT_EQ(bytesOf(blockedFormat(4, {{1, 16}}), DataType::kF32, dims), 2 * 32 * 3 * 5 * 4);
    TensorFormat pitched = linearFormat(4);
    pitched.outer_pitch = 300;
    EXPECT_EQ(bytesOf(pitched, DataType::kF32, dims), 2 * 300 * 4);
    const int64_t odd[] = {3};
    EXPECT_EQ(bytesOf(linearFormat(1), DataType::kI4, odd), 2);
    EXPECT_EQ(bytesOf(linearFormat(0), DataType::kF64, nullptr), 8);
    const int64_t empty[] = {INT64_MAX, 0, INT64_MAX};
    EXPECT_EQ(bytesOf(linearFormat(3), DataType::kF32, empty), 0);
    const int64_t huge[] = {INT64_MAX, 2};
    EXPECT_EQ(bytesOf(linearFormat(2), DataType::kF32, huge), -1);
    const int64_t negative[] = {-1};
    EXPECT_EQ(bytesOf(linearFormat(1), DataType::kF32, negative), -1);
    EXPECT_EQ(bytesOf(opaque(), DataType::kF32, dims), 4096);
}

TEST(TensorFormatTest, OffsetsAreABijection) {
    const int64_t dims[] = {2, 5, 3};
    for (const TensorFormat& format : {linearFormat(3), channelsLastFormat(3), permutedFormat({2, 0, 1}),
                                       blockedFormat(3, {{1, 2}, {2, 2}, {1, 2}})}) {
        std::set<int64_t> seen;
        for (int64_t a = 0; a < dims[0]; ++a) {
            for (int64_t b = 0; b < dims[1]; ++b) {
                for (int64_t c = 0; c < dims[2]; ++c) {
                    const int64_t at[] = {a, b, c};
                    const int64_t offset = offsetOf(format, dims, at);
                    EXPECT_LT(offset * 4, bytesOf(format, DataType::kF32, dims));
                    EXPECT_TRUE(seen.insert(offset).second);
                }
            }
        }
    }
    const int64_t at[] = {1, 3, 2};
    EXPECT_EQ(offsetOf(linearFormat(3), dims, at), 1 * 15 + 3 * 3 + 2);
    EXPECT_EQ(offsetOf(channelsLastFormat(3), dims, at), 1 * 15 + 2 * 5 + 3);
    // Outer extents 2, 2 (of 5 by 4), 3; then the four.
    EXPECT_EQ(offsetOf(blockedFormat(3, {{1, 4}}), dims, at), ((1 * 2 + 0) * 3 + 2) * 4 + 3);
}

TEST(TensorFormatTest, WhatIsNotWellFormedIsNoticed) {
    TensorFormat format = linearFormat(3);
    format.order[2] = 1;
    EXPECT_FALSE(isWellFormed(format));
    format = linearFormat(3);
    format.rank = 9;
    EXPECT_FALSE(isWellFormed(format));
    format = blockedFormat(3, {{1, 0}});
    EXPECT_FALSE(isWellFormed(format));
    format = linearFormat(3);
    std::memset(format.opaque_provider, 'x', sizeof(format.opaque_provider));
    EXPECT_FALSE(isWellFormed(format));
}

} // namespace
} // namespace tenon::ir
