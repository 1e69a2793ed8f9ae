#include "core/schedule/selector_tables.h"

#include <algorithm>
#include <bit>

namespace tenon::schedule {
namespace {

constexpr uint64_t kHashFactor = 0x9E3779B97F4A7C15ull;

// Maps 64-bit keys to dense indices in order of first appearance.
class KeyIndex {
public:
    explicit KeyIndex(size_t expected) {
        size_t capacity = 16;
        while (capacity < expected * 2) {
            capacity *= 2;
        }
        resize(capacity);
    }

    /// Index of the key; a new key gets the next one.
    int32_t insert(uint64_t key) {
        if ((mKeys.size() + 1) * 2 > mSlots.size()) {
            resize(mSlots.size() * 2);
        }
        size_t slot = slotOf(key);
        while (mSlots[slot] >= 0) {
            if (mKeys[static_cast<size_t>(mSlots[slot])] == key) {
                return mSlots[slot];
            }
            slot = (slot + 1) & mMask;
        }
        mSlots[slot] = static_cast<int32_t>(mKeys.size());
        mKeys.push_back(key);
        return mSlots[slot];
    }

    int32_t find(uint64_t key) const {
        size_t slot = slotOf(key);
        while (mSlots[slot] >= 0) {
            if (mKeys[static_cast<size_t>(mSlots[slot])] == key) {
                return mSlots[slot];
            }
            slot = (slot + 1) & mMask;
        }
        return -1;
    }

    size_t size() const { return mKeys.size(); }

private:
    size_t slotOf(uint64_t key) const { return static_cast<size_t>((key * kHashFactor) >> mShift); }

    void resize(size_t capacity) {
        mSlots.assign(capacity, -1);
        mMask = capacity - 1;
        mShift = 64 - std::countr_zero(capacity);
        for (size_t i = 0; i < mKeys.size(); ++i) {
            size_t slot = slotOf(mKeys[i]);
            while (mSlots[slot] >= 0) {
                slot = (slot + 1) & mMask;
            }
            mSlots[slot] = static_cast<int32_t>(i);
        }
    }

    std::vector<int32_t> mSlots;
    std::vector<uint64_t> mKeys;
    size_t mMask = 0;
    int mShift = 0;
};

// Replaces keys by their ranks; returns the bits that ranks need. Works over two key lists at once.
int32_t rankKeys(std::vector<uint64_t>& a, std::vector<uint64_t>& b) {
    KeyIndex index(a.size() + b.size());
    for (uint64_t& key : a) {
        key = static_cast<uint64_t>(index.insert(key));
    }
    for (uint64_t& key : b) {
        key = static_cast<uint64_t>(index.insert(key));
    }
    return bitsFor(static_cast<int32_t>(std::max<size_t>(index.size(), 1)));
}

// Exact codes of the given columns, comparable between the two tables. Returns the bits in use (at most 64).
int32_t packColumns(const CostTable& a, const std::vector<int32_t>& columnsA, const CostTable& b,
                    const std::vector<int32_t>& columnsB, const std::vector<int32_t>& bits,
                    std::vector<uint64_t>& keysA, std::vector<uint64_t>& keysB) {
    keysA.assign(a.rows(), 0);
    keysB.assign(b.rows(), 0);
    int32_t used = 0;
    for (size_t c = 0; c < columnsA.size(); ++c) {
        const int32_t width = bits[static_cast<size_t>(a.vars[static_cast<size_t>(columnsA[c])])];
        if (used + width > 63) {
            used = rankKeys(keysA, keysB);
        }
        auto append = [&](const CostTable& table, size_t column, std::vector<uint64_t>& keys) {
            const int32_t* cell = table.cells.data() + column;
            const size_t stride = table.vars.size();
            for (uint64_t& key : keys) {
                key = (key << width) | static_cast<uint64_t>(*cell);
                cell += stride;
            }
        };
        append(a, static_cast<size_t>(columnsA[c]), keysA);
        if (!columnsB.empty()) {
            append(b, static_cast<size_t>(columnsB[c]), keysB);
        }
        used += width;
    }
    return used;
}

int32_t packOwnColumns(const CostTable& table, const std::vector<int32_t>& columns, const std::vector<int32_t>& bits,
                       std::vector<uint64_t>& keys) {
    static const CostTable kNoTable;
    std::vector<uint64_t> unused;
    return packColumns(table, columns, kNoTable, {}, bits, keys, unused);
}

} // namespace

int32_t bitsFor(int32_t domain) {
    return std::max<int32_t>(1, static_cast<int32_t>(std::bit_width(static_cast<uint32_t>(std::max(domain, 1) - 1))));
}

int32_t CostTable::columnOf(int32_t var) const {
    const auto it = std::lower_bound(vars.begin(), vars.end(), var);
    return it != vars.end() && *it == var ? static_cast<int32_t>(it - vars.begin()) : -1;
}

std::vector<uint64_t> rowKeys(const CostTable& table, int32_t without, const std::vector<int32_t>& bits) {
    std::vector<int32_t> columns;
    for (size_t c = 0; c < table.vars.size(); ++c) {
        if (table.vars[c] != without) {
            columns.push_back(static_cast<int32_t>(c));
        }
    }
    std::vector<uint64_t> keys;
    packOwnColumns(table, columns, bits, keys);
    return keys;
}

RowGroups groupRows(const std::vector<uint64_t>& keys) {
    RowGroups groups;
    KeyIndex index(keys.size());
    std::vector<int32_t> groupOf(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
        groupOf[i] = index.insert(keys[i]);
    }
    groups.starts.assign(index.size() + 1, 0);
    for (int32_t group : groupOf) {
        ++groups.starts[static_cast<size_t>(group) + 1];
    }
    for (size_t g = 1; g < groups.starts.size(); ++g) {
        groups.starts[g] += groups.starts[g - 1];
    }
    std::vector<int32_t> fill(groups.starts.begin(), groups.starts.end());
    groups.rows.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
        groups.rows[static_cast<size_t>(fill[static_cast<size_t>(groupOf[i])]++)] = static_cast<int32_t>(i);
    }
    return groups;
}

