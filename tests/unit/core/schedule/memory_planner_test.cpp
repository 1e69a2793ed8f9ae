#include "core/schedule/memory_planner.h"

#include <gtest/gtest.h>

#include <random>

namespace tenon::schedule {
namespace {

MemoryPlan planned(const std::vector<BufferLifetime>& buffers) {
    support::Result<MemoryPlan> plan = planMemory(buffers);
    EXPECT_TRUE(plan.ok()) << plan.status().toString();
    support::Status checked = checkMemoryPlan(buffers, *plan);
    EXPECT_TRUE(checked.ok()) << checked.toString();
    return *plan;
}

TEST(MemoryPlanner, ReusesMemoryOfDeadBuffers) {
    MemoryPlan plan = planned({{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}});
    EXPECT_EQ(plan.arenaBytes, 2 * 1024);
    EXPECT_EQ(plan.lowerBound, 2 * 1024);
}

TEST(MemoryPlanner, NeedsNothingForNothing) {
    EXPECT_EQ(planned({}).arenaBytes, 0);
    EXPECT_EQ(planned({{0, 0, 5}, {0, 2, 3}}).arenaBytes, 0);
}

TEST(MemoryPlanner, IsValidAndNearTheBoundOnRandomLifetimes) {
    std::mt19937 random(7);
    double worst = 1;
    double sum = 0;
    for (int round = 0; round < 200; ++round) {
        std::vector<BufferLifetime> buffers;
        int count = 1 + static_cast<int>(random() % 60);
        for (int i = 0; i < count; ++i) {
            int first = static_cast<int>(random() % 50);
            buffers.push_back({static_cast<int64_t>(random() % 100000), first, first + static_cast<int>(random() % 8)});
        }
        MemoryPlan plan = planned(buffers);
        ASSERT_GE(plan.arenaBytes, plan.lowerBound);
        const double overBound =
            static_cast<double>(plan.arenaBytes) / static_cast<double>(std::max<int64_t>(plan.lowerBound, 1));
        worst = std::max(worst, overBound);
        sum += overBound;
    }
    EXPECT_LT(worst, 1.1);
    EXPECT_LT(sum / 200, 1.006);
}

TEST(MemoryPlanner, KeepsClustersTogether) {
    // A part that begins late leaves its room to others until then.
    MemoryPlan plan = planned({{1024, 0, 5, 3, 0}, {1024, 4, 5, 3, 1024}, {1024, 1, 2}});
    EXPECT_EQ(plan.offsets[1] - plan.offsets[0], 1024);
    EXPECT_EQ(plan.arenaBytes, 2048);
    EXPECT_FALSE(planMemory({{64, 0, 1, 0, 0}, {64, 0, 1, 0, 32}}).ok());
    std::mt19937 random(11);
    for (int round = 0; round < 100; ++round) {
        std::vector<BufferLifetime> buffers;
        for (int cluster = 0; cluster < 12; ++cluster) {
            int64_t within = 0;
            for (int part = 1 + static_cast<int>(random() % 4); part > 0; --part) {
                const int first = static_cast<int>(random() % 30);
                buffers.push_back({static_cast<int64_t>(random() % 5000), first, first + static_cast<int>(random() % 9),
                                   cluster, within});
                within += (buffers.back().bytes + 63) / 64 * 64;
            }
        }
        ASSERT_GE(planned(buffers).arenaBytes, planned(buffers).lowerBound);
    }
}

TEST(MemoryPlanner, RefusesWhatCannotBe) {
    EXPECT_FALSE(planMemory({{-1, 0, 0}}).ok());
    EXPECT_FALSE(planMemory({{8, 3, 2}}).ok());
    EXPECT_EQ(planMemory({{INT64_MAX / 2, 0, 0}, {INT64_MAX / 2, 0, 0}, {INT64_MAX / 2, 1, 1}}).code(),
              support::Code::kOutOfMemory);
}

TEST(MemoryPlanner, ARowStaysARow) {
    // The second of the row has a hole of its size lower down, which it must not take.
    std::vector<BufferLifetime> buffers = {{1000, 0, 2}, {100, 1, 3},  {100, 1, 3},
                                           {100, 1, 2},  {1024, 0, 0}, {128, 3, 4}};
    ASSERT_TRUE(placeInRow(buffers, {1, 2, 3}, 7));
    const MemoryPlan plan = planned(buffers);
    EXPECT_EQ(plan.offsets[2] - plan.offsets[1], 128);
    EXPECT_EQ(plan.offsets[3] - plan.offsets[2], 128);
}

TEST(MemoryPlanner, ARowIsOfOneSizeAndOfNoOtherCluster) {
    std::vector<BufferLifetime> buffers = {{100, 0, 2}, {101, 0, 2}, {100, 0, 1, 3, 0}, {100, 0, 1}};
    EXPECT_FALSE(placeInRow(buffers, {0, 1}, 5));
    EXPECT_FALSE(placeInRow(buffers, {0, 2}, 5));
    EXPECT_FALSE(placeInRow(buffers, {0, 3, 0}, 5));
    EXPECT_EQ(buffers[0].cluster, -1);
    EXPECT_EQ(buffers[3].cluster, -1);
}

TEST(MemoryPlanChecker, FindsOverlapAndOverrun) {
    std::vector<BufferLifetime> buffers = {{100, 0, 1}, {100, 1, 2}};
    MemoryPlan overlapping{{0, 64}, 192, 0};
    EXPECT_FALSE(checkMemoryPlan(buffers, overlapping).ok());
    MemoryPlan short_{{0, 128}, 200, 0};
    EXPECT_FALSE(checkMemoryPlan(buffers, short_).ok());
    MemoryPlan misaligned{{0, 129}, 512, 0};
    EXPECT_FALSE(checkMemoryPlan(buffers, misaligned).ok());
    MemoryPlan good{{0, 128}, 256, 0};
    EXPECT_TRUE(checkMemoryPlan(buffers, good).ok());
}

} // namespace
} // namespace tenon::schedule
