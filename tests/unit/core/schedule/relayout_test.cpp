#include "core/schedule/relayout.h"

#include "core/schedule/tensor_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace tenon::schedule {
namespace {

PortLayout port(ir::DataType type, const ir::TensorFormat& format) {
    return {static_cast<TnDataType>(type), TN_PLACEMENT_HOST, format};
}

uint16_t halfAt(const ir::ConstantPtr& from, int64_t at) {
    uint16_t bits = 0;
    std::memcpy(&bits, from->data + 2 * at, sizeof bits);
    return bits;
}

TEST(Relayout, PutsChannelsLastAndNarrows) {
    const ir::ConstantPtr x = ir::makeConstantF32({1, 2, 1, 3}, {1, 2, 3, 4, 5, 6});
    const PortLayout linear = port(ir::DataType::kF32, ir::linearFormat(4));
    const PortLayout last = port(ir::DataType::kF16, ir::channelsLastFormat(4));
    ASSERT_TRUE(canRelayout(linear, last));
    const auto made = relayout(x, linear, last);
    ASSERT_TRUE(made.ok());
    EXPECT_EQ((*made)->bytes, 12);
    EXPECT_EQ(halfAt(*made, 0), 0x3c00); // 1, then its neighbour among the channels, 4
    EXPECT_EQ(halfAt(*made, 1), 0x4400);
    EXPECT_EQ(halfAt(*made, 2), 0x4000);
    const auto back = relayout(*made, last, linear);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(std::memcmp((*back)->data, x->data, 24), 0);
}

TEST(Relayout, FillsBlocksWithZeros) {
    const ir::ConstantPtr x = ir::makeConstantF32({1, 3, 2}, {1, 2, 3, 4, 5, 6});
    const PortLayout linear = port(ir::DataType::kF32, ir::linearFormat(3));
    const PortLayout blocked = port(ir::DataType::kF32, ir::blockedFormat(3, {{1, 4}}));
    const auto made = relayout(x, linear, blocked);
    ASSERT_TRUE(made.ok());
    const float expected[] = {1, 3, 5, 0, 2, 4, 6, 0};
    EXPECT_EQ((*made)->bytes, 32);
    EXPECT_EQ(std::memcmp((*made)->data, expected, 32), 0);
}

// Whatever the order of work among threads, the same bytes as one element at a time.
TEST(Relayout, AgreesWithTheLayoutsOffsetsOnMuch) {
    const std::vector<int64_t> dims{3, 17, 150, 211};
    const ir::ConstantPtr x = makeTestData(ir::DataType::kI32, dims, 7);
    const PortLayout linear = port(ir::DataType::kI32, ir::linearFormat(4));
    PortLayout target = port(ir::DataType::kI32, ir::blockedFormat(4, {{1, 8}}));
    const auto made = relayout(x, linear, target);
    ASSERT_TRUE(made.ok());
    std::vector<int64_t> at(4, 0);
    for (int64_t i = 0; i < x->elements(); ++i) {
        int64_t rest = i;
        for (size_t d = 4; d-- > 0;) {
            at[d] = rest % dims[d];
            rest /= dims[d];
        }
        const int64_t offset = ir::offsetOf(target.format, dims.data(), at.data());
        ASSERT_EQ(std::memcmp(x->data + 4 * i, (*made)->data + 4 * offset, 4), 0) << i;
    }
}

TEST(Relayout, KnowsWhatItCannotDo) {
    const PortLayout linear = port(ir::DataType::kF32, ir::linearFormat(2));
    EXPECT_FALSE(canRelayout(linear, port(ir::DataType::kI32, ir::linearFormat(2))));
    EXPECT_FALSE(canRelayout(linear, port(ir::DataType::kF32, ir::linearFormat(3))));
    EXPECT_FALSE(
        canRelayout(port(ir::DataType::kI4, ir::linearFormat(2)), port(ir::DataType::kI4, ir::linearFormat(2))));
    PortLayout secret = linear;
    std::strcpy(secret.format.opaque_provider, "library");
    EXPECT_FALSE(canRelayout(linear, secret));
    EXPECT_TRUE(canRelayout(port(ir::DataType::kBF16, ir::linearFormat(2)), linear));
}

TEST(TestData, RepeatsWithAPeriodThatNoRowHas) {
    constexpr int64_t kPeriod = 1'048'583;
    const ir::ConstantPtr x = makeTestData(ir::DataType::kF32, {3 * kPeriod / 2}, 1);
    EXPECT_EQ(x->numberAt(0), x->numberAt(kPeriod));
    EXPECT_EQ(x->numberAt(kPeriod / 2 - 1), x->numberAt(3 * kPeriod / 2 - 1));
    EXPECT_NE(x->numberAt(0), x->numberAt(kPeriod - 1));
}

TEST(Comparison, FindsTheFirstOfManyPieces) {
    const int64_t count = 3'000'000;
    const ir::ConstantPtr expected = makeTestData(ir::DataType::kF32, {count}, 1);
    std::vector<float> values(count);
    std::memcpy(values.data(), expected->data, values.size() * sizeof(float));
    EXPECT_EQ(compare(*ir::makeConstantF32({count}, values), *expected, 0, 0).mismatched, 0);
    values[2'500'000] += 1;
    values[1'234'567] = NAN;
    const Difference found = compare(*ir::makeConstantF32({count}, values), *expected, 1e-3, 1e-5);
    EXPECT_EQ(found.mismatched, 2);
    EXPECT_EQ(found.firstIndex, 1'234'567);
    EXPECT_EQ(found.maxAbs, INFINITY);
}

} // namespace
} // namespace tenon::schedule
