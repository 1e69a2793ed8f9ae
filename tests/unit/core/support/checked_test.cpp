#include "core/support/checked.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(Checked, NoticesOverflow) {
    EXPECT_EQ(checkedAdd(kMax - 1, 1), kMax);
    EXPECT_FALSE(checkedAdd(kMax, 1));
    EXPECT_EQ(checkedSub(-kMax, 1), std::numeric_limits<int64_t>::min());
    EXPECT_FALSE(checkedSub(-kMax, 2));
    EXPECT_EQ(checkedMul(int64_t{1} << 31, int64_t{1} << 31), int64_t{1} << 62);
    EXPECT_FALSE(checkedMul(int64_t{1} << 32, int64_t{1} << 31));
}

TEST(Checked, ProductsOfExtents) {
    EXPECT_EQ(checkedProduct({}), 1);
    EXPECT_EQ(checkedProduct(std::array<int64_t, 3>{2, 3, 4}), 24);
    EXPECT_FALSE(checkedProduct(std::array<int64_t, 3>{kMax, 2, 1}));
    // An empty tensor is empty however large its other extents are.
    EXPECT_EQ(checkedProduct(std::array<int64_t, 3>{kMax, kMax, 0}), 0);
}

TEST(Checked, AlignUp) {
    EXPECT_EQ(checkedAlignUp(0, 64), 0);
    EXPECT_EQ(checkedAlignUp(1, 64), 64);
    EXPECT_EQ(checkedAlignUp(64, 64), 64);
    EXPECT_EQ(checkedAlignUp(7, 3), 9);
    EXPECT_FALSE(checkedAlignUp(kMax - 1, 64));
}

} // namespace
} // namespace tenon::support
