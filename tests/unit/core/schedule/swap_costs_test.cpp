#include "core/schedule/swap_costs.h"

#include "core/schedule/selector.h"
#include "tests/unit/core/schedule/selector_networks.h"

#include <gtest/gtest.h>

#include <map>

namespace tenon::schedule {
namespace {

// x -> a -> y -> b -> z, where every value has the formats 0 and 1, and a conversion either way costs 5.
class SwapCosts : public ::testing::Test {
protected:
    SwapCosts() {
        problem.nodeCount = 2;
        for (int i = 0; i < 3; ++i) {
            SelectionValue value;
            value.producer = i - 1;
            value.formatCount = 2;
            value.conversionCosts = {0, 5, 5, 0};
            if (i < 2) {
                value.uses = {{i, 0}};
            }
            problem.values.push_back(value);
        }
        problem.values[0].inputFormats = {{0, 0.0}};
        problem.values[2].graphOutput = true;
        problem.values[2].outputFormats = {0};
        for (int32_t node = 0; node < 2; ++node) {
            problem.regions.push_back({node, {node}, {}});
        }
    }
    void offer(int32_t node, double cost, int32_t in, int32_t out) {
        problem.regions[static_cast<size_t>(node)].candidates.push_back(
            {mNext++, cost, {{node, in}}, {{node + 1, out}}});
    }
    std::vector<SwapCost> swaps() {
        auto selection = solve(problem, {});
        EXPECT_TRUE(selection.ok());
        return swapCosts(problem, *selection);
    }

    SelectionProblem problem;

private:
    int32_t mNext = 0;
};

TEST_F(SwapCosts, AFasterCandidateTakesConversionsOnBothSides) {
    offer(0, 10, 0, 0);
    offer(0, 4, 1, 1);
    offer(1, 10, 0, 0);
    const std::vector<SwapCost> found = swaps();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].region, 0);
    EXPECT_EQ(found[0].candidate, 1);
    EXPECT_EQ(found[0].cost, 10);
    ASSERT_EQ(found[0].conversions.size(), 2U);
    EXPECT_EQ(found[0].conversions[0].value, 0);
    EXPECT_EQ(found[0].conversions[0].to, 1);
    EXPECT_EQ(found[0].conversions[1].value, 1);
    EXPECT_EQ(found[0].conversions[1].to, 0);
}

TEST_F(SwapCosts, ConversionsThatAreThereAreNotPaidAgain) {
    // The second runs in format 1, so y is converted; the first could write it there itself, but wants x in format 1.
    offer(0, 10, 0, 0);
    offer(0, 9.5, 1, 1);
    offer(1, 1, 1, 0);
    offer(1, 20, 0, 0);
    problem.values[0].conversionCosts = {0, 6, 6, 0};
    const std::vector<SwapCost> found = swaps();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].cost, 1) << "6 for x, less 5 for y";
    ASSERT_EQ(found[0].conversions.size(), 1U);
    EXPECT_EQ(found[0].conversions[0].value, 0);
}

TEST_F(SwapCosts, LayoutsThatNothingMakes) {
    offer(0, 10, 0, 0);
    offer(0, 1, 1, 0);
    offer(1, 10, 0, 0);
    problem.values[0].conversionCosts = {0, kUnreachable, kUnreachable, 0};
    const std::vector<SwapCost> found = swaps();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].cost, kUnreachable);
    EXPECT_TRUE(found[0].conversions.empty());
}

// In the best of all plans no swap pays.
TEST(SwapCostsOfNetworks, ExplainWhatTheSolverChose) {
    for (const SelectionProblem& problem : {testing::resNet50(), testing::uNet(), testing::denseNet(2, 16)}) {
        const auto selection = solve(problem);
        ASSERT_TRUE(selection.ok() && selection->proven);
        std::map<int32_t, double> costs; // by candidate
        for (const SelectionRegion& region : problem.regions) {
            for (const SelectionCandidate& candidate : region.candidates) {
                costs[candidate.id] = candidate.cost;
            }
        }
        std::map<int32_t, int32_t> chosen;
        for (const ChosenCandidate& each : selection->chosen) {
            chosen[each.region] = each.candidate;
        }
        const std::vector<SwapCost> swaps = swapCosts(problem, *selection);
        EXPECT_FALSE(swaps.empty());
        for (const SwapCost& swap : swaps) {
            EXPECT_GE(costs.at(swap.candidate) + swap.cost, costs.at(chosen.at(swap.region)) - 1e-9);
        }
    }
}

} // namespace
} // namespace tenon::schedule
