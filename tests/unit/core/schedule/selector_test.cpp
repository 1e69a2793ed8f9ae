#include "core/schedule/selector.h"
#include "tests/unit/core/schedule/selector_oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace tenon::schedule::testing {
namespace {

using support::Code;
using ::testing::HasSubstr;

// Problems by hand, in as few words as the test needs. All values have the same formats.
class Sketch {
public:
    explicit Sketch(int32_t formats, double conversion) : mFormats(formats), mConversion(conversion) {}

    int32_t value(int32_t producer, const std::vector<int32_t>& readers, bool output = false) {
        SelectionValue value;
        value.producer = producer;
        value.formatCount = mFormats;
        value.conversionCosts.assign(static_cast<size_t>(mFormats * mFormats), mConversion);
        for (int32_t reader : readers) {
            value.uses.push_back({reader, 0});
            problem.nodeCount = std::max(problem.nodeCount, reader + 1);
        }
        problem.nodeCount = std::max(problem.nodeCount, producer + 1);
        value.graphOutput = output;
        if (producer < 0) {
            value.inputFormats = {{0, 0.0}};
        }
        problem.values.push_back(value);
        return static_cast<int32_t>(problem.values.size()) - 1;
    }

    int32_t region(const std::vector<int32_t>& nodes) {
        problem.regions.push_back({static_cast<int32_t>(problem.regions.size()) + 10, nodes, {}});
        return static_cast<int32_t>(problem.regions.size()) - 1;
    }

    // Returns the candidate's id.
    int32_t candidate(int32_t region, double cost, const std::vector<PortFormat>& in,
                      const std::vector<PortFormat>& out) {
        problem.regions[static_cast<size_t>(region)].candidates.push_back({mNext, cost, in, out});
        return mNext++;
    }

