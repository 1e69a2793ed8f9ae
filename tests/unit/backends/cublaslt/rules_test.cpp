// Rules and the numbers that name them in timing caches.
#include "backends/cublaslt/rules.h"

#include <gtest/gtest.h>

#include <set>

namespace tenon::cublaslt {
namespace {

TEST(Rules, NumbersAndBack) {
    for (const int64_t m : {1, 128, 4096}) {
        for (const bool tf32 : {false, true}) {
            std::set<uint64_t> ids;
            std::set<std::string> names;
            std::vector<Rule> rules = rulesFor(90, tf32 ? 32 : 16, tf32, m, 768, 3072, 1);
            rules.push_back(rules.back());
            rules.back().stacked = true;
            for (const Rule& rule : rules) {
                Rule read;
                ASSERT_TRUE(ruleOf(idOf(rule), read)) << nameOf(rule);
                EXPECT_EQ(read, rule) << nameOf(rule);
                ids.insert(idOf(rule));
                names.insert(nameOf(rule));
            }
            EXPECT_EQ(ids.size(), rules.size());
            EXPECT_EQ(names.size(), rules.size());
            EXPECT_LE(rules.size(), 40U);
        }
    }
}

// Timing caches have these numbers: another meaning for one of them needs another version of the provider.
TEST(Rules, NumbersStay) {
    Rule rule;
    rule.rank = 3;
    EXPECT_EQ(idOf(rule), 0x300U);
    rule.tf32 = true;
    rule.splitK = 4;
    EXPECT_EQ(idOf(rule), 0x40301U);
    rule = {};
    rule.stacked = true;
    EXPECT_EQ(idOf(rule), 4U);
    rule = {};
    rule.written = true;
    rule.config = {66, 20, 36, 2, 2, 1, 3, 4, 5};
    EXPECT_EQ(idOf(rule), 2U | 66ULL << 8 | 20ULL << 18 | 36ULL << 28 | 2ULL << 35 | 2ULL << 41 | 1ULL << 44 |
                              3ULL << 46 | 4ULL << 52 | 5ULL << 55);
}

TEST(Rules, RefusesOtherNumbers) {
    Rule rule;
    EXPECT_FALSE(ruleOf(0xFF00, rule));    // no such rank
    EXPECT_FALSE(ruleOf(0x1000000, rule)); // bits that mean nothing
    EXPECT_FALSE(ruleOf(2, rule));         // split into no pieces
    EXPECT_FALSE(ruleOf(uint64_t{1} << 63 | 2 | uint64_t{1} << 35, rule));
}

TEST(Rules, SmallProductsSplitK) {
    const auto splits = [](int64_t m, int64_t k) {
        int count = 0;
        for (const Rule& rule : rulesFor(80, 16, false, m, 768, k, 1)) {
            count += rule.splitK > 0 ? 1 : 0;
        }
        return count;
    };
    EXPECT_GT(splits(1, 3072), 0);
    EXPECT_EQ(splits(8192, 3072), 0);
    EXPECT_EQ(splits(1, 64), 0);
}

TEST(Rules, WrittenOnesAreForHopperAndTensorCores) {
    const auto written = [](int64_t sm, int bits, bool tf32) {
        int count = 0;
        for (const Rule& rule : rulesFor(sm, bits, tf32, 1024, 1024, 1024, 1)) {
            count += rule.written ? 1 : 0;
        }
        return count;
    };
    EXPECT_GT(written(90, 16, false), 0);
    EXPECT_GT(written(90, 32, true), 0);
    EXPECT_EQ(written(90, 32, false), 0);
    EXPECT_EQ(written(80, 16, false), 0);
}

} // namespace
} // namespace tenon::cublaslt
