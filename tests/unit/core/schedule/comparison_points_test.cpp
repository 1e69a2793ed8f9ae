#include "core/schedule/comparison_points.h"

#include "core/ir/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// A task whose profile is the box that the text gives its symbols.
std::shared_ptr<Task> taskOf(std::string_view text) {
    support::Result<std::unique_ptr<ir::Graph>> graph = ir::parseGraph(text);
    EXPECT_TRUE(graph.ok()) << graph.status().toString();
    ir::SymbolBox box;
    for (const ir::Symbol& symbol : (*graph)->pool().symbols()) {
        box.bounds.push_back(symbol.bounds);
        box.opt.push_back(symbol.opt);
    }
    auto task = Task::create(std::move(*graph), {}, box, uint64_t{1} << TN_F32);
    EXPECT_TRUE(task.ok()) << task.status().toString();
    return *task;
}

// "minimum [1,4]", in order.
std::vector<std::string> namesOf(const std::vector<ComparisonPoint>& points) {
    std::vector<std::string> names;
    for (const ComparisonPoint& point : points) {
        names.push_back(point.extents.empty() ? point.name : point.name + " " + point.extents);
    }
    return names;
}

using Names = std::vector<std::string>;

TEST(ComparisonPoints, StaticExtentsHaveNoEnds) {
    const auto task = taskOf(R"(graph @g(%x: f32[8,4]) { %y = unary.neg(%x) : f32[8,4] return %y })");
    EXPECT_EQ(namesOf(comparisonPoints(*task)), Names{"optimum"});
    const auto pinned = taskOf(R"(graph @g(%x: f32[N,4]) where N in [8..8] opt 8 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,4] return %y })");
    EXPECT_EQ(namesOf(comparisonPoints(*pinned)), Names{"optimum"});
}

TEST(ComparisonPoints, AreTheProfilesEndsAndItsOptimum) {
    const auto task = taskOf(R"(graph @g(%x: f32[N,4]) where N in [0..64] opt 8 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,4] return %y })");
    const std::vector<ComparisonPoint> points = comparisonPoints(*task);
    EXPECT_EQ(namesOf(points), (Names{"minimum [1,4]", "optimum [8,4]", "maximum [64,4]"}))
        << "there is nothing to compare in an empty tensor";
    for (const ComparisonPoint& point : points) {
        EXPECT_THAT(point.obstacle, IsEmpty());
    }
    EXPECT_EQ(points[2].elements, 2 * 64 * 4);
    EXPECT_EQ(points[2].prefix(), "at the maximum, [64,4]: ");
    const auto none = taskOf(R"(graph @g(%x: f32[N,4]) where N in [0..0] opt 0 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,4] return %y })");
    EXPECT_EQ(namesOf(comparisonPoints(*none)), Names{"optimum"}) << "there is nothing but the empty one";
    const auto least = taskOf(R"(graph @g(%x: f32[N,4]) where N in [1..8] opt 1 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,4] return %y })");
    EXPECT_EQ(namesOf(comparisonPoints(*least)), (Names{"optimum [1,4]", "maximum [8,4]"}));
}

TEST(ComparisonPoints, CountWhatKernelsAreToldBesidesExtents) {
    const auto task = taskOf(R"(graph @g(%x: f32[8], %n: i64[1]) where E in [0..4] opt 2 from element %n 0 {
        %y = slice(%x) {axes=[0], sizes=dims[4], starts=dims[E], steps=dims[1]} : f32[4] return %y })");
    const std::vector<ComparisonPoint> points = comparisonPoints(*task);
    ASSERT_EQ(points.size(), 3U) << "the extents are the same, where the slice begins is not";
    EXPECT_EQ(points[0].symbolValues[0], 0) << "an element, unlike an extent, may well be 0";
    EXPECT_EQ(points[2].symbolValues[0], 4);
}

