// The exact stage: encode, reduce, bound, and eliminate within a guessed limit on the cost.
//
// All plans that cost no more than the limit survive the pruning, so a plan found within it is the optimum, and none
// found means that the limit is a lower bound and may be raised. Budgets escalate over a portfolio of orders and
// encodings.
//
// Who uses it: selector.cpp. What it must not know: contracted cycles, messages.
#pragma once

#include "core/schedule/selector_bound.h"
#include "core/schedule/selector_elimination.h"
#include "core/schedule/selector_encoding.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::schedule {

struct ExactResult {
    EliminationOutcome outcome = EliminationOutcome::kTooLarge;
    std::vector<Choice> choices;
    bool truncated = false;     ///< limited format sets: the choices are valid, the optimum is not proven
    double lowerBound = -kUnreachable;
    int32_t wipedNode = -1;  ///< if infeasible before elimination: where the last possibility went,
    int32_t wipedValue = -1; ///< one of the two
};

class ExactSolver {
public:
    /// All references must outlive the solver. `statistics` is added to.
    ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods, const SelectionOptions& options,
                SelectionStatistics& statistics);

    /// The optimum, unless every attempt exceeds the row budgets. `upperBound`: the cost of a known plan, or
    /// kUnreachable; a plan that is not cheaper may then not be found (kInfeasible).
    ExactResult run(double upperBound);

    /// A good plan by keeping only the cheapest rows of every table; kInfeasible if that led nowhere.
    ExactResult runTruncated(int64_t rows);

private:
    struct Encoded {
        EncodedProblem problem;
        ReducedNetwork reduced;
        std::vector<double> positions; ///< per variable
        std::optional<CostBound> bound;
    };
    Encoded& encoded(SharingEncoding sharing);
    EliminationOutcome attempt(SharingEncoding sharing, EliminationOrder order, int64_t rows, double limit,
                               const ReducedNetwork& network, ExactResult& result);
    void tighten(SharingEncoding sharing, double limit, ReducedNetwork& network);
    EliminationOutcome tryWithin(double limit, ExactResult& result);

    const PreparedProblem& mPrepared;
    const std::vector<NoGood>& mNoGoods;
    const SelectionOptions& mOptions;
    SelectionStatistics& mStatistics;
    std::optional<Encoded> mEncoded[2];
    double mLowerBound = -kUnreachable;
    double mCost = kUnreachable; ///< of the last solution
};

} // namespace tenon::schedule
