// The exact stage: encode, bound, prune to a limit on the cost, and eliminate.
//
// All plans that cost no more than the limit survive the pruning. So a plan found within it is the optimum, and none
// found means that the limit is a lower bound and may be raised. Without a known plan the limit is guessed from how
// the bound has been rising.
//
// Who uses it: selector.cpp on the whole problem, selector_greedy.cpp on windows and covers.
// What it must not know: contracted cycles, messages.
#pragma once

#include "core/schedule/selector_bound.h"
#include "core/schedule/selector_elimination.h"
#include "core/schedule/selector_encoding.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace tenon::schedule {

struct ExactResult {
    EliminationOutcome outcome = EliminationOutcome::kTooLarge;
    std::vector<Choice> choices;
    bool truncated = false; ///< limited format sets: the choices are valid, the optimum is not proven
    int32_t node = -1;      ///< if infeasible: where the last possibility went,
    int32_t value = -1;     ///< one of the two
};

class ExactSolver {
public:
    /// All references must outlive the solver, and what `encoding` points to. `statistics` is added to.
    ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods, const EncodingOptions& encoding,
                const SelectionOptions& options, SelectionStatistics& statistics);

    /// One order and one budget, with guessed limits. kTooLarge if that does not do.
    ExactResult runQuickly(int64_t rows);

    /// One order and one budget within a known cost. kInfeasible if no plan is cheaper.
    ExactResult runWithin(int64_t rows, double upperBound);

    /// All orders and encodings over escalating budgets. `upperBound`: the cost of a known plan, or kUnreachable; a
    /// plan that is not cheaper may then not be found (kInfeasible). Ends with kTooLarge at the work limit.
    ExactResult runThoroughly(const std::vector<int64_t>& budgets, double upperBound);

    /// A good plan by keeping only the cheapest rows of every table; kInfeasible if that led nowhere.
    ExactResult runTruncated(int64_t rows, EliminationOrder order);

    /// No plan of the encoded problem is cheaper. kUnreachable if there is none.
    double lowerBound();

private:
    struct Encoded {
        EncodedProblem problem;
        ReducedNetwork reduced;
        std::vector<double> positions; ///< per variable
        std::optional<CostBound> bound;
    };
    struct Attempt {
        SharingEncoding sharing = SharingEncoding::kStar;
        EliminationOrder order = EliminationOrder::kJoinRows;
        int64_t rows = 0;
        bool tighten = false; ///< first
        bool limited = false; ///< not beyond the work limit
    };

    Encoded& encoded(SharingEncoding sharing);
    ExactResult run(const std::vector<Attempt>& attempts, double upperBound, bool guess);
    EliminationOutcome tryWithin(const std::vector<Attempt>& attempts, double limit, ExactResult& result);
    EliminationOutcome eliminateOnce(const Attempt& attempt, double limit, bool truncate, const ReducedNetwork& network,
                                     ExactResult& result);
    void tighten(SharingEncoding sharing, double limit, ReducedNetwork& network);
    void sweep(CostBound& bound, int32_t pairs);
    void locate(const EncodedProblem& problem, int32_t table, ExactResult& result) const;

    const PreparedProblem& mPrepared;
    const std::vector<NoGood>& mNoGoods;
    EncodingOptions mEncoding;
    const SelectionOptions& mOptions;
    SelectionStatistics& mStatistics;
    std::optional<Encoded> mEncoded[2];
    double mLowerBound = -kUnreachable;
    double mCost = kUnreachable; ///< of the last solution
};

} // namespace tenon::schedule
