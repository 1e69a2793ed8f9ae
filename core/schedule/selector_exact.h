// The exact stage: encode, reduce, eliminate, with escalating budgets over a portfolio of orders and encodings.
//
// Who uses it: selector.cpp. What it must not know: contracted cycles, messages.
#pragma once

#include "core/schedule/selector_elimination.h"
#include "core/schedule/selector_encoding.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tenon::schedule {

/// Which attempt to make; later rounds of one solve start with the one that succeeded before.
struct ExactAttempt {
    SharingEncoding sharing = SharingEncoding::kStar;
    EliminationOrder order = EliminationOrder::kJoinRows;
    int64_t rows = 0;
};

struct ExactResult {
    EliminationOutcome outcome = EliminationOutcome::kTooLarge;
    std::vector<Choice> choices;
    bool truncated = false;       ///< limited format sets: the choices are valid, the optimum is not proven
    double lowerBound = -std::numeric_limits<double>::infinity();
    ExactAttempt attempt;         ///< that succeeded
    int32_t wipedNode = -1;       ///< if infeasible before elimination: where the last possibility went,
    int32_t wipedValue = -1;      ///< one of the two
};

class ExactSolver {
public:
    /// All references must outlive the solver. `statistics` is added to.
    ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods, const SelectionOptions& options,
                SelectionStatistics& statistics);

    /// Tries the budgets from `first` on, in the options' order.
    ExactResult run(size_t firstBudget, size_t lastBudget, double upperBound, const ExactAttempt* preferred);

private:
    struct Encoded {
        bool ready = false;
        EncodedProblem problem;
        ReducedNetwork reduced;
    };
    const Encoded& encoded(SharingEncoding sharing);
    bool attempt(const ExactAttempt& attempt, double upperBound, ExactResult& result);

    const PreparedProblem& mPrepared;
    const std::vector<NoGood>& mNoGoods;
    const SelectionOptions& mOptions;
    SelectionStatistics& mStatistics;
    Encoded mEncoded[2];
};

} // namespace tenon::schedule
