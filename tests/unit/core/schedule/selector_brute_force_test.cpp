#include "core/schedule/selector.h"
#include "core/schedule/selector_assembly.h"
#include "core/schedule/selector_exact.h"
#include "core/schedule/selector_greedy.h"
#include "tests/unit/core/schedule/selector_oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon::schedule::testing {
namespace {

struct Tally {
    int32_t solved = 0;
    int32_t infeasible = 0;
    int32_t withCycles = 0;
    int32_t mostRounds = 0;
};

bool sameCost(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(1.0, std::abs(b)); }

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
        EXPECT_TRUE(sameCost(selection.totalCost, expected))
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
    EXPECT_GE(tally.solved, 900);
}

TEST(SelectorBruteForce, AgreesWhereContractionMakesCycles) {
    Tally tally;
    compareWithBruteForce(70'001, 150, {.maxNodes = 7, .maxFormats = 2, .cyclic = true}, tally);
    compareWithBruteForce(80'001, 150, {.maxFormats = 2, .integerCosts = true, .noGoods = true, .cyclic = true}, tally);
    std::printf("cyclic graphs: %d solved, %d infeasible, %d needed cycle no-goods, at most %d rounds\n", tally.solved,
                tally.infeasible, tally.withCycles, tally.mostRounds);
    EXPECT_GE(tally.withCycles, 20);
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

// Every path through the exact stage: both encodings, all orders, known and guessed limits.
TEST(SelectorBruteForce, AllAttemptsFindTheSameOptimum) {
    for (uint64_t seed = 90'001; seed < 90'151; ++seed) {
        const SelectionProblem problem = randomProblem(seed, {});
        const double expected = bruteForceCost(problem);
        const auto prepared = prepareSelection(problem);
        ASSERT_TRUE(prepared.ok());
        if (expected == kUnreachable) {
            continue;
        }
        for (const SharingEncoding sharing : {SharingEncoding::kStar, SharingEncoding::kChain}) {
            EncodingOptions encoding;
            encoding.sharing = sharing;
            const EncodedProblem encoded = encodeSelection(prepared.value(), {}, encoding);
            const ReducedNetwork plain = reduceNetwork(encoded.network, false);
            const ReducedNetwork dominated = reduceNetwork(encoded.network, true);
            CostBound bound(plain.compact.network, variablePositions(prepared.value(), encoded));
            bound.sweep(20);
            bound.even(2);
            const ReducedNetwork pruned = bound.within(std::max(expected, bound.value()) + 1e-9);
            for (const EliminationOrder order : {EliminationOrder::kJoinRows, EliminationOrder::kWeightedDegree,
                                                 EliminationOrder::kFill, EliminationOrder::kDegree}) {
                EliminationOptions options;
                options.order = order;
                options.maxRows = 100'000;
                for (const ReducedNetwork* network : {&plain, &dominated, &pruned}) {
                    ASSERT_TRUE(network->feasible);
                    EliminationResult result = eliminate(network->compact.network, options);
                    ASSERT_EQ(result.outcome, EliminationOutcome::kSolved) << "seed " << seed;
                    if (bound.value() > expected + 1e-6) {
                        ADD_FAILURE() << "seed " << seed << ": bound " << bound.value() << " above " << expected;
                    }
                    // Contracted cycles are not forbidden here: the relaxed optimum may be lower.
                    EXPECT_LE(result.cost, expected + 1e-9 * std::max(1.0, expected)) << "seed " << seed;
                    const EliminationResult first = eliminate(plain.compact.network, {.maxRows = 100'000});
                    EXPECT_TRUE(sameCost(result.cost, first.cost)) << "seed " << seed;
                    for (size_t x = 0; x < result.assignment.size(); ++x) {
                        const size_t value = static_cast<size_t>(result.assignment[x]);
                        const int32_t inPlain = network->compact.valueOf[x][value];
                        result.assignment[x] =
                            network == &pruned ? plain.compact.valueOf[x][static_cast<size_t>(inPlain)] : inPlain;
                    }
                    const Assembly assembly = assembleSelection(
                        prepared.value(), decodeChoices(prepared.value(), encoded, result.assignment));
                    ASSERT_TRUE(assembly.feasible) << "seed " << seed;
                    EXPECT_TRUE(sameCost(assembly.selection.totalCost, result.cost))
                        << "seed " << seed << ": the plan costs " << assembly.selection.totalCost << ", the tables say "
                        << result.cost;
                }
            }
        }
    }
}

TEST(SelectorBruteForce, FallbackPlansAreValidAndNotBelowTheOptimum) {
    int32_t found = 0;
    int32_t optimal = 0;
    for (uint64_t seed = 100'001; seed < 100'201; ++seed) {
        const SelectionProblem problem =
            randomProblem(seed, {.maxNodes = 7, .noGoods = seed % 2 == 0, .cyclic = seed % 3 == 0});
        const double expected = bruteForceCost(problem);
        SelectionOptions options;
        options.rowBudgets.clear();
        const auto result = solve(problem, options);
        if (expected == kUnreachable) {
            EXPECT_FALSE(result.ok()) << "seed " << seed;
            continue;
        }
        if (!result.ok()) {
            continue; // the greedy cover may miss a plan that no-goods leave
        }
        ++found;
        EXPECT_EQ(checkSelection(problem, result.value()), "") << "seed " << seed;
        EXPECT_GE(result.value().totalCost, expected - 1e-9 * std::max(1.0, expected)) << "seed " << seed;
        EXPECT_LE(result.value().statistics.lowerBound, expected + 1e-6) << "seed " << seed;
        EXPECT_EQ(result.value().statistics.method, SelectionMethod::kFallback) << "seed " << seed;
        if (result.value().proven) {
            EXPECT_TRUE(sameCost(result.value().totalCost, expected)) << "seed " << seed;
        }
        optimal += sameCost(result.value().totalCost, expected) ? 1 : 0;
    }
    std::printf("fallback on small graphs: %d plans, %d of them optimal\n", found, optimal);
    EXPECT_GE(found, 150);
}

} // namespace
} // namespace tenon::schedule::testing
