// A lower bound for a cost network, by moving costs between tables that share a variable.
//
// The sum of all tables stays the same for every assignment, while what every table costs at least goes to the
// constant, which thereby rises towards the optimum (often to within a tenth of a percent). What remains in a row is
// how much dearer every plan that contains it is at least; so rows beyond a known or guessed cost can go, and the
// elimination that follows works on small tables.
//
// Who uses it: selector_exact.cpp. What it must not know: what variables mean.
#pragma once

#include "core/schedule/selector_elimination.h"
#include "core/schedule/selector_tables.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

class CostBound {
public:
    /// `network` must be arc consistent, as reduceNetwork() leaves it. Variables are visited by ascending position,
    /// then by descending position, and so on.
    CostBound(CostNetwork network, const std::vector<double>& positions);

    double value() const { return mNetwork.constant; }
    const CostNetwork& network() const { return mNetwork; }
    /// What the bound still lacks, judged by how it has been rising; a guess.
    double expectedGap() const;
    /// The least cost above zero in any row; 0 if there is none.
    double leastRowCost() const;

    /// Table cells visited so far.
    int64_t work() const { return mWork; }

    /// Pairs of passes, there and back, that pass costs on to tables not yet visited. Stops early when the bound
    /// hardly rises any more.
    void sweep(int32_t pairs);
    /// Passes that share costs out evenly, so that rows become comparable everywhere.
    void even(int32_t passes);

    /// The network without rows that only plans dearer than `limit` contain, made arc consistent and renumbered.
    ReducedNetwork within(double limit) const;

private:
    struct Place {
        int32_t table = 0;
        int32_t column = 0;
        uint8_t last[2] = {0, 0}; ///< per direction: no variable of the table is visited after this one
    };

    void pass(bool backward, bool evenly);

    CostNetwork mNetwork;
    std::vector<int32_t> mOrder;
    std::vector<std::vector<Place>> mPlaces; ///< per variable
    std::vector<double> mLeast;              ///< places x domain of the variable at hand
    std::vector<double> mTotal;
    int64_t mCells = 0; ///< in all tables
    int64_t mWork = 0;
    double mRise = 0.0;         ///< of the last pair of passes
    double mPreviousRise = 0.0; ///< of the one before
};

} // namespace tenon::schedule
