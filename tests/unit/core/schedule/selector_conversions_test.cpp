#include "core/schedule/selector_conversions.h"
#include "tests/unit/core/schedule/selector_networks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace tenon::schedule::testing {
namespace {

std::vector<double> randomMatrix(Random& random, int32_t formats, double missing) {
    std::vector<double> matrix;
    for (int32_t i = 0; i < formats * formats; ++i) {
        matrix.push_back(random.chance(missing) ? kUnreachable : 1.0 + random.unit());
    }
    return matrix;
}

TEST(SelectorConversions, ClosesOverChains) {
    const double inf = kUnreachable;
    const std::vector<double> closed = closeConversions(3, {9, 1, 5, inf, 9, 1, inf, inf, 9});
    EXPECT_EQ(closed, (std::vector<double>{0, 1, 2, inf, 0, 1, inf, inf, 0}));
}

TEST(SelectorConversions, EnumeratesSetsByNumberOfMembers) {
    const std::vector<double> closed = closeConversions(4, std::vector<double>(16, 1.0));
    const FormatSets sets = enumerateFormatSets(4, closed, {0, 2, 3}, 2, 100);
    EXPECT_EQ(sets.masks, (std::vector<uint64_t>{0, 1, 2, 4, 3, 5, 6}));
    EXPECT_FALSE(sets.truncated);
    EXPECT_EQ(sets.cost(sets.find(6), 2), 1.0); // formats 2 and 3 from 2
    EXPECT_EQ(sets.cost(sets.find(6), 0), 2.0);
    EXPECT_TRUE(enumerateFormatSets(4, closed, {0, 2, 3}, 3, 7).truncated);
}

// The recurrence against the definition: the cheapest tree over some superset of the targets is a cheapest tree.
TEST(SelectorConversions, SteinerCostsMatchMinimumOverSteppingStones) {
    Random random(3);
    for (int32_t round = 0; round < 60; ++round) {
        const int32_t formats = 2 + random.below(4);
        const std::vector<double> direct = randomMatrix(random, formats, 0.3);
        const std::vector<double> closed = closeConversions(formats, direct);
        std::vector<int32_t> all;
        for (int32_t f = 0; f < formats; ++f) {
            all.push_back(f);
        }
        const FormatSets sets = enumerateFormatSets(formats, closed, all, formats, 1'000);
        for (int32_t root = 0; root < formats; ++root) {
            for (size_t set = 0; set < sets.masks.size(); ++set) {
                std::vector<int32_t> targets;
                for (int32_t f = 0; f < formats; ++f) {
                    if ((sets.masks[set] >> f & 1) != 0) {
                        targets.push_back(f);
                    }
                }
                const double cost = sets.cost(static_cast<int32_t>(set), root);
                const ConversionTree tree = planConversions(formats, direct, closed, root, targets);
                if (cost == kUnreachable) {
                    EXPECT_EQ(tree.cost, kUnreachable);
                    continue;
                }
                EXPECT_NEAR(tree.cost, cost, 1e-12);
                // No single conversion less would do, and each is made from what is there.
                std::vector<int32_t> made = {root};
                double sum = 0.0;
                for (const FormatConversion& step : tree.conversions) {
                    EXPECT_NE(std::find(made.begin(), made.end(), step.from), made.end());
                    EXPECT_EQ(step.cost, direct[static_cast<size_t>(step.from * formats + step.to)]);
                    made.push_back(step.to);
                    sum += step.cost;
                }
                EXPECT_NEAR(sum, cost, 1e-12);
                for (int32_t target : targets) {
                    EXPECT_NE(std::find(made.begin(), made.end(), target), made.end());
                }
                // Monotone in the set: what the star encoding relies on.
                for (int32_t f = 0; f < formats; ++f) {
                    const int32_t larger = sets.find(sets.masks[set] | uint64_t{1} << f);
                    EXPECT_GE(sets.cost(larger, root), cost - 1e-12);
                }
            }
        }
    }
}

TEST(SelectorConversions, AttachesManyTargetsOneByOne) {
    const int32_t formats = 14;
    std::vector<double> direct(static_cast<size_t>(formats * formats), 3.0);
    for (int32_t f = 0; f + 1 < formats; ++f) {
        direct[static_cast<size_t>(f * formats + f + 1)] = 1.0;
    }
    std::vector<int32_t> targets;
    for (int32_t f = 1; f < formats; ++f) {
        targets.push_back(f);
    }
    const ConversionTree tree = planConversions(formats, direct, closeConversions(formats, direct), 0, targets);
    EXPECT_FALSE(tree.exact);
    EXPECT_DOUBLE_EQ(tree.cost, 13.0);
    EXPECT_EQ(tree.formats.size(), 14u);
}

} // namespace
} // namespace tenon::schedule::testing
