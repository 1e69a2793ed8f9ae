#include "core/schedule/part_views.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

using ir::DataType;

TEST(PartOffset, KnowsWhereElementsAreConsecutive) {
    const ir::TensorFormat linear = ir::linearFormat(4);
    EXPECT_EQ(partOffset(linear, DataType::kF32, {1, 32, 5, 7}, 1, 8, 8), 8 * 5 * 7 * 4);
    EXPECT_EQ(partOffset(linear, DataType::kF16, {4, 32, 5, 7}, 0, 3, 1), 3 * 32 * 5 * 7 * 2);
    EXPECT_EQ(partOffset(linear, DataType::kF32, {1, 1, 5, 7}, 2, 2, 1), 2 * 7 * 4);
    EXPECT_FALSE(partOffset(linear, DataType::kF32, {2, 32, 5, 7}, 1, 8, 8)) << "images lie between the channels";
    EXPECT_FALSE(partOffset(linear, DataType::kF32, {1, 32, 5, 7}, 3, 0, 3));
    EXPECT_FALSE(partOffset(linear, DataType::kU4, {1, 32, 5, 7}, 1, 8, 8));
}

TEST(PartOffset, FollowsTheOrderOfMemory) {
    const ir::TensorFormat last = ir::channelsLastFormat(4);
    EXPECT_FALSE(partOffset(last, DataType::kF32, {1, 32, 5, 7}, 1, 8, 8));
    EXPECT_EQ(partOffset(last, DataType::kF32, {1, 32, 5, 7}, 2, 2, 3), 2 * 7 * 32 * 4);
    EXPECT_EQ(partOffset(last, DataType::kF32, {1, 32, 1, 1}, 1, 8, 8), 8 * 4);
}

TEST(PartOffset, CutsNoBlock) {
    const ir::TensorFormat blocked = ir::blockedFormat(4, {{1, 16}});
    EXPECT_EQ(partOffset(blocked, DataType::kF32, {1, 48, 5, 7}, 1, 16, 16), 16 * 5 * 7 * 4);
    EXPECT_FALSE(partOffset(blocked, DataType::kF32, {1, 48, 5, 7}, 1, 8, 16));
    EXPECT_FALSE(partOffset(blocked, DataType::kF32, {1, 48, 5, 7}, 1, 16, 8)) << "its padding is the neighbour";
    EXPECT_EQ(partOffset(blocked, DataType::kF32, {1, 40, 5, 7}, 1, 32, 8), 32 * 5 * 7 * 4) << "the padding of both";
    EXPECT_FALSE(partOffset(blocked, DataType::kF32, {1, 48, 5, 7}, 2, 1, 2)) << "rows of three blocks";
    EXPECT_EQ(partOffset(blocked, DataType::kF32, {1, 12, 5, 7}, 2, 1, 2), 7 * 16 * 4);
}

TEST(PartOffset, KnowsNothingOfOtherLayouts) {
    ir::TensorFormat pitched = ir::linearFormat(2);
    pitched.outer_pitch = 64;
    EXPECT_FALSE(partOffset(pitched, DataType::kF32, {4, 32}, 0, 1, 1));
    ir::TensorFormat opaque = ir::linearFormat(2);
    opaque.opaque_provider[0] = 'x';
    EXPECT_FALSE(partOffset(opaque, DataType::kF32, {4, 32}, 0, 1, 1));
}

} // namespace
} // namespace tenon::schedule
