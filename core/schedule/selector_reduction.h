// A cost network under change: exact reductions that keep an optimum.
//
// Who uses it: elimination, bound and fallback of the selector.
// What it must not know: what variables mean, or in which order they go.
#pragma once

#include "core/schedule/selector_tables.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace tenon::schedule {

class WorkingNetwork {
public:
    explicit WorkingNetwork(CostNetwork network);

    size_t variableCount() const { return mAlive.size(); }
    size_t tableCount() const { return mTables.size(); } ///< removed ones included
    const CostTable& table(int32_t id) const { return mTables[static_cast<size_t>(id)].table; }
    bool live(int32_t id) const { return mTables[static_cast<size_t>(id)].live; }
    /// Live tables that hold the variable, ascending.
    const std::vector<int32_t>& tablesOf(int32_t var) const { return mTablesOf[static_cast<size_t>(var)]; }
    const std::vector<int32_t>& bits() const { return mBits; }
    int32_t aliveCount(int32_t var) const { return mAliveCount[static_cast<size_t>(var)]; }
    const std::vector<uint8_t>& alive(int32_t var) const { return mAlive[static_cast<size_t>(var)]; }
    double constant() const { return mConstant; }
    /// The table that lost its last row when propagate() returned false.
    int32_t wipedTable() const { return mWiped; }

    /// Moves the least cost of the table to the constant. The table must have variables and rows.
    int32_t addTable(CostTable table);
    void addConstant(double cost) { mConstant += cost; }
    /// Leaves the table readable (for reconstruction) but out of the network.
    void removeTable(int32_t id);
    void replaceTable(int32_t id, CostTable table);
    /// Removes the rows with keep[i] == 0 and propagates. False: the network has become infeasible.
    bool restrict(int32_t id, const std::vector<uint8_t>& keep);

    /// Arc consistency from these tables on: values without a row in some table go, and with them their rows.
    bool propagate(std::vector<int32_t> queue);
    bool propagateAll();

    /// Drops the rows of a table that another row, equal in all columns but one, can always replace at no higher cost.
    /// Returns whether any went. Exact: some optimum remains.
    bool dominate(int32_t id);

    /// Variables whose tables changed since the last call, ascending.
    std::vector<int32_t> takeTouched();

private:
    struct Entry {
        CostTable table;
        bool live = true;
        // Per column, if computed: for values g, s the largest cost(g) - cost(s) over equal other columns.
        std::vector<std::vector<double>> differences;
        std::vector<uint8_t> differencesKnown;
    };

    void changed(int32_t id);
    void touch(int32_t var);
    bool refine(int32_t id, std::vector<int32_t>& queue, std::vector<uint8_t>& queued);
    const std::vector<double>& differences(int32_t id, size_t column);
    bool dominateColumn(int32_t id, size_t column, std::vector<uint8_t>& keep);

    std::vector<Entry> mTables;
    std::vector<std::vector<int32_t>> mTablesOf;
    std::vector<std::vector<uint8_t>> mAlive;
    std::vector<int32_t> mAliveCount;
    std::vector<int32_t> mBits;
    std::vector<int32_t> mTouched;
    std::vector<uint8_t> mIsTouched;
    double mConstant = 0.0;
    int32_t mWiped = -1;
};

/// The live tables with the values of each variable renumbered without gaps; variables with a single value left are in
/// no table.
struct CompactNetwork {
    CostNetwork network;
    std::vector<std::vector<int32_t>> valueOf; ///< per variable: new value to old value
};
CompactNetwork compact(const WorkingNetwork& working);

} // namespace tenon::schedule
