#include "core/schedule/selector_exact.h"

#include <algorithm>

namespace tenon::schedule {

ExactSolver::ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                         const SelectionOptions& options, SelectionStatistics& statistics)
    : mPrepared(prepared), mNoGoods(noGoods), mOptions(options), mStatistics(statistics) {}

const ExactSolver::Encoded& ExactSolver::encoded(SharingEncoding sharing) {
    Encoded& entry = mEncoded[sharing == SharingEncoding::kStar ? 0 : 1];
    if (!entry.ready) {
        entry.ready = true;
        EncodingOptions options;
        options.sharing = sharing;
        entry.problem = encodeSelection(mPrepared, mNoGoods, options);
        entry.reduced = reduceNetwork(entry.problem.network);
        mStatistics.variables = static_cast<int32_t>(entry.problem.network.domains.size());
        mStatistics.tableRows = 0;
        for (const CostTable& table : entry.problem.network.tables) {
            mStatistics.tableRows += static_cast<int64_t>(table.rows());
        }
    }
    return entry;
}

// True if this settles the matter, one way or the other.
bool ExactSolver::attempt(const ExactAttempt& attempt, double upperBound, ExactResult& result) {
    const Encoded& entry = encoded(attempt.sharing);
    if (!entry.reduced.feasible) {
        result.outcome = EliminationOutcome::kInfeasible;
        result.truncated = entry.problem.truncated;
        result.wipedNode = entry.problem.tableNode[static_cast<size_t>(entry.reduced.wipedTable)];
        result.wipedValue = entry.problem.tableValue[static_cast<size_t>(entry.reduced.wipedTable)];
        return true;
    }
    ++mStatistics.attempts;
    EliminationOptions options;
    options.order = attempt.order;
    options.maxRows = attempt.rows;
    options.upperBound = upperBound;
    options.cancelled = &mOptions.cancelled;
    EliminationResult eliminated = eliminate(entry.reduced.compact.network, options);
    mStatistics.joinedRows += eliminated.joinedRows;
    result.outcome = eliminated.outcome;
    result.truncated = entry.problem.truncated;
    if (eliminated.outcome == EliminationOutcome::kTooLarge) {
        return false;
    }
    if (eliminated.outcome == EliminationOutcome::kSolved) {
        std::vector<int32_t>& values = eliminated.assignment;
        for (size_t x = 0; x < values.size(); ++x) {
            values[x] = entry.reduced.compact.valueOf[x][static_cast<size_t>(values[x])];
        }
        result.choices = decodeChoices(mPrepared, entry.problem, values);
        result.lowerBound = eliminated.cost;
        result.attempt = attempt;
        mStatistics.largestTable = eliminated.largestTable;
        mStatistics.order = eliminationOrderName(attempt.order);
    }
    return true;
}

ExactResult ExactSolver::run(size_t firstBudget, size_t lastBudget, double upperBound, const ExactAttempt* preferred) {
    ExactResult result;
    if (preferred != nullptr && attempt(*preferred, upperBound, result)) {
        return result;
    }
    for (size_t budget = firstBudget; budget < std::min(lastBudget, mOptions.rowBudgets.size()); ++budget) {
        for (SharingEncoding sharing : {SharingEncoding::kStar, SharingEncoding::kChain}) {
            for (EliminationOrder order : {EliminationOrder::kJoinRows, EliminationOrder::kWeightedDegree,
                                           EliminationOrder::kFill, EliminationOrder::kDegree}) {
                if (attempt({sharing, order, mOptions.rowBudgets[budget]}, upperBound, result)) {
                    return result;
                }
            }
        }
    }
    return result;
}

} // namespace tenon::schedule
