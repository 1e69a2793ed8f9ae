#include "core/schedule/selector_reduction.h"
#include "core/schedule/selector_tables.h"
#include "tests/unit/core/schedule/selector_networks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace tenon::schedule::testing {
namespace {

using Rows = std::map<std::vector<int32_t>, double>;

Rows rowsOf(const CostTable& table) {
    Rows rows;
    for (size_t r = 0; r < table.rows(); ++r) {
        const int32_t* row = table.row(r);
        EXPECT_TRUE(rows.emplace(std::vector<int32_t>(row, row + table.vars.size()), table.costs[r]).second)
            << "row " << r << " is there twice";
    }
    return rows;
}

CostTable randomTable(Random& random, const std::vector<int32_t>& vars, int32_t domain, int32_t rows) {
    Rows content;
    for (int32_t i = 0; i < rows; ++i) {
        std::vector<int32_t> row;
        for (size_t c = 0; c < vars.size(); ++c) {
            row.push_back(random.below(domain));
        }
        content[row] = random.unit();
    }
    CostTable table;
    table.vars = vars;
    for (const auto& [row, cost] : content) {
        table.cells.insert(table.cells.end(), row.begin(), row.end());
        table.costs.push_back(cost);
    }
    return table;
}

Rows joinByDefinition(const CostTable& a, const CostTable& b, int32_t drop) {
    Rows rows;
    for (size_t i = 0; i < a.rows(); ++i) {
        for (size_t j = 0; j < b.rows(); ++j) {
            std::map<int32_t, int32_t> assignment;
            bool agree = true;
            for (size_t c = 0; c < a.vars.size(); ++c) {
                assignment[a.vars[c]] = a.row(i)[c];
            }
            for (size_t c = 0; c < b.vars.size(); ++c) {
                agree = agree && assignment.emplace(b.vars[c], b.row(j)[c]).first->second == b.row(j)[c];
            }
            if (!agree) {
                continue;
            }
            std::vector<int32_t> row;
            for (const auto& [var, value] : assignment) {
                if (var != drop) {
                    row.push_back(value);
                }
            }
            const double cost = a.costs[i] + b.costs[j];
            const auto [it, isNew] = rows.emplace(row, cost);
            it->second = std::min(it->second, cost);
        }
    }
    return rows;
}

TEST(SelectorTables, JoinsByDefinition) {
    Random random(1);
    const std::vector<std::vector<int32_t>> scopes = {{0}, {1}, {0, 2}, {1, 2, 5}, {0, 1, 2}, {3, 4}, {0, 2, 4, 5}};
    const std::vector<int32_t> bits(6, bitsFor(4));
    const JoinLimits limits{1'000'000, 1'000'000};
    for (const std::vector<int32_t>& one : scopes) {
        for (const std::vector<int32_t>& other : scopes) {
            const CostTable a = randomTable(random, one, 4, 20);
            const CostTable b = randomTable(random, other, 4, 20);
            for (int32_t drop = -1; drop < 6; ++drop) {
                if (drop >= 0 && a.columnOf(drop) < 0 && b.columnOf(drop) < 0) {
                    continue;
                }
                CostTable out;
                int64_t pairs = 0;
                ASSERT_EQ(joinTables(a, b, drop, bits, limits, out, pairs), JoinOutcome::kDone);
                EXPECT_EQ(rowsOf(out), joinByDefinition(a, b, drop));
                EXPECT_TRUE(std::is_sorted(out.vars.begin(), out.vars.end()));
            }
        }
    }
}

TEST(SelectorTables, KeepsRowsApartBeyond64Bits) {
    Random random(2);
    std::vector<int32_t> one;
    std::vector<int32_t> other;
    for (int32_t var = 0; var < 14; ++var) {
        (var < 9 ? one : other).push_back(var);
        if (var == 7 || var == 8) {
            other.push_back(var);
        }
    }
    const std::vector<int32_t> bits(14, bitsFor(4'000));
    for (const int32_t domain : {2, 4'000}) {
        const CostTable a = randomTable(random, one, domain, 60);
        CostTable b = randomTable(random, other, domain, 60);
        for (size_t r = 0; r < b.rows(); ++r) { // make some agree
            b.cells[r * b.vars.size()] = a.row(r % a.rows())[7];
            b.cells[r * b.vars.size() + 1] = a.row(r % a.rows())[8];
        }
        CostTable out;
        int64_t pairs = 0;
        ASSERT_EQ(joinTables(a, b, 8, bits, {100'000, 100'000}, out, pairs), JoinOutcome::kDone);
        EXPECT_EQ(rowsOf(out), joinByDefinition(a, b, 8));
        EXPECT_GT(out.rows(), 0u);
        const CostTable dropped = dropVariable(a, 3, bits);
        const CostTable unit{{}, {}, {0.0}};
        EXPECT_EQ(rowsOf(dropped), joinByDefinition(a, unit, 3));
    }
}

TEST(SelectorTables, StopsAtItsLimits) {
    Random random(3);
    const CostTable a = randomTable(random, {0}, 50, 200);
    const CostTable b = randomTable(random, {1}, 50, 200);
    const std::vector<int32_t> bits(2, bitsFor(50));
    CostTable out;
    int64_t pairs = 0;
    EXPECT_EQ(joinTables(a, b, -1, bits, {100, 1'000'000}, out, pairs), JoinOutcome::kTooLarge);
    EXPECT_EQ(joinTables(a, b, 1, bits, {1'000'000, 100}, out, pairs), JoinOutcome::kTooLarge);
    EXPECT_GT(pairs, 200);
}

TEST(SelectorTables, GroupsInOrderOfAppearance) {
    const RowGroups groups = groupRows({7, 5, 7, 9, 5});
    EXPECT_EQ(groups.rows, (std::vector<int32_t>{0, 2, 1, 4, 3}));
    EXPECT_EQ(groups.starts, (std::vector<int32_t>{0, 2, 4, 5}));
    EXPECT_EQ(groupRows({}).count(), 0u);
}

TEST(SelectorReduction, PropagatesUntilNothingChanges) {
    CostNetwork network;
    network.domains = {3, 3, 3};
    network.tables.push_back({{0}, {0, 1}, {1.0, 2.0}});
    network.tables.push_back({{0, 1}, {0, 1, 1, 2, 2, 0}, {0.0, 0.0, 0.0}});
    network.tables.push_back({{1, 2}, {1, 0, 0, 1, 2, 2}, {0.0, 0.0, 0.0}});
    WorkingNetwork working(network);
    EXPECT_EQ(working.constant(), 1.0);
    ASSERT_TRUE(working.propagateAll());
    EXPECT_EQ(working.alive(2), (std::vector<uint8_t>{1, 0, 1}));
    const CompactNetwork compacted = compact(working);
    EXPECT_EQ(compacted.network.domains, (std::vector<int32_t>{2, 2, 2}));
    EXPECT_EQ(compacted.valueOf[1], (std::vector<int32_t>{1, 2}));

    ASSERT_TRUE(working.restrict(2, {1, 0}));
    EXPECT_EQ(working.aliveCount(0), 1);
    EXPECT_FALSE(working.restrict(0, {0}));
}

TEST(SelectorReduction, DropsRowsThatAnotherCanAlwaysReplace) {
    CostNetwork network;
    network.domains = {2, 2};
    network.tables.push_back({{0}, {0, 1}, {0.0, 5.0}});
    network.tables.push_back({{0, 1}, {0, 0, 0, 1, 1, 0, 1, 1}, {3.0, 1.0, 0.0, 0.0}});
    WorkingNetwork working(network);
    // Value 1 of variable 0 costs 5 more here and saves at most 3 there.
    EXPECT_TRUE(working.dominate(0));
    EXPECT_EQ(working.table(0).rows(), 1u);
    // Where a replacement is impossible, nothing goes.
    network.tables[1] = {{0, 1}, {0, 1, 1, 0, 1, 1}, {1.0, 0.0, 0.0}};
    WorkingNetwork other(network);
    EXPECT_FALSE(other.dominate(0));
}

} // namespace
} // namespace tenon::schedule::testing
