#include "core/schedule/selector_bound.h"

#include "core/schedule/selection_problem.h"

#include <algorithm>
#include <cmath>

namespace tenon::schedule {
namespace {

constexpr double kNegligibleRise = 1e-6;

} // namespace

CostBound::CostBound(CostNetwork network, const std::vector<double>& positions)
    : mNetwork(std::move(network)), mPlaces(mNetwork.domains.size()) {
    std::vector<int32_t> rank(mNetwork.domains.size());
    for (size_t x = 0; x < rank.size(); ++x) {
        mOrder.push_back(static_cast<int32_t>(x));
    }
    std::stable_sort(mOrder.begin(), mOrder.end(), [&](int32_t a, int32_t b) {
        return positions[static_cast<size_t>(a)] < positions[static_cast<size_t>(b)];
    });
    for (size_t i = 0; i < mOrder.size(); ++i) {
        rank[static_cast<size_t>(mOrder[i])] = static_cast<int32_t>(i);
    }
    for (size_t t = 0; t < mNetwork.tables.size(); ++t) {
        const CostTable& table = mNetwork.tables[t];
        mCells += static_cast<int64_t>(table.cells.size());
        int32_t first = 0;
        int32_t last = 0;
        for (size_t c = 0; c < table.vars.size(); ++c) {
            const int32_t at = rank[static_cast<size_t>(table.vars[c])];
            first = c == 0 ? at : std::min(first, at);
            last = c == 0 ? at : std::max(last, at);
        }
        for (size_t c = 0; c < table.vars.size(); ++c) {
            const int32_t at = rank[static_cast<size_t>(table.vars[c])];
            Place place{static_cast<int32_t>(t), static_cast<int32_t>(c), {}};
            place.last[0] = at == last ? 1 : 0;
            place.last[1] = at == first ? 1 : 0;
            mPlaces[static_cast<size_t>(table.vars[c])].push_back(place);
        }
    }
}

double CostBound::expectedGap() const {
    const double ratio = mPreviousRise > 0.0 ? std::clamp(mRise / mPreviousRise, 0.1, 0.9) : 0.9;
    return mRise * ratio / (1.0 - ratio);
}

double CostBound::leastRowCost() const {
    double least = kUnreachable;
    for (const CostTable& table : mNetwork.tables) {
        for (double cost : table.costs) {
            least = cost > 0.0 ? std::min(least, cost) : least;
        }
    }
    return least == kUnreachable ? 0.0 : least;
}

void CostBound::sweep(int32_t pairs) {
    for (int32_t i = 0; i < pairs; ++i) {
        const double before = mNetwork.constant;
        pass(false, false);
        pass(true, false);
        mPreviousRise = mRise;
        mRise = std::max(0.0, mNetwork.constant - before);
        if (mRise <= kNegligibleRise * std::abs(mNetwork.constant)) {
            break;
        }
    }
}

void CostBound::even(int32_t passes) {
    for (int32_t i = 0; i < passes; ++i) {
        pass(i % 2 == 1, true);
    }
}

// Per variable: what each table costs at least for each value is collected, its least sum goes to the constant, and
// the rest is handed out again; evenly, or only to tables of which some variable is still to come.
void CostBound::pass(bool backward, bool evenly) {
    mWork += mCells;
    for (size_t i = 0; i < mOrder.size(); ++i) {
        const int32_t var = mOrder[backward ? mOrder.size() - 1 - i : i];
        const std::vector<Place>& places = mPlaces[static_cast<size_t>(var)];
        const size_t domain = static_cast<size_t>(mNetwork.domains[static_cast<size_t>(var)]);
        if (places.empty()) {
            continue;
        }
        mTotal.assign(domain, 0.0);
        mLeast.assign(domain * places.size(), kUnreachable);
        size_t receivers = 0;
        for (size_t p = 0; p < places.size(); ++p) {
            const CostTable& table = mNetwork.tables[static_cast<size_t>(places[p].table)];
            const size_t width = table.vars.size();
            const int32_t* cell = table.cells.data() + places[p].column;
            double* least = mLeast.data() + p * domain;
            for (size_t r = 0; r < table.rows(); ++r, cell += width) {
                double& entry = least[*cell];
                entry = std::min(entry, table.costs[r]);
            }
            for (size_t value = 0; value < domain; ++value) {
                mTotal[value] += least[value];
            }
            receivers += places[p].last[backward ? 1 : 0] == 0 ? 1 : 0;
        }
        const double gained = *std::min_element(mTotal.begin(), mTotal.end());
        mNetwork.constant += gained;
        const bool toAll = evenly || receivers == 0;
        const double share = 1.0 / static_cast<double>(toAll ? places.size() : receivers);
        for (size_t p = 0; p < places.size(); ++p) {
            CostTable& table = mNetwork.tables[static_cast<size_t>(places[p].table)];
            const size_t width = table.vars.size();
            const int32_t* cell = table.cells.data() + places[p].column;
            double* change = mLeast.data() + p * domain;
            const double weight = toAll || places[p].last[backward ? 1 : 0] == 0 ? share : 0.0;
            for (size_t value = 0; value < domain; ++value) {
                change[value] = (mTotal[value] - gained) * weight - change[value];
            }
            for (size_t r = 0; r < table.rows(); ++r, cell += width) {
                table.costs[r] += change[*cell];
            }
        }
    }
    for (CostTable& table : mNetwork.tables) {
        if (!table.costs.empty()) {
            const double least = *std::min_element(table.costs.begin(), table.costs.end());
            mNetwork.constant += least;
            for (double& cost : table.costs) {
                cost -= least;
            }
        }
    }
}

ReducedNetwork CostBound::within(double limit) const {
    CostNetwork network;
    network.domains = mNetwork.domains;
    network.constant = mNetwork.constant;
    network.tables.resize(mNetwork.tables.size());
    const double room = limit - mNetwork.constant;
    for (size_t t = 0; t < network.tables.size(); ++t) {
        const CostTable& from = mNetwork.tables[t];
        CostTable& to = network.tables[t];
        to.vars = from.vars;
        const size_t width = from.vars.size();
        for (size_t r = 0; r < from.rows(); ++r) {
            if (from.costs[r] <= room) {
                to.cells.insert(to.cells.end(), from.row(r), from.row(r) + width);
                to.costs.push_back(from.costs[r]);
            }
        }
    }
    return reduceNetwork(std::move(network), false);
}

} // namespace tenon::schedule
