#include "core/schedule/selector_reduction.h"

#include "core/schedule/selection_problem.h"

#include <algorithm>

namespace tenon::schedule {
namespace {

// Dominance pays on small domains; these keep its cost below that of the joins.
constexpr int32_t kMaxDominanceDomain = 32;
constexpr int64_t kMaxDominanceWork = 200'000;
constexpr int64_t kMaxDominanceCells = 1'000'000; // rows x columns, looked at once per column

int64_t pairsInGroups(const RowGroups& groups) {
    int64_t work = 0;
    for (size_t g = 0; g < groups.count(); ++g) {
        const int64_t size = groups.starts[g + 1] - groups.starts[g];
        work += size * size;
    }
    return work;
}

} // namespace

WorkingNetwork::WorkingNetwork(CostNetwork network) : mConstant(network.constant) {
    const size_t count = network.domains.size();
    mTablesOf.resize(count);
    mAlive.resize(count);
    mAliveCount = network.domains;
    mBits.resize(count);
    mIsTouched.assign(count, 0);
    for (size_t x = 0; x < count; ++x) {
        mAlive[x].assign(static_cast<size_t>(network.domains[x]), 1);
        mBits[x] = bitsFor(network.domains[x]);
    }
    mTables.reserve(network.tables.size() * 2);
    for (CostTable& table : network.tables) {
        addTable(std::move(table));
    }
}

void WorkingNetwork::touch(int32_t var) {
    if (mIsTouched[static_cast<size_t>(var)] == 0) {
        mIsTouched[static_cast<size_t>(var)] = 1;
        mTouched.push_back(var);
    }
}

std::vector<int32_t> WorkingNetwork::takeTouched() {
    std::vector<int32_t> result = std::move(mTouched);
    mTouched.clear();
    std::sort(result.begin(), result.end());
    for (int32_t var : result) {
        mIsTouched[static_cast<size_t>(var)] = 0;
    }
    return result;
}

void WorkingNetwork::changed(int32_t id) {
    Entry& entry = mTables[static_cast<size_t>(id)];
    entry.differences.assign(entry.table.vars.size(), {});
    entry.differencesKnown.assign(entry.table.vars.size(), 0);
    for (int32_t var : entry.table.vars) {
        touch(var);
    }
}

int32_t WorkingNetwork::addTable(CostTable table) {
    const int32_t id = static_cast<int32_t>(mTables.size());
    mTables.push_back({});
    for (int32_t var : table.vars) {
        mTablesOf[static_cast<size_t>(var)].push_back(id);
    }
    replaceTable(id, std::move(table));
    return id;
}

void WorkingNetwork::replaceTable(int32_t id, CostTable table) {
    if (!table.costs.empty()) {
        const double least = *std::min_element(table.costs.begin(), table.costs.end());
        if (least != 0.0) {
            for (double& cost : table.costs) {
                cost -= least;
            }
            mConstant += least;
        }
    }
    mTables[static_cast<size_t>(id)].table = std::move(table);
    changed(id);
}

void WorkingNetwork::removeTable(int32_t id) {
    Entry& entry = mTables[static_cast<size_t>(id)];
    entry.live = false;
    for (int32_t var : entry.table.vars) {
        std::erase(mTablesOf[static_cast<size_t>(var)], id);
        touch(var);
    }
    entry.differences.clear();
    entry.differencesKnown.clear();
}

bool WorkingNetwork::restrict(int32_t id, const std::vector<uint8_t>& keep) {
    Entry& entry = mTables[static_cast<size_t>(id)];
    const size_t before = entry.table.rows();
    keepRows(entry.table, keep);
    if (entry.table.rows() == before) {
        return true;
    }
    changed(id);
    return propagate({id});
}

bool WorkingNetwork::propagateAll() {
    std::vector<int32_t> queue;
    for (size_t i = 0; i < mTables.size(); ++i) {
        if (mTables[i].live) {
            queue.push_back(static_cast<int32_t>(i));
        }
    }
    return propagate(std::move(queue));
}

bool WorkingNetwork::propagate(std::vector<int32_t> queue) {
    std::vector<uint8_t> queued(mTables.size(), 0);
    for (int32_t id : queue) {
        queued[static_cast<size_t>(id)] = 1;
    }
    for (size_t i = 0; i < queue.size(); ++i) {
        queued[static_cast<size_t>(queue[i])] = 0;
        if (!refine(queue[i], queue, queued)) {
            mWiped = queue[i];
            return false;
        }
    }
    return true;
}

// Drops rows with dead values, then values without rows.
bool WorkingNetwork::refine(int32_t id, std::vector<int32_t>& queue, std::vector<uint8_t>& queued) {
    CostTable& table = mTables[static_cast<size_t>(id)].table;
    const size_t width = table.vars.size();
    std::vector<uint8_t> keep(table.rows(), 1);
    bool lost = false;
    for (size_t c = 0; c < width; ++c) {
        const size_t var = static_cast<size_t>(table.vars[c]);
        if (mAliveCount[var] == static_cast<int32_t>(mAlive[var].size())) {
            continue;
        }
        const std::vector<uint8_t>& alive = mAlive[var];
        const int32_t* cell = table.cells.data() + c;
        for (size_t r = 0; r < keep.size(); ++r, cell += width) {
            if (alive[static_cast<size_t>(*cell)] == 0) {
                keep[r] = 0;
                lost = true;
            }
        }
    }
    if (lost) {
        keepRows(table, keep);
        changed(id);
    }
    if (table.rows() == 0) {
        return false;
    }
    std::vector<uint8_t> seen;
    for (size_t c = 0; c < width; ++c) {
        const size_t var = static_cast<size_t>(table.vars[c]);
        seen.assign(mAlive[var].size(), 0);
        int32_t supported = 0;
        const int32_t* cell = table.cells.data() + c;
        for (size_t r = 0; r < table.rows(); ++r, cell += width) {
            supported += 1 - seen[static_cast<size_t>(*cell)];
            seen[static_cast<size_t>(*cell)] = 1;
        }
        if (supported == mAliveCount[var]) {
            continue;
        }
        mAlive[var] = seen;
        mAliveCount[var] = supported;
        touch(static_cast<int32_t>(var));
        for (int32_t other : mTablesOf[var]) {
            if (other != id && queued[static_cast<size_t>(other)] == 0) {
                queued[static_cast<size_t>(other)] = 1;
                queue.push_back(other);
            }
        }
    }
    return true;
}

// d x d, row = the value that would stand in, column = the value replaced; kUnreachable where it cannot.
// An empty matrix: too costly to know.
const std::vector<double>& WorkingNetwork::differences(int32_t id, size_t column) {
    Entry& entry = mTables[static_cast<size_t>(id)];
    std::vector<double>& matrix = entry.differences[column];
    if (entry.differencesKnown[column] != 0) {
        return matrix;
    }
    entry.differencesKnown[column] = 1;
    const CostTable& table = entry.table;
    const int32_t var = table.vars[column];
    const size_t domain = mAlive[static_cast<size_t>(var)].size();
    const RowGroups groups = groupRows(rowKeys(table, var, mBits));
    if (pairsInGroups(groups) > kMaxDominanceWork) {
        return matrix;
    }
    matrix.assign(domain * domain, -kUnreachable);
    std::vector<int32_t> occurs(domain, 0);
    std::vector<int32_t> together(domain * domain, 0);
    const size_t width = table.vars.size();
    for (size_t g = 0; g < groups.count(); ++g) {
        for (int32_t i = groups.starts[g]; i < groups.starts[g + 1]; ++i) {
            const size_t rowS = static_cast<size_t>(groups.rows[static_cast<size_t>(i)]);
            const size_t s = static_cast<size_t>(table.cells[rowS * width + column]);
            ++occurs[s];
            for (int32_t j = groups.starts[g]; j < groups.starts[g + 1]; ++j) {
                const size_t rowG = static_cast<size_t>(groups.rows[static_cast<size_t>(j)]);
                const size_t at = static_cast<size_t>(table.cells[rowG * width + column]) * domain + s;
                matrix[at] = std::max(matrix[at], table.costs[rowG] - table.costs[rowS]);
                ++together[at];
            }
        }
    }
    for (size_t by = 0; by < domain; ++by) {
        for (size_t s = 0; s < domain; ++s) {
            if (together[by * domain + s] < occurs[s]) {
                matrix[by * domain + s] = kUnreachable;
            }
        }
    }
    return matrix;
}

bool WorkingNetwork::dominateColumn(int32_t id, size_t column, std::vector<uint8_t>& keep) {
    const CostTable& table = mTables[static_cast<size_t>(id)].table;
    const int32_t var = table.vars[column];
    const size_t domain = mAlive[static_cast<size_t>(var)].size();
    if (mAliveCount[static_cast<size_t>(var)] < 2 || mAliveCount[static_cast<size_t>(var)] > kMaxDominanceDomain ||
        domain > 4 * kMaxDominanceDomain) {
        return false;
    }
    std::vector<double> total(domain * domain, 0.0);
    for (int32_t other : mTablesOf[static_cast<size_t>(var)]) {
        if (other == id) {
            continue;
        }
        const std::vector<double>& matrix = differences(other, static_cast<size_t>(this->table(other).columnOf(var)));
        if (matrix.empty()) {
            return false;
        }
        bool useful = false;
        for (size_t by = 0; by < domain; ++by) {
            for (size_t s = 0; s < domain; ++s) {
                double& cell = total[by * domain + s];
                cell += matrix[by * domain + s];
                useful = useful || (by != s && cell < kUnreachable && cell > -kUnreachable);
            }
        }
        if (!useful) {
            return false;
        }
    }
    const RowGroups groups = groupRows(rowKeys(table, var, mBits));
    if (pairsInGroups(groups) > kMaxDominanceWork) {
        return false;
    }
    bool any = false;
    const size_t width = table.vars.size();
    for (size_t g = 0; g < groups.count(); ++g) {
        for (int32_t i = groups.starts[g]; i < groups.starts[g + 1]; ++i) {
            const size_t rowS = static_cast<size_t>(groups.rows[static_cast<size_t>(i)]);
            const size_t s = static_cast<size_t>(table.cells[rowS * width + column]);
            for (int32_t j = groups.starts[g]; j < groups.starts[g + 1] && keep[rowS] != 0; ++j) {
                const size_t rowG = static_cast<size_t>(groups.rows[static_cast<size_t>(j)]);
                if (i == j || keep[rowG] == 0) {
                    continue;
                }
                const size_t by = static_cast<size_t>(table.cells[rowG * width + column]);
                const double change = total[by * domain + s];
                if (change < kUnreachable && table.costs[rowG] + change <= table.costs[rowS]) {
                    keep[rowS] = 0;
                    any = true;
                }
            }
        }
    }
    return any;
}

bool WorkingNetwork::dominate(int32_t id) {
    const int64_t width = static_cast<int64_t>(table(id).vars.size());
    if (width * width * static_cast<int64_t>(table(id).rows()) > kMaxDominanceCells) {
        return false;
    }
    bool any = false;
    for (size_t column = 0; column < table(id).vars.size(); ++column) {
        std::vector<uint8_t> keep(table(id).rows(), 1);
        if (dominateColumn(id, column, keep)) {
            any = true;
            keepRows(mTables[static_cast<size_t>(id)].table, keep);
            changed(id);
        }
    }
    return any;
}

CompactNetwork compact(const WorkingNetwork& working) {
    CompactNetwork result;
    result.network.constant = working.constant();
    std::vector<std::vector<int32_t>> newValue(working.variableCount());
    result.valueOf.resize(working.variableCount());
    for (size_t x = 0; x < working.variableCount(); ++x) {
        const std::vector<uint8_t>& alive = working.alive(static_cast<int32_t>(x));
        newValue[x].assign(alive.size(), -1);
        for (size_t value = 0; value < alive.size(); ++value) {
            if (alive[value] != 0) {
                newValue[x][value] = static_cast<int32_t>(result.valueOf[x].size());
                result.valueOf[x].push_back(static_cast<int32_t>(value));
            }
        }
        result.network.domains.push_back(static_cast<int32_t>(result.valueOf[x].size()));
    }
    for (size_t i = 0; i < working.tableCount(); ++i) {
        const int32_t id = static_cast<int32_t>(i);
        if (!working.live(id)) {
            continue;
        }
        const CostTable& from = working.table(id);
        const size_t width = from.vars.size();
        CostTable table;
        table.costs = from.costs;
        std::vector<size_t> columns;
        for (size_t c = 0; c < width; ++c) {
            if (working.aliveCount(from.vars[c]) > 1) {
                columns.push_back(c);
                table.vars.push_back(from.vars[c]);
            }
        }
        table.cells.reserve(columns.size() * from.rows());
        for (size_t r = 0; r < from.rows(); ++r) {
            const int32_t* row = from.row(r);
            for (size_t c : columns) {
                table.cells.push_back(newValue[static_cast<size_t>(from.vars[c])][static_cast<size_t>(row[c])]);
            }
        }
        result.network.tables.push_back(std::move(table));
    }
    return result;
}

} // namespace tenon::schedule
