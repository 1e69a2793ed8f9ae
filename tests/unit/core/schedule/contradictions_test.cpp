#include "core/schedule/contradictions.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

using Groups = std::vector<std::vector<int32_t>>;

// A convolution (node 0), what is added to it (1) and an activation (2): tasks 0 to 2, and fused ones.
std::vector<TimedRegion> chain(double pair, double all) {
    return {{{0}, 0, 100}, {{1}, 1, 10}, {{2}, 2, 10}, {{0, 1}, 3, pair}, {{0, 1, 2}, 4, all}};
}

TEST(ContradictionsTest, FusionsThatAreFasterThanTheirPartsAreBelieved) {
    EXPECT_EQ(contradictingTasks(chain(105, 110)), Groups{});
}

TEST(ContradictionsTest, OneThatIsSlowerIsTimedAgainWithAllThatHaveItsSlowestNode) {
    EXPECT_EQ(contradictingTasks(chain(105, 150)), (Groups{{0, 3, 4}}));
    EXPECT_EQ(contradictingTasks(chain(150, 110)), (Groups{{0, 3, 4}}));
}

TEST(ContradictionsTest, OneThatIsSlowerThanASmallerFusionAndTheRestIsDoubtedToo) {
    EXPECT_EQ(contradictingTasks(chain(50, 61)), (Groups{{0, 3, 4}}));
    EXPECT_EQ(contradictingTasks(chain(50, 59)), Groups{});
}

TEST(ContradictionsTest, TheRestMayBeOneRegion) {
    std::vector<TimedRegion> regions = chain(110, 115);
    EXPECT_EQ(contradictingTasks(regions), Groups{});
    regions.push_back({{2, 1}, 5, 12});
    EXPECT_EQ(contradictingTasks(regions), (Groups{{0, 3, 4}}));
}

TEST(ContradictionsTest, WhatNoMomentExplainsIsAPoorKernel) {
    EXPECT_EQ(contradictingTasks(chain(105, 2000)), Groups{});
}

TEST(ContradictionsTest, RegionsThatComputeTheSameAreOneTask) {
    std::vector<TimedRegion> regions = chain(105, 150);
    regions.push_back({{5}, 0, 100});
    regions.push_back({{5, 6}, 3, 105});
    EXPECT_EQ(contradictingTasks(regions), (Groups{{0, 3, 4}}));
}

TEST(ContradictionsTest, NodesWithoutATimeOfTheirOwnSayNothing) {
    EXPECT_EQ(contradictingTasks({{{0}, 0, 100}, {{0, 1}, 1, 300}}), Groups{});
    EXPECT_EQ(contradictingTasks({{{0, 1}, 1, 300}}), Groups{});
    EXPECT_EQ(contradictingTasks({}), Groups{});
}

TEST(ContradictionsTest, OneThatCostsNothingIsAPart) {
    EXPECT_EQ(contradictingTasks({{{0}, 0, 100}, {{1}, 1, 0}, {{0, 1}, 2, 101}}), (Groups{{0, 2}}));
}

TEST(MomentFactorsTest, TimesAreOfTheQuietestMoment) {
    // The second one was timed at a moment in which everything took twice as long, and now everything takes three times as long.
    const std::vector<double> factors = momentFactors({100, 240}, {300, 360});
    EXPECT_DOUBLE_EQ(100 * factors[0], 100);
    EXPECT_DOUBLE_EQ(240 * factors[1], 120);
}

TEST(MomentFactorsTest, AMomentThatIsQuieterThanAllOthersIsTheOne) {
    const std::vector<double> factors = momentFactors({100, 240}, {50, 60});
    EXPECT_DOUBLE_EQ(100 * factors[0], 50);
    EXPECT_DOUBLE_EQ(240 * factors[1], 60);
}

TEST(MomentFactorsTest, WhatCannotBeToldApartIsEqual) {
    const std::vector<double> factors = momentFactors({100, 100, 100}, {102, 100, 110});
    EXPECT_DOUBLE_EQ(factors[0], factors[1]);
    EXPECT_DOUBLE_EQ(factors[2], 1.1 * factors[1]);
}

} // namespace
} // namespace tenon::schedule