TEST(ComparisonPoints, LeaveOutWhatIsTooLarge) {
    const auto huge = taskOf(R"(graph @g(%x: f32[N,1024]) where N in [1..1000000] opt 8 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,1024] return %y })");
    std::vector<ComparisonPoint> points = comparisonPoints(*huge);
    ASSERT_EQ(points.size(), 3U);
    EXPECT_THAT(points[0].obstacle + points[1].obstacle, IsEmpty());
    EXPECT_THAT(points[2].obstacle, HasSubstr("its result has 1024000000 elements"));
    const auto uncountable = taskOf(R"(graph @g(%x: f32[N,M]) where N in [1..] opt 8 from dim %x 0,
        M in [1..9000000000000000000] opt 8 from dim %x 1 { %y = unary.neg(%x) : f32[N,M] return %y })");
    EXPECT_THAT(comparisonPoints(*uncountable)[2].obstacle, HasSubstr("more elements than can be counted"));
    // Large at its best, too: then the least is what is compared.
    const auto large = taskOf(R"(graph @g(%x: f32[N,1024]) where N in [1..1000000] opt 100000 from dim %x 0 {
        %y = unary.neg(%x) : f32[N,1024] return %y })");
    points = comparisonPoints(*large);
    EXPECT_THAT(points[0].obstacle, IsEmpty());
    EXPECT_THAT(points[1].obstacle, HasSubstr("its result has"));
    const auto only = taskOf(R"(graph @g(%x: f32[100000,1024]) { %y = unary.neg(%x) : f32[100000,1024] return %y })");
    EXPECT_THAT(comparisonPoints(*only)[0].obstacle, IsEmpty()) << "there is no smaller one";
    const auto reads = taskOf(R"(graph @g(%x: f32[N,1024]) where N in [1..1000000] opt 8 from dim %x 0 {
        %y = reduce.sum(%x) {axes=[1], keep_dims=0} : f32[N] return %y })");
    EXPECT_THAT(comparisonPoints(*reads)[2].obstacle, HasSubstr("its tensors have 1025000000 elements"));
}

TEST(ComparisonPoints, LeaveOutWhatNoTensorIsLike) {
    const auto task = taskOf(R"(graph @g(%x: f32[N]) where N in [1..8] opt 4 from dim %x 0 {
        %y = slice(%x) {axes=[0], sizes=dims[N-2], starts=dims[2], steps=dims[1]} : f32[N-2] return %y })");
    const std::vector<ComparisonPoint> points = comparisonPoints(*task);
    ASSERT_EQ(points.size(), 3U);
    EXPECT_THAT(points[0].obstacle, HasSubstr("extents [-1]"));
    EXPECT_THAT(points[2].obstacle, IsEmpty());
}

// Names of their own have a range each: ends of one need not go with ends of another.
TEST(ComparisonPoints, OperandsMayNotFitAtAnEnd) {
    const ops::OpRegistry& ops = ops::OpRegistry::builtin();
    const auto task = taskOf(R"(graph @g(%x: f32[N,4], %w: f32[M,4]) where N in [1..8] opt 4 from dim %x 0,
        M in [1..6] opt 4 from dim %w 0 { %y = binary.add(%x, %w) : f32[max(N,M),4] return %y })");
    const std::vector<ComparisonPoint> points = comparisonPoints(*task);
    ASSERT_EQ(points.size(), 3U);
    EXPECT_EQ(misfitAt(*task, ops, points[0]), "");
    EXPECT_EQ(misfitAt(*task, ops, points[1]), "");
    EXPECT_THAT(misfitAt(*task, ops, points[2]), HasSubstr("the operands do not fit each other"));
    const auto reshaped = taskOf(R"(graph @g(%x: f32[N,4], %n: i64[1]) where N in [1..8] opt 4 from dim %x 0,
        S in [1..16] opt 16 from element %n 0 { %y = reshape(%x) {shape=dims[S]} : f32[S] return %y })");
    EXPECT_EQ(misfitAt(*reshaped, ops, comparisonPoints(*reshaped)[1]), "");
    EXPECT_THAT(misfitAt(*reshaped, ops, comparisonPoints(*reshaped)[0]), HasSubstr("do not fit each other"));
}

} // namespace
} // namespace tenon::schedule
