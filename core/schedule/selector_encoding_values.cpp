#include "core/schedule/selector_conversions.h"
#include "core/schedule/selector_encoder.h"

#include <algorithm>
#include <bit>

namespace tenon::schedule {
namespace {

constexpr int64_t kMaxFormatSets = 4'096;
constexpr size_t kMaxForbidTable = 6; // terms of a no-good in one table; longer ones use carry variables

} // namespace

void SelectionEncoder::encodeValue(int32_t id) {
    const PreparedValue& value = mPrepared.values[static_cast<size_t>(id)];
    const int32_t produced = mProduced[static_cast<size_t>(id)];
    std::vector<int32_t> readers = mRead[static_cast<size_t>(id)];
    if (value.graphOutput) {
        const int32_t out = addVariable(value.formatCount + 1);
        mIsRead.back() = 1;
        readers.push_back(out);
        std::vector<int32_t> cells;
        for (int32_t format : value.outputFormats) {
            cells.push_back(format + 1);
        }
        addTable({out}, cells, std::vector<double>(cells.size(), 0.0), -1, id);
    }
    if (value.producer < 0) {
        std::vector<int32_t> cells = {0};
        std::vector<double> costs = {0.0};
        for (int32_t f = 0; f < value.formatCount; ++f) {
            if (value.inputCost[static_cast<size_t>(f)] < kUnreachable) {
                cells.push_back(f + 1);
                costs.push_back(value.inputCost[static_cast<size_t>(f)]);
            }
        }
        addTable({produced}, cells, std::move(costs), -1, id);
    }
    if (readers.size() == 1) {
        std::vector<int32_t> cells = {0, 0};
        std::vector<double> costs = {0.0};
        for (int32_t from = 0; from < value.formatCount; ++from) {
            cells.insert(cells.end(), {from + 1, 0});
            costs.push_back(0.0);
            for (int32_t to = 0; to < value.formatCount; ++to) {
                if (value.conversion(from, to) < kUnreachable) {
                    cells.insert(cells.end(), {from + 1, to + 1});
                    costs.push_back(value.conversion(from, to));
                }
            }
        }
        addTable({produced, readers.front()}, cells, std::move(costs), -1, id);
        return;
    }
    encodeShared(id, readers);
}

void SelectionEncoder::encodeShared(int32_t id, const std::vector<int32_t>& readers) {
    const PreparedValue& value = mPrepared.values[static_cast<size_t>(id)];
    uint64_t asked = 0;
    for (int32_t reader : readers) {
        asked |= mAsked[static_cast<size_t>(reader)];
    }
    std::vector<int32_t> formats;
    for (int32_t f = 0; f < value.formatCount; ++f) {
        if ((asked >> f & 1) != 0) {
            formats.push_back(f);
        }
    }
    const FormatSets sets = enumerateFormatSets(value.formatCount, value.closed, formats,
                                                static_cast<int32_t>(readers.size()), kMaxFormatSets);
    mOut.truncated = mOut.truncated || sets.truncated;
    if (mOptions.sharing == SharingEncoding::kStar) {
        encodeStar(id, readers, sets);
    } else {
        encodeChain(id, readers, sets);
    }
}

// One set for all readers, each of which checks that its format is in it. Larger sets serve more readers, so for each
// produced format only the sets remain that cannot grow for free.
void SelectionEncoder::encodeStar(int32_t id, const std::vector<int32_t>& readers, const FormatSets& sets) {
    const int32_t produced = mProduced[static_cast<size_t>(id)];
    const int32_t count = static_cast<int32_t>(sets.masks.size());
    const int32_t kept = addVariable(count);
    std::vector<int32_t> cells = {0, 0};
    std::vector<double> costs = {0.0};
    for (int32_t root = 0; root < sets.formatCount; ++root) {
        for (int32_t set = 0; set < count; ++set) {
            const uint64_t mask = sets.masks[static_cast<size_t>(set)];
            const double cost = sets.cost(set, root);
            bool growsForFree = cost == kUnreachable;
            for (size_t bit = 0; bit < sets.formats.size() && !growsForFree; ++bit) {
                const uint64_t larger = mask | uint64_t{1} << bit;
                const int32_t other = larger == mask ? -1 : sets.find(larger);
                growsForFree = other >= 0 && sets.cost(other, root) <= cost;
            }
            if (!growsForFree) {
                cells.insert(cells.end(), {root + 1, set});
                costs.push_back(cost);
            }
        }
    }
    addTable({produced, kept}, cells, std::move(costs), -1, id);
    for (int32_t reader : readers) {
        cells.clear();
        for (int32_t set = 0; set < count; ++set) {
            cells.insert(cells.end(), {0, set});
            for (uint64_t rest = sets.masks[static_cast<size_t>(set)]; rest != 0; rest &= rest - 1) {
                const int32_t format = sets.formats[static_cast<size_t>(std::countr_zero(rest))];
                if ((mAsked[static_cast<size_t>(reader)] >> format & 1) != 0) {
                    cells.insert(cells.end(), {format + 1, set});
                }
            }
        }
        addTable({reader, kept}, cells, std::vector<double>(cells.size() / 2, 0.0), -1, id);
    }
}

// One set per reader: what it and all later readers ask for. Sets are small near the end of a long chain of readers.
void SelectionEncoder::encodeChain(int32_t id, const std::vector<int32_t>& readers, const FormatSets& sets) {
    struct Step {
        uint64_t mask = 0;
        int32_t value = 0;
    };
    auto bitOf = [&](int32_t format) {
        const auto it = std::lower_bound(sets.formats.begin(), sets.formats.end(), format);
        return uint64_t{1} << (it - sets.formats.begin());
    };
    // Behind the last reader nothing is asked; its own variable serves as the last set.
    std::vector<Step> later = {{0, 0}};
    for (int32_t format : sets.formats) {
        if ((mAsked[static_cast<size_t>(readers.back())] >> format & 1) != 0) {
            later.push_back({bitOf(format), format + 1});
        }
    }
    int32_t laterVar = readers.back();
    for (size_t i = readers.size() - 1; i-- > 0;) {
        const int32_t reader = readers[i];
        const int32_t var = addVariable(static_cast<int32_t>(sets.masks.size()));
        std::vector<int32_t> cells;
        std::vector<uint8_t> reached(sets.masks.size(), 0);
        for (const Step& step : later) {
            for (int32_t format = -1; format < sets.formatCount; ++format) {
                if (format >= 0 && (mAsked[static_cast<size_t>(reader)] >> format & 1) == 0) {
                    continue;
                }
                const int32_t set = sets.find(format < 0 ? step.mask : step.mask | bitOf(format));
                if (set >= 0) {
                    cells.insert(cells.end(),
                                 {laterVar == readers.back() ? step.value : sets.find(step.mask), format + 1, set});
                    reached[static_cast<size_t>(set)] = 1;
                }
            }
        }
        addTable({laterVar, reader, var}, cells, std::vector<double>(cells.size() / 3, 0.0), -1, id);
        later.clear();
        for (size_t set = 0; set < reached.size(); ++set) {
            if (reached[set] != 0) {
                later.push_back({sets.masks[set], static_cast<int32_t>(set)});
            }
        }
        laterVar = var;
    }
    std::vector<int32_t> cells = {0, 0};
    std::vector<double> costs = {0.0};
    for (int32_t root = 0; root < sets.formatCount; ++root) {
        for (const Step& step : later) {
            const int32_t set = sets.find(step.mask);
            if (sets.cost(set, root) < kUnreachable) {
                cells.insert(cells.end(), {root + 1, set});
                costs.push_back(sets.cost(set, root));
            }
        }
    }
    addTable({mProduced[static_cast<size_t>(id)], laterVar}, cells, std::move(costs), -1, id);
}

void SelectionEncoder::encodeNoGood(size_t index) {
    std::vector<int32_t> vars = mTermVars[index];
    // Fold the front into "all so far hold" until the rest fits in one table.
    while (vars.size() > kMaxForbidTable) {
        const int32_t carry = addVariable(2);
        addTable({vars[0], vars[1], carry}, {0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1}, std::vector<double>(4, 0.0), -1, -1);
        vars.erase(vars.begin(), vars.begin() + 2);
        vars.push_back(carry);
    }
    const uint32_t all = (1u << vars.size()) - 1;
    std::vector<int32_t> cells;
    for (uint32_t row = 0; row < all; ++row) {
        for (size_t i = 0; i < vars.size(); ++i) {
            cells.push_back(static_cast<int32_t>(row >> i & 1));
        }
    }
    addTable(vars, cells, std::vector<double>(all, 0.0), -1, -1);
}

} // namespace tenon::schedule
