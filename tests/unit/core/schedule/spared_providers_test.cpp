#include "core/schedule/spared_providers.h"

#include <gtest/gtest.h>

#include <map>

namespace tenon::schedule {
namespace {

using Spared = std::set<int32_t>;

// What all steps take without these providers; absent: nothing can be selected.
using Costs = std::map<Spared, double>;

// What whole runs take with all and without some; absent: they cannot be run.
using Runs = std::map<Spared, RunTimes>;

std::vector<ProviderGain> spare(const std::vector<ProviderShare>& shares, double us, const Costs& costs,
                                const Runs& runs) {
    const auto find = [](const auto& known, const Spared& spared) {
        const auto found = known.find(spared);
        return found == known.end() ? std::nullopt : std::optional(found->second);
    };
    return spareProviders(shares, us,
                          {[&](const Spared& spared) { return find(costs, spared); },
                           [&](const Spared& spared) { return find(runs, spared); }});
}

std::vector<ProviderGain> spare(const std::vector<ProviderShare>& shares, double us, const Costs& costs) {
    return spare(shares, us, costs, {});
}

TEST(SparedProvidersTest, OneThatGainsLittleIsLeftOut) {
    const auto gains = spare({{0, 95}, {1, 5}}, 100, {{{1}, 104.9}});
    ASSERT_EQ(gains.size(), 1U);
    EXPECT_EQ(gains[0].provider, 1);
    EXPECT_TRUE(gains[0].isSpared);
    EXPECT_EQ(gains[0].withUs, 100);
    EXPECT_EQ(gains[0].withoutUs, 104.9);
}

TEST(SparedProvidersTest, OneThatGainsEnoughStays) {
    const auto gains = spare({{0, 95}, {1, 5}}, 100, {{{1}, 105}});
    ASSERT_EQ(gains.size(), 1U);
    EXPECT_FALSE(gains[0].isSpared);
}

TEST(SparedProvidersTest, WholeRunsDecideAboutOneThatGainsEnoughByItsSteps) {
    const Costs costs = {{{1}, 116}};
    auto gains = spare({{0, 95}, {1, 5}}, 100, costs, {{{1}, {200, 209}}});
    ASSERT_EQ(gains.size(), 1U);
    EXPECT_TRUE(gains[0].isSpared);
    EXPECT_EQ(textOf(gains[0], "one"), "'one' is left out: whole runs take 200.0 us with it and 209.0 without; a "
                                       "module that is opened has to gain 5 %. A list for --backend "
                                       "(setTacticProviders) that names it keeps it");
    gains = spare({{0, 95}, {1, 5}}, 100, costs, {{{1}, {200, 211}}});
    EXPECT_FALSE(gains[0].isSpared);
    EXPECT_EQ(
        textOf(gains[0], "one"),
        "'one' is kept: whole runs take 200.0 us with it and 211.0 without; a module that is opened has to gain 5 %");
}

TEST(SparedProvidersTest, WhereStepsLeaveNoDoubtNothingIsRun) {
    EXPECT_FALSE(spare({{0, 95}, {1, 5}}, 100, {{{1}, 104}}, {{{1}, {200, 400}}})[0].runs);
    EXPECT_FALSE(spare({{0, 95}, {1, 5}}, 100, {{{1}, 150}}, {{{1}, {200, 200}}})[0].runs);
}

TEST(SparedProvidersTest, DoubtIsAboutWhatIsLeft) {
    const auto gains =
        spare({{0, 80}, {1, 5}, {2, 15}}, 100, {{{1}, 145}, {{1, 2}, 151}}, {{{1}, {200, 201}}, {{1, 2}, {200, 202}}});
    ASSERT_GE(gains.size(), 2U);
    EXPECT_TRUE(gains[0].isSpared);
    EXPECT_TRUE(gains[1].runs) << "4 % of 145 are no plain gain";
    EXPECT_TRUE(gains[1].isSpared);
}

TEST(SparedProvidersTest, WhatNobodyElseComputesStays) { EXPECT_TRUE(spare({{0, 95}, {1, 5}}, 100, {}).empty()); }

TEST(SparedProvidersTest, WhoDoesMuchMayGainLittle) {
    const auto gains = spare({{0, 20}, {1, 80}}, 100, {{{0}, 120}, {{1}, 100.5}});
    ASSERT_EQ(gains.size(), 2U);
    EXPECT_FALSE(gains[0].isSpared);
    EXPECT_TRUE(gains[1].isSpared);
}

TEST(SparedProvidersTest, TheBoundIsForAllTogetherAndTheSmallestShareComesFirst) {
    const auto gains = spare({{0, 80}, {1, 15}, {2, 5}}, 100, {{{2}, 102}, {{1, 2}, 106}, {{1}, 101}});
    ASSERT_EQ(gains.size(), 2U);
    EXPECT_EQ(gains[0].provider, 2);
    EXPECT_TRUE(gains[0].isSpared);
    EXPECT_EQ(gains[1].provider, 1);
    EXPECT_FALSE(gains[1].isSpared); // it would be alone
    EXPECT_EQ(gains[1].withUs, 102);
}

TEST(SparedProvidersTest, WhoOpensLibrariesComesFirst) {
    const auto gains = spare({{0, 2}, {1, 98, 1}}, 100, {{{0}, 100}, {{1}, 102}});
    ASSERT_EQ(gains.size(), 1U); // without both there is nobody
    EXPECT_EQ(gains[0].provider, 1);
    EXPECT_TRUE(gains[0].isSpared);
}

TEST(SparedProvidersTest, ANoteSaysWhoAndWhy) {
    EXPECT_EQ(textOf({7, 200, 202, true}, "onednn"),
              "'onednn' is left out: by their times all steps take 200.0 us with it and 202.0 without; a module that "
              "is opened "
              "has to gain 5 %. A list for --backend (setTacticProviders) that names it keeps it");
    EXPECT_NE(textOf({7, 200, 220, false}, "onednn").find("'onednn' is kept: "), std::string::npos);
}

} // namespace
} // namespace tenon::schedule