void keepRows(CostTable& table, const std::vector<uint8_t>& keep) {
    const size_t width = table.vars.size();
    size_t to = 0;
    for (size_t from = 0; from < table.rows(); ++from) {
        if (keep[from] == 0) {
            continue;
        }
        if (to != from) {
            std::copy_n(table.cells.data() + from * width, width, table.cells.data() + to * width);
            table.costs[to] = table.costs[from];
        }
        ++to;
    }
    table.cells.resize(to * width);
    table.costs.resize(to);
}

CostTable dropVariable(const CostTable& table, int32_t drop, const std::vector<int32_t>& bits) {
    const std::vector<uint64_t> keys = rowKeys(table, drop, bits);
    const size_t column = static_cast<size_t>(table.columnOf(drop));
    const size_t width = table.vars.size();
    CostTable out;
    out.vars = table.vars;
    out.vars.erase(out.vars.begin() + static_cast<std::ptrdiff_t>(column));
    KeyIndex index(keys.size());
    for (size_t r = 0; r < keys.size(); ++r) {
        const size_t to = static_cast<size_t>(index.insert(keys[r]));
        if (to == out.costs.size()) {
            out.costs.push_back(table.costs[r]);
            const int32_t* cells = table.row(r);
            out.cells.insert(out.cells.end(), cells, cells + column);
            out.cells.insert(out.cells.end(), cells + column + 1, cells + width);
        } else {
            out.costs[to] = std::min(out.costs[to], table.costs[r]);
        }
    }
    return out;
}

