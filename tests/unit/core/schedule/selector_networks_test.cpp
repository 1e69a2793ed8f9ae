#include "tests/unit/core/schedule/selector_networks.h"

#include "core/schedule/selector.h"
#include "tests/unit/core/schedule/selector_oracle.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>

// Times count only in builds that users get.
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TENON_TIMES_COUNT 1
#else
#define TENON_TIMES_COUNT 0
#endif

namespace tenon::schedule::testing {
namespace {

// Processor time of this process, so that a busy machine does not fail the test.
double processorMilliseconds() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void expectProven(const char* name, const SelectionProblem& problem, double limitMs) {
    const double before = processorMilliseconds();
    const auto result = solve(problem);
    const double spent = processorMilliseconds() - before;
    ASSERT_TRUE(result.ok()) << result.status().toString();
    const Selection& selection = result.value();
    const SelectionStatistics& statistics = selection.statistics;
    size_t candidates = 0;
    for (const SelectionRegion& region : problem.regions) {
        candidates += region.candidates.size();
    }
    std::printf("%-28s %5d nodes %5zu regions %6zu candidates %5d variables, largest table %6lld rows, %8.1f ms\n",
                name, problem.nodeCount, problem.regions.size(), candidates, statistics.variables,
                static_cast<long long>(statistics.largestTable), spent);
    EXPECT_TRUE(selection.proven);
    EXPECT_EQ(statistics.method, SelectionMethod::kElimination);
    EXPECT_EQ(checkSelection(problem, selection), "");
    if (TENON_TIMES_COUNT) {
        EXPECT_LT(spent, limitMs);
    }
}

TEST(SelectorNetworks, ChainWithAllWindows) { expectProven("chain of 500, windows to 8", chainNetwork(500, 8), 1000); }
TEST(SelectorNetworks, ResNet50) { expectProven("ResNet-50", resNet50(), 1000); }
TEST(SelectorNetworks, Bert12) { expectProven("BERT, 12 layers", bert(12), 2000); }
TEST(SelectorNetworks, Bert12WithoutMask) { expectProven("BERT, 12 layers, no mask", bert(12, 6, false), 2000); }
TEST(SelectorNetworks, FpnPanDetector) { expectProven("FPN+PAN detector", fpnPanDetector(), 1000); }
TEST(SelectorNetworks, UNet) { expectProven("U-Net", uNet(), 1000); }
TEST(SelectorNetworks, Inception) { expectProven("Inception", inception(), 1000); }
TEST(SelectorNetworks, DenseNet) { expectProven("DenseNet 2x16", denseNet(2, 16), 1000); }
TEST(SelectorNetworks, PairedChains) { expectProven("two chains, pairs to 3", pairedChains(20, 3), 1000); }

TEST(SelectorNetworks, GeneratorsAreReproducible) {
    const SelectionProblem one = fpnPanDetector();
    const SelectionProblem other = fpnPanDetector();
    ASSERT_EQ(one.regions.size(), other.regions.size());
    for (size_t r = 0; r < one.regions.size(); ++r) {
        ASSERT_EQ(one.regions[r].candidates.size(), other.regions[r].candidates.size());
        EXPECT_EQ(one.regions[r].candidates.front().cost, other.regions[r].candidates.front().cost);
    }
}

// A graph without a narrow cut and a budget that cannot do: a valid plan all the same, with an honest bound.
TEST(SelectorNetworks, FallsBackPastTheBudget) {
    const SelectionProblem problem = tangledNetwork(30, 2);
    SelectionOptions options;
    options.rowBudgets = {100};
    options.workLimit = 100'000'000;
    const auto result = solve(problem, options);
    ASSERT_TRUE(result.ok()) << result.status().toString();
    const Selection& selection = result.value();
    EXPECT_FALSE(selection.proven);
    EXPECT_EQ(selection.statistics.method, SelectionMethod::kFallback);
    EXPECT_EQ(checkSelection(problem, selection), "");
    EXPECT_LT(selection.statistics.lowerBound, selection.totalCost);
    EXPECT_LT(selection.totalCost, 1.15 * selection.statistics.lowerBound);
    std::printf("%-28s plan %.2f, bound %.2f, %.1f ms\n", "tangled, budget 100", selection.totalCost,
                selection.statistics.lowerBound, selection.statistics.milliseconds);
}

TEST(SelectorNetworks, FallbackFindsTheOptimumOfEasyNetworks) {
    const SelectionProblem problem = resNet50();
    const auto exact = solve(problem);
    SelectionOptions options;
    options.rowBudgets.clear();
    const auto greedy = solve(problem, options);
    ASSERT_TRUE(exact.ok());
    ASSERT_TRUE(greedy.ok());
    EXPECT_EQ(greedy.value().statistics.method, SelectionMethod::kFallback);
    EXPECT_EQ(checkSelection(problem, greedy.value()), "");
    EXPECT_GE(greedy.value().totalCost, exact.value().totalCost - 1e-6);
    EXPECT_LE(greedy.value().totalCost, 1.01 * exact.value().totalCost);
}

// Without any work to spend, the greedy cover itself has to be valid.
TEST(SelectorNetworks, GreedyCoverAloneIsValid) {
    const SelectionProblem problem = pairedChains(12, 3);
    SelectionOptions options;
    options.rowBudgets.clear();
    options.workLimit = 0;
    const auto result = solve(problem, options);
    ASSERT_TRUE(result.ok()) << result.status().toString();
    EXPECT_EQ(checkSelection(problem, result.value()), "");
}

} // namespace
} // namespace tenon::schedule::testing
