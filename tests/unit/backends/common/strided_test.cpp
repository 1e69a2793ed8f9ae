#include "backends/common/strided.h"

#include "backends/common/movement.h"

#include <gtest/gtest.h>

namespace tenon::kernels {
namespace {

TEST(Collapse, MergesWhatAllOperandsWalkAsOne) {
    // [2,3,4,5] with a bias along the second dimension.
    const Dims dims{2, 3, 4, 5};
    const StridedLoop loop = collapse(dims, {rowMajorStrides(dims), broadcastStrides({3, 1, 1}, dims)});
    EXPECT_EQ(loop.dims, (Dims{2, 3, 20}));
    EXPECT_EQ(loop.strides[0], (Dims{60, 20, 1}));
    EXPECT_EQ(loop.strides[1], (Dims{0, 1, 0}));
}

TEST(Collapse, LeavesOneDimensionOfNothing) {
    const StridedLoop loop = collapse({}, {{}});
    EXPECT_EQ(loop.dims, (Dims{1}));
    EXPECT_EQ(loop.rows(), 1);
    EXPECT_EQ(collapse({1, 1}, {{1, 1}}).dims, (Dims{1}));
}

TEST(ForRows, StartsInTheMiddle) {
    const Dims dims{2, 3, 4};
    // A transposed picture does not merge.
    const StridedLoop loop = collapse(dims, {rowMajorStrides(dims), {1, 2, 6}});
    std::vector<int64_t> seen;
    forRows<2>(loop, 4, 6, [&](const int64_t* offsets) { seen.insert(seen.end(), {offsets[0], offsets[1]}); });
    EXPECT_EQ(seen, (std::vector<int64_t>{16, 3, 20, 5}));
}

TEST(BroadcastStrides, RefusesWhatDoesNotFit) {
    EXPECT_EQ(broadcastStrides({3, 1}, {2, 3, 4}), (Dims{0, 1, 0}));
    EXPECT_EQ(broadcastStrides({}, {2, 2}), (Dims{0, 0}));
    EXPECT_THROW(broadcastStrides({2}, {3}), Failure);
    EXPECT_THROW(broadcastStrides({1, 3}, {3}), Failure);
}

TEST(Product, DoesNotOverflow) { EXPECT_THROW(product(Dims{int64_t{1} << 40, int64_t{1} << 40}), Failure); }

} // namespace
} // namespace tenon::kernels
