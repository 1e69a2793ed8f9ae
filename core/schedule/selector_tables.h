// Sparse cost tables over integer variables, and the two operations that variable elimination needs: join and minimise.
//
// Who uses it: the selector's encoding, elimination and bound.
// What it must not know: what a variable or a value means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon::schedule {

/// Rows that are possible, with their cost; a row that is absent is impossible. Rows are distinct.
struct CostTable {
    std::vector<int32_t> vars;  ///< ascending
    std::vector<int32_t> cells; ///< rows x vars, row-major
    std::vector<double> costs;  ///< one per row

    size_t rows() const { return costs.size(); }
    const int32_t* row(size_t index) const { return cells.data() + index * vars.size(); }
    int32_t columnOf(int32_t var) const; ///< -1 if absent
};

/// Minimise constant + the sum of all tables over all assignments.
struct CostNetwork {
    std::vector<int32_t> domains; ///< values of variable x are 0 .. domains[x]-1
    std::vector<CostTable> tables;
    double constant = 0.0;
};

enum class JoinOutcome { kDone, kTooLarge };

struct JoinLimits {
    int64_t maxRows = 0;
    int64_t maxPairs = 0;
};

/// a + b on the rows that agree. If `drop` is a variable (not -1), it is minimised out on the fly, so that the full
/// join never exists. `bits[x]` is enough bits for any value of x. Adds the pairs formed to `pairs`.
JoinOutcome joinTables(const CostTable& a, const CostTable& b, int32_t drop, const std::vector<int32_t>& bits,
                       const JoinLimits& limits, CostTable& out, int64_t& pairs);

/// Minimises `drop` out of one table.
CostTable dropVariable(const CostTable& table, int32_t drop, const std::vector<int32_t>& bits);

/// Per row, an exact code of its cells in all columns but `without` (-1: all columns).
std::vector<uint64_t> rowKeys(const CostTable& table, int32_t without, const std::vector<int32_t>& bits);

/// Removes the rows with keep[i] == 0, in place.
void keepRows(CostTable& table, const std::vector<uint8_t>& keep);

/// Row indices grouped by equal key: groups in order of first appearance, rows ascending inside a group.
struct RowGroups {
    std::vector<int32_t> rows;
    std::vector<int32_t> starts; ///< one more than there are groups
    size_t count() const { return starts.empty() ? 0 : starts.size() - 1; }
};
RowGroups groupRows(const std::vector<uint64_t>& keys);

int32_t bitsFor(int32_t domain);

} // namespace tenon::schedule