    SelectionProblem problem;

private:
    int32_t mFormats;
    double mConversion;
    int32_t mNext = 100;
};

Selection solved(const SelectionProblem& problem, const SelectionOptions& options = {}) {
    const auto result = solve(problem, options);
    EXPECT_TRUE(result.ok()) << result.status().toString();
    if (!result.ok()) {
        return {};
    }
    EXPECT_EQ(checkSelection(problem, result.value()), "");
    return result.value();
}

std::vector<int32_t> chosenIds(const Selection& selection) {
    std::vector<int32_t> ids;
    for (const ChosenCandidate& chosen : selection.chosen) {
        ids.push_back(chosen.candidate);
    }
    return ids;
}

const MaterialisedValue* materialised(const Selection& selection, int32_t value) {
    for (const MaterialisedValue& entry : selection.values) {
        if (entry.value == value) {
            return &entry;
        }
    }
    return nullptr;
}

// x -> node 0 -> y -> node 1 -> z
struct Pair : Sketch {
    Pair() : Sketch(2, 1.0), x(value(-1, {0})), y(value(0, {1})), z(value(1, {}, true)) {}
    int32_t x;
    int32_t y;
    int32_t z;
};

TEST(Selector, SolvesAnEmptyGraph) {
    const Selection selection = solved({});
    EXPECT_TRUE(selection.proven);
    EXPECT_EQ(selection.totalCost, 0.0);
    EXPECT_TRUE(selection.chosen.empty());
}

TEST(Selector, TakesTheCheapestTacticAndTheSmallerIdOnATie) {
    Sketch sketch(1, 0.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {}, true);
    const int32_t r = sketch.region({0});
    sketch.candidate(r, 3.0, {{x, 0}}, {{y, 0}});
    const int32_t best = sketch.candidate(r, 2.0, {{x, 0}}, {{y, 0}});
    sketch.candidate(r, 2.0, {{x, 0}}, {{y, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_EQ(chosenIds(selection), std::vector<int32_t>{best});
    EXPECT_TRUE(selection.proven);
    EXPECT_EQ(selection.statistics.method, SelectionMethod::kElimination);
    EXPECT_EQ(selection.statistics.lowerBound, selection.totalCost);
}

TEST(Selector, FusesWhenThatIsCheaperAndOnlyThen) {
    for (const double fusedCost : {3.5, 4.5}) {
        Pair sketch;
        const int32_t a = sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
        const int32_t b = sketch.candidate(sketch.region({1}), 2.0, {{sketch.y, 0}}, {{sketch.z, 0}});
        const int32_t ab = sketch.candidate(sketch.region({0, 1}), fusedCost, {{sketch.x, 0}}, {{sketch.z, 0}});
        const Selection selection = solved(sketch.problem);
        if (fusedCost < 4.0) {
            EXPECT_EQ(chosenIds(selection), std::vector<int32_t>{ab});
            EXPECT_EQ(materialised(selection, sketch.y), nullptr);
        } else {
            EXPECT_EQ(chosenIds(selection), (std::vector<int32_t>{a, b}));
        }
    }
}

TEST(Selector, WeighsConversionsAgainstSlowerTactics) {
    Pair sketch;
    const int32_t a = sketch.region({0});
    const int32_t b = sketch.region({1});
    sketch.candidate(a, 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    sketch.candidate(b, 2.0, {{sketch.y, 0}}, {{sketch.z, 0}});
    const int32_t fast = sketch.candidate(b, 0.5, {{sketch.y, 1}}, {{sketch.z, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_EQ(selection.chosen.back().candidate, fast);
    EXPECT_DOUBLE_EQ(selection.totalCost, 3.5);
    ASSERT_NE(materialised(selection, sketch.y), nullptr);
    EXPECT_EQ(materialised(selection, sketch.y)->formats, (std::vector<int32_t>{0, 1}));
}

TEST(Selector, PaysAConversionOnceForAllReaders) {
    Sketch sketch(2, 1.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {1, 2, 3});
    std::vector<int32_t> outputs;
    for (int32_t node = 1; node <= 3; ++node) {
        outputs.push_back(sketch.value(node, {}, true));
    }
    sketch.candidate(sketch.region({0}), 1.0, {{x, 0}}, {{y, 0}});
    for (int32_t node = 1; node <= 3; ++node) {
        const int32_t r = sketch.region({node});
        const int32_t z = outputs[static_cast<size_t>(node) - 1];
        sketch.candidate(r, 1.0, {{y, 0}}, {{z, 0}});
        sketch.candidate(r, 0.6, {{y, 1}}, {{z, 0}}); // worth 0.4 each: three readers pay one conversion
    }
    const Selection selection = solved(sketch.problem);
    EXPECT_NEAR(selection.totalCost, 1.0 + 1.0 + 3 * 0.6, 1e-12);
    EXPECT_EQ(materialised(selection, y)->conversions.size(), 1u);
    EXPECT_EQ(materialised(selection, y)->reads.size(), 3u);
}

TEST(Selector, SharesASteppingStoneBetweenReaders) {
    // 0 -> 1 costs 4; 1 -> 2 and 1 -> 3 cost 1; straight ways cost 5.
    Sketch sketch(4, kUnreachable);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {1, 2});
    const int32_t p = sketch.value(1, {}, true);
    const int32_t q = sketch.value(2, {}, true);
    std::vector<double>& costs = sketch.problem.values[static_cast<size_t>(y)].conversionCosts;
    costs[0 * 4 + 1] = 4.0;
    costs[1 * 4 + 2] = costs[1 * 4 + 3] = 1.0;
    costs[0 * 4 + 2] = costs[0 * 4 + 3] = 5.0;
    sketch.candidate(sketch.region({0}), 1.0, {{x, 0}}, {{y, 0}});
    sketch.candidate(sketch.region({1}), 1.0, {{y, 2}}, {{p, 0}});
    sketch.candidate(sketch.region({2}), 1.0, {{y, 3}}, {{q, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_DOUBLE_EQ(selection.totalCost, 3.0 + 6.0);
    EXPECT_EQ(materialised(selection, y)->formats, (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(Selector, MaterialisesAnInnerValueThatIsReadOutsideToo) {
    Sketch sketch(1, 0.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {1, 2});
    const int32_t p = sketch.value(1, {}, true);
    const int32_t q = sketch.value(2, {}, true);
    sketch.candidate(sketch.region({0}), 9.0, {{x, 0}}, {{y, 0}});
    sketch.candidate(sketch.region({1}), 9.0, {{y, 0}}, {{p, 0}});
    sketch.candidate(sketch.region({2}), 1.0, {{y, 0}}, {{q, 0}});
    sketch.candidate(sketch.region({0, 1}), 2.0, {{x, 0}}, {{y, 0}, {p, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_DOUBLE_EQ(selection.totalCost, 3.0);
    ASSERT_NE(materialised(selection, y), nullptr);
    EXPECT_EQ(materialised(selection, y)->reads.size(), 1u);
}

TEST(Selector, MergesSiblingsWithoutADataEdgeBetweenThem) {
    Sketch sketch(1, 0.0);
    const int32_t x = sketch.value(-1, {0, 1, 2});
    std::vector<PortFormat> all;
    for (int32_t node = 0; node < 3; ++node) {
        const int32_t y = sketch.value(node, {}, true);
        all.push_back({y, 0});
        sketch.candidate(sketch.region({node}), 2.0, {{x, 0}}, {{y, 0}});
    }
    const int32_t merged = sketch.candidate(sketch.region({0, 1, 2}), 4.0, {{x, 0}}, all);
    sketch.candidate(sketch.region({0, 2}), 2.5, {{x, 0}}, {all[0], all[2]});
    EXPECT_EQ(chosenIds(solved(sketch.problem)), std::vector<int32_t>{merged});
}

TEST(Selector, ChoosesTheFormatsOfGraphEnds) {
    Sketch sketch(3, 5.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {}, true);
    sketch.problem.values[static_cast<size_t>(x)].inputFormats = {{0, 0.0}, {2, 1.5}};
    sketch.problem.values[static_cast<size_t>(y)].outputFormats = {1, 2};
    sketch.candidate(sketch.region({0}), 1.0, {{x, 2}}, {{y, 2}});
    const Selection selection = solved(sketch.problem);
    EXPECT_DOUBLE_EQ(selection.totalCost, 2.5);
    EXPECT_EQ(materialised(selection, x)->producedFormat, 2);
    EXPECT_EQ(materialised(selection, y)->outputFormat, 2);
}

TEST(Selector, DoesNotMaterialiseWhatNobodyReads) {
    Sketch sketch(2, 1.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t shape = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {}, true);
    const int32_t unused = sketch.value(0, {});
    sketch.candidate(sketch.region({0}), 1.0, {{x, 0}, {shape, kNotRead}}, {{y, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_EQ(materialised(selection, shape), nullptr);
    EXPECT_EQ(materialised(selection, unused), nullptr);
}

TEST(Selector, AvoidsAPairOfRegionsThatWaitForEachOther) {
    // Chains 0 -> 2 and 1 -> 3; {0,3} and {1,2} are each fine, together a cycle.
    Sketch sketch(1, 0.0);
    const int32_t a = sketch.value(-1, {0});
    const int32_t b = sketch.value(-1, {1});
    const int32_t c = sketch.value(0, {2});
    const int32_t d = sketch.value(1, {3});
    const int32_t e = sketch.value(2, {}, true);
    const int32_t f = sketch.value(3, {}, true);
    sketch.candidate(sketch.region({0}), 2.0, {{a, 0}}, {{c, 0}});
    sketch.candidate(sketch.region({1}), 2.0, {{b, 0}}, {{d, 0}});
    sketch.candidate(sketch.region({2}), 2.0, {{c, 0}}, {{e, 0}});
    sketch.candidate(sketch.region({3}), 2.0, {{d, 0}}, {{f, 0}});
    sketch.candidate(sketch.region({0, 3}), 1.0, {{a, 0}, {d, 0}}, {{c, 0}, {f, 0}});
    sketch.candidate(sketch.region({1, 2}), 1.0, {{b, 0}, {c, 0}}, {{d, 0}, {e, 0}});
    Selection selection = solved(sketch.problem);
    EXPECT_DOUBLE_EQ(selection.totalCost, 5.0);
    EXPECT_EQ(selection.statistics.rounds, 2);
    EXPECT_EQ(selection.statistics.cycleNoGoods, 1);
    EXPECT_TRUE(selection.proven);

    // With one round only, a plan that is acyclic by construction stands in.
    SelectionOptions options;
    options.maxRounds = 1;
    selection = solved(sketch.problem, options);
    EXPECT_DOUBLE_EQ(selection.totalCost, 5.0);
    EXPECT_FALSE(selection.proven);
    EXPECT_EQ(selection.statistics.method, SelectionMethod::kFallback);
}

TEST(Selector, CountsOrderEdgesInAcyclicityAndConvexity) {
    Pair sketch;
    sketch.problem.nodeCount = 3;
    const int32_t w = sketch.value(2, {}, true);
    sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    sketch.candidate(sketch.region({1}), 2.0, {{sketch.y, 0}}, {{sketch.z, 0}});
    sketch.candidate(sketch.region({2}), 2.0, {}, {{w, 0}});
    sketch.candidate(sketch.region({0, 2}), 1.0, {{sketch.x, 0}}, {{sketch.y, 0}, {w, 0}});
    EXPECT_DOUBLE_EQ(solved(sketch.problem).totalCost, 3.0);
    sketch.problem.orderEdges = {{1, 2}}; // now {0,2} encloses node 1
    EXPECT_DOUBLE_EQ(solved(sketch.problem).totalCost, 6.0);
}

TEST(Selector, ObeysNoGoodsOfTheCaller) {
    Pair sketch;
    const int32_t a = sketch.region({0});
    const int32_t b = sketch.region({1});
    const int32_t a1 = sketch.candidate(a, 1.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    const int32_t a2 = sketch.candidate(a, 1.3, {{sketch.x, 0}}, {{sketch.y, 0}});
    const int32_t b1 = sketch.candidate(b, 1.0, {{sketch.y, 0}}, {{sketch.z, 0}});
    const int32_t b2 = sketch.candidate(b, 1.5, {{sketch.y, 0}}, {{sketch.z, 0}});
    EXPECT_EQ(chosenIds(solved(sketch.problem)), (std::vector<int32_t>{a1, b1}));
    sketch.problem.noGoods = {{a1, b1}};
    EXPECT_EQ(chosenIds(solved(sketch.problem)), (std::vector<int32_t>{a2, b1}));
    sketch.problem.noGoods = {{b1, a1}, {a2, b1}};
    EXPECT_EQ(chosenIds(solved(sketch.problem)), (std::vector<int32_t>{a1, b2}));
    sketch.problem.noGoods = {{a1}, {b1}};
    EXPECT_EQ(chosenIds(solved(sketch.problem)), (std::vector<int32_t>{a2, b2}));
    sketch.problem.noGoods = {{a1, a2}}; // can never both be chosen
    EXPECT_EQ(chosenIds(solved(sketch.problem)), (std::vector<int32_t>{a1, b1}));
    sketch.problem.noGoods = {{a1}, {a2, b1}, {a2, b2}};
    const auto impossible = solve(sketch.problem);
    ASSERT_FALSE(impossible.ok());
    EXPECT_EQ(impossible.code(), Code::kBuildFailed);
    EXPECT_THAT(impossible.status().message(), HasSubstr("drop a no-good"));
}

TEST(Selector, ForbidsLongCombinations) {
    Sketch sketch(1, 0.0);
    std::vector<int32_t> cheap;
    int32_t value = sketch.value(-1, {0});
    for (int32_t node = 0; node < 10; ++node) {
        const int32_t next =
            sketch.value(node, node < 9 ? std::vector<int32_t>{node + 1} : std::vector<int32_t>{}, node == 9);
        const int32_t r = sketch.region({node});
        cheap.push_back(sketch.candidate(r, 1.0, {{value, 0}}, {{next, 0}}));
        sketch.candidate(r, 2.0 - 0.05 * node, {{value, 0}}, {{next, 0}});
        value = next;
    }
    sketch.problem.noGoods = {cheap};
    const Selection selection = solved(sketch.problem);
    EXPECT_NEAR(selection.totalCost, 9.0 + 1.55, 1e-12);
    EXPECT_TRUE(selection.proven);
}

TEST(Selector, PoolsRegionsOverTheSameNodes) {
    Pair sketch;
    sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    sketch.candidate(sketch.region({1}), 2.0, {{sketch.y, 0}}, {{sketch.z, 0}});
    sketch.candidate(sketch.region({0, 1}), 3.0, {{sketch.x, 0}}, {{sketch.z, 0}});
    const int32_t other = sketch.region({1, 0});
    const int32_t best = sketch.candidate(other, 2.5, {{sketch.x, 0}}, {{sketch.z, 0}});
    const Selection selection = solved(sketch.problem);
    EXPECT_EQ(chosenIds(selection), std::vector<int32_t>{best});
    EXPECT_EQ(selection.chosen.front().region, sketch.problem.regions[static_cast<size_t>(other)].id);
}

TEST(Selector, AnswersAlikeEveryTime) {
    const SelectionProblem problem = randomProblem(77, {.maxNodes = 7, .integerCosts = true});
    const Selection first = solved(problem);
    for (int32_t i = 0; i < 3; ++i) {
        const Selection again = solved(problem);
        EXPECT_EQ(chosenIds(first), chosenIds(again));
        EXPECT_EQ(first.totalCost, again.totalCost);
        EXPECT_EQ(first.statistics.work, again.statistics.work);
    }
}

TEST(Selector, NamesTheNodeThatNothingCovers) {
    Pair sketch;
    sketch.problem.nodeNames = {"conv", "softmax"};
    sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    auto result = solve(sketch.problem);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.code(), Code::kBuildFailed);
    EXPECT_THAT(result.status().message(), HasSubstr("nothing can execute node 1 ('softmax'): no region contains it"));

    sketch.candidate(sketch.region({1}), kUnreachable, {{sketch.y, 0}}, {{sketch.z, 0}});
    result = solve(sketch.problem);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.status().message(), HasSubstr("node 1 ('softmax'): 1 region contains it, but without a usable"));
}

TEST(Selector, NamesTheValueWithoutAFeasibleFormat) {
    Sketch sketch(3, kUnreachable);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {1});
    const int32_t z = sketch.value(1, {}, true);
    sketch.problem.values[static_cast<size_t>(y)].name = "features";
    sketch.problem.nodeNames = {"conv", "relu"};
    sketch.candidate(sketch.region({0}), 2.0, {{x, 0}}, {{y, 0}});
    const int32_t r = sketch.region({1});
    sketch.candidate(r, 2.0, {{y, 1}}, {{z, 0}});
    sketch.candidate(r, 2.0, {{y, 2}}, {{z, 0}});
    auto result = solve(sketch.problem);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.code(), Code::kBuildFailed);
    EXPECT_THAT(result.status().message(),
                HasSubstr("value 1 ('features') has no feasible format: it comes from node 0 ('conv') in format 0, "
                          "node 1 ('relu') reads it in format 1, 2"));

    sketch.candidate(r, 2.0, {{y, 0}}, {{z, 1}});
    sketch.problem.values[static_cast<size_t>(z)].outputFormats = {2};
    result = solve(sketch.problem);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.status().message(), HasSubstr("value 2 has no feasible format"));
    EXPECT_THAT(result.status().message(), HasSubstr("the graph hands it out in format 2"));
}

TEST(Selector, SaysWhereCoversCollide) {
    // Nodes 0, 1, 2 can only be covered in pairs.
    Sketch sketch(1, 0.0);
    const int32_t x = sketch.value(-1, {0});
    const int32_t y = sketch.value(0, {1});
    const int32_t z = sketch.value(1, {2});
    const int32_t w = sketch.value(2, {}, true);
    sketch.candidate(sketch.region({0, 1}), 2.0, {{x, 0}}, {{z, 0}});
    sketch.candidate(sketch.region({1, 2}), 2.0, {{y, 0}}, {{w, 0}});
    const auto result = solve(sketch.problem);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.code(), Code::kBuildFailed);
    EXPECT_THAT(result.status().message(), HasSubstr("covers every node exactly once"));
    EXPECT_THAT(result.status().message(), HasSubstr("ruled out at node"));
}

TEST(Selector, RefusesMalformedProblems) {
    auto expectInvalid = [](const Sketch& sketch, const char* text) {
        const auto result = solve(sketch.problem);
        ASSERT_FALSE(result.ok()) << text;
        EXPECT_EQ(result.code(), Code::kInvalidArgument) << result.status().toString();
        EXPECT_THAT(result.status().message(), HasSubstr(text));
    };
    Pair good;
    good.candidate(good.region({0}), 2.0, {{good.x, 0}}, {{good.y, 0}});
    good.candidate(good.region({1}), 2.0, {{good.y, 0}}, {{good.z, 0}});
    solved(good.problem);

    Pair sketch = good;
    sketch.problem.values[1].producer = 1;
    expectInvalid(sketch, "value 1: producer 1 does not come before its consumer 1");
    sketch = good;
    sketch.problem.values[1].conversionCosts.pop_back();
    expectInvalid(sketch, "value 1: conversion matrix has 3 entries, expected 4");
    sketch = good;
    sketch.problem.values[1].conversionCosts[1] = -1.0;
    expectInvalid(sketch, "is negative or not a number");
    sketch = good;
    sketch.problem.values[0].inputFormats.clear();
    expectInvalid(sketch, "value 0: is a graph input that is used but may arrive in no format");
    sketch = good;
    sketch.problem.regions[1].id = sketch.problem.regions[0].id;
    expectInvalid(sketch, "region id 10 is used twice");
    sketch = good;
    sketch.problem.regions[1].candidates[0].id = 100;
    expectInvalid(sketch, "candidate id 100 is used twice");
    sketch = good;
    sketch.problem.regions[1].candidates[0].inputs.clear();
    expectInvalid(sketch, "candidate 101 of region 11: gives no format for its input value 1");
    sketch = good;
    sketch.problem.regions[1].candidates[0].outputs[0].format = 2;
    expectInvalid(sketch, "format 2 of its output value 2 is not one of its 2 formats");
    sketch = good;
    sketch.problem.regions[1].candidates[0].inputs.push_back({0, 0});
    expectInvalid(sketch, "names input value 0, which the region does not read from outside");
    sketch = good;
    sketch.problem.regions[1].candidates[0].cost = std::numeric_limits<double>::quiet_NaN();
    expectInvalid(sketch, "cost is not a number");
    sketch = good;
    sketch.problem.regions[1].nodes = {7};
    expectInvalid(sketch, "region 11: has no nodes, or one outside 0 to 1");
    sketch = good;
    sketch.problem.noGoods = {{100, 999}};
    expectInvalid(sketch, "a no-good names candidate 999");
    sketch = good;
    sketch.problem.noGoods = {{}};
    expectInvalid(sketch, "an empty no-good forbids every plan");
    sketch = good;
    sketch.problem.orderEdges = {{1, 0}};
    expectInvalid(sketch, "order edge 1 -> 0 does not follow the topological numbering");
}

TEST(Selector, StopsWhenCancelled) {
    Pair sketch;
    sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 0}});
    sketch.candidate(sketch.region({0}), 2.0, {{sketch.x, 0}}, {{sketch.y, 1}});
    const int32_t b = sketch.region({1});
    sketch.candidate(b, 2.0, {{sketch.y, 0}}, {{sketch.z, 0}});
    sketch.candidate(b, 2.0, {{sketch.y, 1}}, {{sketch.z, 1}});
    SelectionOptions options;
    options.cancelled = [] { return true; };
    const auto result = solve(sketch.problem, options);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.code(), Code::kCancelled);
}

} // namespace
} // namespace tenon::schedule::testing
