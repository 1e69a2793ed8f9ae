#include "core/passes/view_map.h"

#include <gtest/gtest.h>

namespace tenon::passes {
namespace {

class ViewMapTest : public ::testing::Test {
protected:
    ir::ExprPool& pool() { return mPool; }
    ir::DimExpr extent(int64_t value) { return mPool.constant(value); }
    ViewMap of(std::vector<ir::DimExpr> dims) {
        return *ViewMap::of(mPool, {ir::ValueKind::kTensor, ir::DataType::kF32, true, std::move(dims)});
    }

private:
    ir::ExprPool mPool;

protected:
    ir::DimExpr n = mPool.symbol({"N", ir::SymbolSource::kInputDim, 0, 0, {1, 8}});
};

TEST_F(ViewMapTest, ExtentsThatAreNotKnownCannotBeFollowed) {
    EXPECT_FALSE(ViewMap::of(pool(), {ir::ValueKind::kTensor, ir::DataType::kF32, true, {n, ir::DimExpr{}}}));
    EXPECT_FALSE(ViewMap::of(pool(), {ir::ValueKind::kTensor, ir::DataType::kF32, false, {}}));
}

TEST_F(ViewMapTest, HeadsBehindRowsOfABatch) {
    ViewMap map = of({extent(5), n, extent(8)});
    ASSERT_TRUE(map.reshape({extent(5), pool().mul(n, extent(2)), extent(4)}));
    ASSERT_TRUE(map.transpose({1, 0, 2}));
    ASSERT_TRUE(map.reshape({n, extent(2), extent(5), extent(4)}));
    const Movement movement = map.movement();
    EXPECT_TRUE(movement.reshapesBefore);
    EXPECT_FALSE(movement.reshapesAfter);
    EXPECT_EQ(movement.before, (std::vector<ir::DimExpr>{extent(5), n, extent(2), extent(4)}));
    EXPECT_EQ(movement.perm, (std::vector<int64_t>{1, 2, 0, 3}));
}

TEST_F(ViewMapTest, BackWhereItWasIsNoMovement) {
    ViewMap map = of({extent(2), n});
    ASSERT_TRUE(map.transpose({1, 0}));
    ASSERT_TRUE(map.reshape({n, extent(1), extent(2)}));
    ASSERT_TRUE(map.transpose({2, 1, 0}));
    ASSERT_TRUE(map.reshape({extent(2), n}));
    EXPECT_EQ(map.movement().nodes(), 0);
}

TEST_F(ViewMapTest, FactorsThatDoNotFit) {
    ViewMap map = of({extent(4), extent(6)});
    ASSERT_TRUE(map.transpose({1, 0}));
    EXPECT_FALSE(map.reshape({extent(8), extent(3)}));
    ViewMap symbols = of({n, extent(6)});
    EXPECT_FALSE(symbols.reshape({extent(6), n})) << "which elements go where depends on N";
}

TEST_F(ViewMapTest, CutsAreToldOfTheSource) {
    ViewMap map = of({n, extent(24)});
    ASSERT_TRUE(map.reshape({n, extent(3), extent(8)}));
    ASSERT_TRUE(map.transpose({1, 0, 2}));
    ASSERT_TRUE(map.cut(0, 2, 1));
    map.dropUnit(0);
    EXPECT_FALSE(map.isCut(0));
    ASSERT_TRUE(map.isCut(1));
    const std::vector<ViewFactor> columns = map.sourceFactors(1);
    ASSERT_EQ(columns.size(), 2U);
    EXPECT_EQ(columns[0].start, 2);
    EXPECT_EQ(columns[0].count, 1);
    EXPECT_EQ(columns[0].total, 3);
    EXPECT_FALSE(columns[1].isCut());
    EXPECT_EQ(map.movement().nodes(), 0) << "what is left of the source is the view";
}

TEST_F(ViewMapTest, ACutInsideAFactorThatIsMergedMustFit) {
    ViewMap map = of({extent(3), extent(8)});
    ASSERT_TRUE(map.reshape({extent(24)}));
    ViewMap other = map;
    EXPECT_TRUE(map.cut(0, 8, 16));
    EXPECT_FALSE(other.cut(0, 4, 8));
}

} // namespace
} // namespace tenon::passes
