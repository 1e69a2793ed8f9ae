#include "core/ir/dim_expr.h"

#include "core/ir/expr_math.h"
#include "core/ir/expr_text.h"
#include "core/support/text.h"

#include <gtest/gtest.h>

#include <random>

namespace tenon::ir {
namespace {

class DimExprTest : public ::testing::Test {
protected:
    DimExpr symbol(const std::string& name, Interval bounds = {INT64_MIN, INT64_MAX},
                   SymbolSource source = SymbolSource::kInputDim) {
        return pool.symbol({name, source, 0, 0, bounds});
    }
    DimExpr c(int64_t value) { return pool.constant(value); }
    std::string text(DimExpr expr) { return pool.toText(expr); }

    ExprPool pool;
    DimExpr n = symbol("N");
    DimExpr h = symbol("H");
    DimExpr w = symbol("W");
};

TEST_F(DimExprTest, EqualExpressionsHaveOneHandle) {
    EXPECT_EQ(pool.add(n, h), pool.add(h, n));
    EXPECT_EQ(pool.mul(pool.mul(n, h), w), pool.mul(w, pool.mul(h, n)));
    EXPECT_EQ(pool.sub(pool.add(n, h), h), n);
    EXPECT_EQ(pool.add(n, n), pool.mul(n, c(2)));
    EXPECT_EQ(pool.mul(pool.add(n, c(1)), c(3)), pool.add(pool.mul(c(3), n), c(3)));
    EXPECT_EQ(pool.mul(pool.add(pool.mul(n, c(2)), c(2)), w), pool.mul(pool.mul(pool.add(n, c(1)), w), c(2)));
    EXPECT_EQ(symbol("N"), n);
    EXPECT_NE(n, h);
}

TEST_F(DimExprTest, TrivialOperationsDisappear) {
    EXPECT_EQ(pool.add(n, c(0)), n);
    EXPECT_EQ(pool.mul(n, c(1)), n);
    EXPECT_EQ(pool.mul(n, c(0)), c(0));
    EXPECT_EQ(pool.sub(n, n), c(0));
    EXPECT_EQ(pool.floorDiv(n, c(1)), n);
    EXPECT_EQ(pool.floorDiv(n, n), c(1));
    EXPECT_EQ(pool.max(n, n), n);
    EXPECT_EQ(pool.max(n, c(0)), n) << "an extent is never negative";
    EXPECT_EQ(pool.min(pool.sub(n, c(1)), n), pool.sub(n, c(1)));
    EXPECT_EQ(pool.binary(ExprOp::kEqual, n, n), c(1));
    EXPECT_EQ(pool.binary(ExprOp::kEqual, n, pool.add(n, c(2))), c(0));
    EXPECT_EQ(pool.binary(ExprOp::kLess, n, pool.add(n, c(2))), c(1));
    EXPECT_EQ(pool.select(c(1), n, h), n);
    EXPECT_EQ(pool.select(c(0), n, h), h);
    EXPECT_EQ(pool.scaled(ExprOp::kScaleFloor, n, 2.0), pool.mul(n, c(2)));
    EXPECT_EQ(pool.scaled(ExprOp::kScaleFloor, c(7), 0.5), c(3));
    EXPECT_EQ(pool.scaled(ExprOp::kScaleRound, c(5), 0.5), c(3)) << "half away from zero";
    EXPECT_EQ(pool.scaled(ExprOp::kScaleFloor, c(10), 0.7f), c(7)) << "the product of f32 numbers is an f32";
}

TEST_F(DimExprTest, DivisionCancels) {
    const DimExpr nhw = pool.product({n, h, w});
    EXPECT_EQ(pool.floorDiv(nhw, h), pool.mul(n, w));
    EXPECT_EQ(pool.floorDiv(pool.mul(nhw, c(12)), pool.mul(n, c(3))), pool.product({h, w, c(4)}));
    EXPECT_EQ(pool.floorDiv(pool.add(pool.mul(n, c(4)), c(8)), c(4)), pool.add(n, c(2)));
    EXPECT_EQ(pool.floorDiv(pool.add(pool.mul(n, c(4)), c(7)), c(4)), pool.add(n, c(1)));
    EXPECT_EQ(pool.floorDiv(pool.floorDiv(n, c(2)), c(3)), pool.floorDiv(n, c(6)));
    EXPECT_EQ(pool.floorDiv(pool.add(pool.floorDiv(n, c(2)), c(1)), c(2)), pool.floorDiv(pool.add(n, c(2)), c(4)));
    EXPECT_EQ(pool.ceilDiv(n, c(2)), pool.floorDiv(pool.add(n, c(1)), c(2)));
    EXPECT_EQ(pool.floorDiv(pool.add(pool.mul(n, c(2)), c(2)), pool.add(n, c(1))), c(2));
    EXPECT_EQ(pool.floorDiv(pool.add(pool.mul(n, h), n), n), pool.add(h, c(1)));
    // A strided convolution and "same" padding agree.
    EXPECT_EQ(pool.add(pool.floorDiv(pool.sub(n, c(1)), c(2)), c(1)), pool.ceilDiv(n, c(2)));
    EXPECT_EQ(pool.binary(ExprOp::kMod, pool.add(pool.mul(n, c(6)), c(7)), c(3)), c(1));
    EXPECT_EQ(pool.floorDiv(n, c(0)), c(0));
    EXPECT_EQ(pool.binary(ExprOp::kMod, n, c(0)), c(0));
}

TEST_F(DimExprTest, BoundsOfSymbolsSimplify) {
    const DimExpr b = symbol("B", {1, 32});
    EXPECT_EQ(pool.max(pool.sub(b, c(1)), c(0)), pool.sub(b, c(1)));
    EXPECT_EQ(pool.min(b, c(32)), b);
    EXPECT_EQ(pool.floorDiv(b, c(33)), c(0));
    EXPECT_EQ(pool.binary(ExprOp::kMod, b, c(33)), b);
    const DimExpr e = symbol("E", {INT64_MIN, INT64_MAX}, SymbolSource::kInputElement);
    EXPECT_NE(pool.max(e, c(0)), e) << "an element may be negative";
}

TEST_F(DimExprTest, UnknownIsContagious) {
    EXPECT_FALSE(pool.add(n, DimExpr{}).valid());
    EXPECT_FALSE(pool.select(DimExpr{}, n, h).valid());
    EXPECT_FALSE(pool.provablyEqual(DimExpr{}, DimExpr{}));
    EXPECT_EQ(pool.bounds(DimExpr{}), (Interval{INT64_MIN, INT64_MAX}));
    EXPECT_EQ(text(DimExpr{}), "?");
}

TEST_F(DimExprTest, AbsurdlyLargeExpressionsAreUnknown) {
    DimExpr expr = n;
    for (int i = 0; i < 64 && expr.valid(); ++i) {
        expr = pool.max(pool.mul(expr, symbol(support::cat("s", i))), pool.floorDiv(expr, c(3)));
    }
    EXPECT_FALSE(expr.valid());
}

TEST_F(DimExprTest, EvaluationSaturates) {
    const DimExpr product = pool.mul(n, h);
    EXPECT_EQ(pool.evaluate(product, {INT64_MAX, 2, 0}), INT64_MAX);
    EXPECT_EQ(pool.evaluate(pool.mul(product, c(-1)), {INT64_MAX, 2, 0}), -INT64_MAX);
    EXPECT_EQ(pool.evaluate(pool.add(n, h), {INT64_MAX, INT64_MAX, 0}), INT64_MAX);
    EXPECT_EQ(pool.evaluate(pool.floorDiv(n, h), {5, 0, 0}), 0);
    EXPECT_EQ(c(INT64_MAX), pool.mul(c(INT64_MAX), c(2)));
}

TEST_F(DimExprTest, ProvablyEqualExpands) {
    const DimExpr left = pool.mul(pool.add(n, h), pool.add(n, h));
    const DimExpr right = pool.add(pool.add(pool.mul(n, n), pool.product({n, h, c(2)})), pool.mul(h, h));
    EXPECT_NE(left, right);
    EXPECT_TRUE(pool.provablyEqual(left, right));
    EXPECT_FALSE(pool.provablyEqual(left, pool.mul(n, n)));
    EXPECT_FALSE(pool.provablyEqual(c(1), c(2)));
}

TEST_F(DimExprTest, NarrowTightensWhatIsBuiltLater) {
    EXPECT_EQ(text(pool.max(n, c(4))), "max(N,4)");
    pool.narrow(*pool.findSymbol("N"), {4, 9}, 5);
    EXPECT_EQ(pool.max(n, c(4)), n);
    EXPECT_EQ(pool.symbols()[0].opt, 5);
    EXPECT_EQ(pool.bounds(pool.mul(n, c(2))), (Interval{8, 18}));
}

TEST_F(DimExprTest, ImportMatchesSymbolsByName) {
    ExprPool other;
    other.symbol({"W", SymbolSource::kInputDim, 1, 2});
    const DimExpr expr = pool.add(
        pool.mul(n, w), pool.select(pool.binary(ExprOp::kLess, n, w), n, pool.scaled(ExprOp::kScaleCeil, w, 0.7)));
    const DimExpr imported = other.importFrom(pool, expr);
    const int32_t size = pool.size();
    EXPECT_EQ(pool.importFrom(other, imported), expr);
    EXPECT_EQ(pool.size(), size);
    EXPECT_EQ(other.symbols().size(), 2u);
}

TEST_F(DimExprTest, Text) {
    EXPECT_EQ(text(pool.add(pool.mul(n, c(12)), c(1))), "N*12+1");
    EXPECT_EQ(text(pool.sub(c(3), n)), "-N+3");
    EXPECT_EQ(text(pool.sub(n, pool.mul(h, c(2)))), "N-H*2");
    EXPECT_EQ(text(pool.mul(pool.add(n, c(1)), h)), "H*(N+1)");
    EXPECT_EQ(text(pool.floorDiv(pool.add(h, c(1)), c(2))), "floordiv(H+1,2)");
    EXPECT_EQ(text(pool.scaled(ExprOp::kScaleFloor, h, 0.1)), "scale_floor(H,0.1)");
    EXPECT_EQ(text(symbol("batch size")), "\"batch size\"");
    EXPECT_EQ(text(pool.sub(n, c(INT64_MIN))), "N+9223372036854775807") << "saturated";
    EXPECT_EQ(text(pool.add(n, c(INT64_MIN))), "N+-9223372036854775808");
}

TEST_F(DimExprTest, DamagedTextIsRefused) {
    for (const char* bad : {"", "N+", "N*", "max(N)", "max(N,1", "Q", "N N", "scale_floor(N)", "max", "1e5"}) {
        EXPECT_FALSE(parseExpr(bad, pool).ok()) << bad;
    }
    const std::string deep(100000, '(');
    EXPECT_FALSE(parseExpr(deep, pool).ok());
    const auto error = parseExpr("N+Q", pool);
    EXPECT_EQ(error.status().message(), "line 1, column 3: the symbol Q is not declared");
}

// Random expressions: construction never changes a value, bounds hold, text and rebuilding give the same handle.
TEST_F(DimExprTest, RandomExpressionsKeepTheirValue) {
    std::mt19937 random(7);
    const auto pick = [&random](int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    const std::vector<int64_t> maxima{9, 5, 7, 6};
    const DimExpr e = symbol("E", {-4, 6}, SymbolSource::kInputElement);
    for (int round = 0; round < 400; ++round) {
        std::vector<DimExpr> exprs{n, h, w, e, c(pick(-6, 6)), c(pick(1, 4))};
        // Values of the unsimplified expressions under several assignments; extents from 1, as divisors are non-zero.
        std::vector<std::vector<int64_t>> points;
        for (int p = 0; p < 6; ++p) {
            points.push_back({pick(1, maxima[0]), pick(1, maxima[1]), pick(1, maxima[2]), pick(-4, maxima[3])});
        }
        std::vector<std::vector<int64_t>> values;
        for (const DimExpr expr : exprs) {
            values.emplace_back();
            for (const auto& point : points) {
                values.back().push_back(pool.evaluate(expr, point));
            }
        }
        for (int step = 0; step < 12; ++step) {
            const auto a = static_cast<size_t>(pick(0, static_cast<int64_t>(exprs.size()) - 1));
            auto b = static_cast<size_t>(pick(0, static_cast<int64_t>(exprs.size()) - 1));
            const auto third = static_cast<size_t>(pick(0, static_cast<int64_t>(exprs.size()) - 1));
            ExprNode node;
            node.op = static_cast<ExprOp>(
                pick(static_cast<int64_t>(ExprOp::kSum), static_cast<int64_t>(ExprOp::kScaleRound)));
            node.scale = static_cast<double>(pick(-4, 12)) / 4;
            const bool divides = node.op == ExprOp::kFloorDiv || node.op == ExprOp::kCeilDiv || node.op == ExprOp::kMod;
            if (divides) {
                b = static_cast<size_t>(pick(0, 5));
                b = b == 3 ? 0 : b; // E may be zero
            }
            const bool scales =
                node.op == ExprOp::kScaleFloor || node.op == ExprOp::kScaleCeil || node.op == ExprOp::kScaleRound;
            const DimExpr made = node.op == ExprOp::kSelect ? pool.select(exprs[a], exprs[b], exprs[third])
                                 : scales                   ? pool.scaled(node.op, exprs[a], node.scale)
                                                            : pool.binary(node.op, exprs[a], exprs[b]);
            if (!made.valid()) {
                continue;
            }
            values.emplace_back();
            SymbolBox box{{{1, 9}, {1, 5}, {1, 7}, {-4, 6}}, {}};
            const Interval range = pool.bounds(made, box);
            for (size_t p = 0; p < points.size(); ++p) {
                const int64_t expected = evaluateNode(node, values[a][p], values[b][p], values[third][p]);
                values.back().push_back(expected);
                if (std::abs(expected) > 1000000000) {
                    continue; // saturation and doubles make reordering visible
                }
                ASSERT_EQ(pool.evaluate(made, points[p]), expected)
                    << "op " << static_cast<int>(node.op) << " of " << text(exprs[a]) << " and " << text(exprs[b])
                    << " gave " << text(made);
                ASSERT_LE(range.min, expected) << text(made);
                ASSERT_GE(range.max, expected) << text(made);
            }
            const auto again = parseExpr(text(made), pool);
            ASSERT_TRUE(again.ok()) << text(made) << ": " << again.status().toString();
            ASSERT_EQ(*again, made) << text(made) << " came back as " << text(*again);
            ASSERT_TRUE(pool.provablyEqual(made, *again));
            exprs.push_back(made);
        }
    }
}

} // namespace
} // namespace tenon::ir