JoinOutcome joinTables(const CostTable& a, const CostTable& b, int32_t drop, const std::vector<int32_t>& bits,
                       const JoinLimits& limits, CostTable& out, int64_t& pairs) {
    // Which column of which table each output column comes from.
    std::vector<int32_t> sharedA;
    std::vector<int32_t> sharedB;
    std::vector<int32_t> keptA;
    std::vector<int32_t> keptB;
    std::vector<std::pair<bool, int32_t>> sources; // from b?, column
    out = CostTable{};
    size_t i = 0;
    size_t j = 0;
    while (i < a.vars.size() || j < b.vars.size()) {
        const bool fromA = j == b.vars.size() || (i < a.vars.size() && a.vars[i] <= b.vars[j]);
        const int32_t var = fromA ? a.vars[i] : b.vars[j];
        if (fromA && j < b.vars.size() && b.vars[j] == var) {
            sharedA.push_back(static_cast<int32_t>(i));
            sharedB.push_back(static_cast<int32_t>(j));
            ++j;
        }
        const size_t column = fromA ? i++ : (j++);
        if (var == drop) {
            continue;
        }
        out.vars.push_back(var);
        sources.emplace_back(!fromA, static_cast<int32_t>(column));
        (fromA ? keptA : keptB).push_back(static_cast<int32_t>(column));
    }

    std::vector<uint64_t> matchA;
    std::vector<uint64_t> matchB;
    packColumns(a, sharedA, b, sharedB, bits, matchA, matchB);

    // Chains of the rows of b with equal keys, ascending.
    KeyIndex index(b.rows());
    std::vector<int32_t> first;
    std::vector<int32_t> next(b.rows(), -1);
    for (size_t r = b.rows(); r-- > 0;) {
        const size_t slot = static_cast<size_t>(index.insert(matchB[r]));
        if (slot == first.size()) {
            first.push_back(-1);
        }
        next[r] = first[slot];
        first[slot] = static_cast<int32_t>(r);
    }

    std::vector<std::pair<int32_t, int32_t>> origin; // a representative pair of rows per output row
    auto formed = [&](int64_t count) { return count <= limits.maxPairs; };
    int64_t count = 0;
    if (drop < 0) {
        for (size_t ra = 0; ra < a.rows(); ++ra) {
            const int32_t slot = index.find(matchA[ra]);
            if (slot < 0) {
                continue;
            }
            for (int32_t rb = first[static_cast<size_t>(slot)]; rb >= 0; rb = next[static_cast<size_t>(rb)]) {
                ++count;
                origin.emplace_back(static_cast<int32_t>(ra), rb);
                out.costs.push_back(a.costs[ra] + b.costs[static_cast<size_t>(rb)]);
            }
            if (!formed(count) || static_cast<int64_t>(out.costs.size()) > limits.maxRows) {
                pairs += count;
                return JoinOutcome::kTooLarge;
            }
        }
    } else {
        std::vector<uint64_t> restA;
        std::vector<uint64_t> restB;
        int32_t bitsA = packOwnColumns(a, keptA, bits, restA);
        int32_t bitsB = packOwnColumns(b, keptB, bits, restB);
        std::vector<uint64_t> none;
        if (bitsA + bitsB > 63) {
            bitsA = rankKeys(restA, none);
            bitsB = rankKeys(restB, none);
        }
        KeyIndex result(std::max(a.rows(), b.rows()));
        for (size_t ra = 0; ra < a.rows(); ++ra) {
            const int32_t slot = index.find(matchA[ra]);
            if (slot < 0) {
                continue;
            }
            const uint64_t high = restA[ra] << bitsB;
            for (int32_t rb = first[static_cast<size_t>(slot)]; rb >= 0; rb = next[static_cast<size_t>(rb)]) {
                ++count;
                const double cost = a.costs[ra] + b.costs[static_cast<size_t>(rb)];
                const size_t to = static_cast<size_t>(result.insert(high | restB[static_cast<size_t>(rb)]));
                if (to == out.costs.size()) {
                    out.costs.push_back(cost);
                    origin.emplace_back(static_cast<int32_t>(ra), rb);
                } else if (cost < out.costs[to]) {
                    out.costs[to] = cost;
                }
            }
            if (!formed(count) || static_cast<int64_t>(out.costs.size()) > limits.maxRows) {
                pairs += count;
                return JoinOutcome::kTooLarge;
            }
        }
    }
    pairs += count;

    const size_t width = out.vars.size();
    out.cells.resize(origin.size() * width);
    int32_t* cell = out.cells.data();
    for (const auto& [ra, rb] : origin) {
        const int32_t* rowA = a.row(static_cast<size_t>(ra));
        const int32_t* rowB = b.row(static_cast<size_t>(rb));
        for (const auto& [fromB, column] : sources) {
            *cell++ = fromB ? rowB[column] : rowA[column];
        }
    }
    return JoinOutcome::kDone;
}

} // namespace tenon::schedule
