#include "core/schedule/selector.h"
#include "tests/unit/schedule/selector_oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tenon::schedule::testing {
namespace {

struct Tally {
    int32_t solved = 0;
    int32_t infeasible = 0;
    int32_t withCycles = 0;
    int32_t mostRounds = 0;
};

void compareWithBruteForce(uint64_t firstSeed, int32_t count, const RandomProblemOptions& options, Tally& tally) {
    for (int32_t i = 0; i < count; ++i) {
        const uint64_t seed = firstSeed + static_cast<uint64_t>(i);
        const SelectionProblem problem = randomProblem(seed, options);
        const double expected = bruteForceCost(problem);
        const auto result = solve(problem);
        if (expected == kUnreachable) {
            EXPECT_FALSE(result.ok()) << "seed " << seed << ": no plan exists";
            ++tally.infeasible;
            continue;
        }
        ASSERT_TRUE(result.ok()) << "seed " << seed << ": " << result.status().toString();
        const Selection& selection = result.value();
        EXPECT_EQ(checkSelection(problem, selection), "") << "seed " << seed;
        EXPECT_TRUE(selection.proven) << "seed " << seed;
        EXPECT_LE(std::abs(selection.totalCost - expected), 1e-9 * std::max(1.0, std::abs(expected)))
            << "seed " << seed << ": " << selection.totalCost << " instead of " << expected;
        ++tally.solved;
        tally.withCycles += selection.statistics.cycleNoGoods > 0 ? 1 : 0;
        tally.mostRounds = std::max(tally.mostRounds, selection.statistics.rounds);
    }
}

TEST(SelectorBruteForce, AgreesOnRandomGraphs) {
    Tally tally;
    compareWithBruteForce(1, 400, {}, tally);
    compareWithBruteForce(10'001, 200, {.maxNodes = 5, .maxFormats = 4}, tally);
    compareWithBruteForce(20'001, 200, {.maxNodes = 7, .integerCosts = true}, tally);
    compareWithBruteForce(30'001, 200, {.orderEdges = true}, tally);
    std::printf("random graphs: %d solved, %d infeasible, %d needed cycle no-goods, at most %d rounds\n", tally.solved,
                tally.infeasible, tally.withCycles, tally.mostRounds);
    EXPECT_GE(tally.solved, 800);
    EXPECT_GT(tally.withCycles, 0);
}

TEST(SelectorBruteForce, AgreesWithoutSingletonRegions) {
    Tally tally;
    compareWithBruteForce(40'001, 300, {.missingSingles = true}, tally);
    EXPECT_GE(tally.solved, 50);
    EXPECT_GE(tally.infeasible, 50);
}

TEST(SelectorBruteForce, AgreesWithNoGoods) {
    Tally tally;
    compareWithBruteForce(50'001, 200, {.noGoods = true}, tally);
    compareWithBruteForce(60'001, 200, {.integerCosts = true, .noGoods = true}, tally);
    EXPECT_GE(tally.solved, 250);
}

} // namespace
} // namespace tenon::schedule::testing
