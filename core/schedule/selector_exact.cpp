#include "core/schedule/selector_exact.h"

#include <algorithm>
#include <cmath>

namespace tenon::schedule {
namespace {

constexpr int32_t kFirstSweeps = 12;
constexpr int32_t kFurtherSweeps = 12;
constexpr int32_t kEvenPasses = 2;
constexpr int32_t kMaxGuesses = 24;
constexpr double kSmallestGuess = 1e-5; // of the bound
constexpr double kRounding = 1e-9;
// Budgets beyond this get the most promising order only.
constexpr int64_t kPortfolioRows = 500'000;
// Another round of bounding must leave at most this share of the rows to be followed by one more.
constexpr double kWorthwhileShrink = 0.8;

double slack(double cost) { return kRounding * std::max(1.0, std::abs(cost)); }

int64_t countRows(const CostNetwork& network) {
    int64_t rows = 0;
    for (const CostTable& table : network.tables) {
        rows += static_cast<int64_t>(table.rows());
    }
    return rows;
}

size_t indexOf(SharingEncoding sharing) { return sharing == SharingEncoding::kStar ? 0 : 1; }

} // namespace

ExactSolver::ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                         const EncodingOptions& encoding, const SelectionOptions& options,
                         SelectionStatistics& statistics)
    : mPrepared(prepared), mNoGoods(noGoods), mEncoding(encoding), mOptions(options), mStatistics(statistics) {}

ExactSolver::Encoded& ExactSolver::encoded(SharingEncoding sharing) {
    std::optional<Encoded>& entry = mEncoded[indexOf(sharing)];
    if (entry) {
        return *entry;
    }
    entry.emplace();
    EncodingOptions options = mEncoding;
    options.sharing = sharing;
    entry->problem = encodeSelection(mPrepared, mNoGoods, options);
    entry->reduced = reduceNetwork(entry->problem.network, false);
    if (sharing == SharingEncoding::kStar) {
        mStatistics.variables = static_cast<int32_t>(entry->problem.network.domains.size());
        mStatistics.tableRows = countRows(entry->problem.network);
    }
    if (entry->reduced.feasible) {
        entry->positions = variablePositions(mPrepared, entry->problem);
        entry->bound.emplace(entry->reduced.compact.network, entry->positions);
        sweep(*entry->bound, kFirstSweeps);
        mLowerBound = std::max(mLowerBound, entry->bound->value());
    } else {
        mLowerBound = kUnreachable;
    }
    return *entry;
}

void ExactSolver::sweep(CostBound& bound, int32_t pairs) {
    const int64_t before = bound.work();
    bound.sweep(pairs);
    bound.even(kEvenPasses);
    mStatistics.work += bound.work() - before;
}

double ExactSolver::lowerBound() {
    encoded(SharingEncoding::kStar);
    return mLowerBound;
}

void ExactSolver::locate(const EncodedProblem& problem, int32_t table, ExactResult& result) const {
    result.node = table < 0 ? -1 : problem.tableNode[static_cast<size_t>(table)];
    result.value = table < 0 ? -1 : problem.tableValue[static_cast<size_t>(table)];
}

EliminationOutcome ExactSolver::eliminateOnce(const Attempt& attempt, double limit, bool truncate,
                                              const ReducedNetwork& network, ExactResult& result) {
    const Encoded& entry = encoded(attempt.sharing);
    if (!network.feasible) {
        locate(entry.problem, network.wipedTable, result);
        return EliminationOutcome::kInfeasible;
    }
    ++mStatistics.attempts;
    EliminationOptions options;
    options.order = attempt.order;
    options.maxRows = attempt.rows;
    options.upperBound = limit;
    options.truncate = truncate;
    options.cancelled = &mOptions.cancelled;
    EliminationResult eliminated = eliminate(network.compact.network, options);
    mStatistics.joinedRows += eliminated.joinedRows;
    mStatistics.work += eliminated.work;
    if (eliminated.outcome == EliminationOutcome::kInfeasible) {
        locate(entry.problem, eliminated.failedTable, result);
    }
    if (eliminated.outcome == EliminationOutcome::kSolved) {
        std::vector<int32_t>& values = eliminated.assignment;
        for (size_t x = 0; x < values.size(); ++x) {
            const int32_t reduced = network.compact.valueOf[x][static_cast<size_t>(values[x])];
            values[x] = entry.reduced.compact.valueOf[x][static_cast<size_t>(reduced)];
        }
        result.choices = decodeChoices(mPrepared, entry.problem, values);
        result.truncated = entry.problem.truncated;
        mCost = eliminated.cost;
        mStatistics.largestTable = eliminated.largestTable;
        mStatistics.order = eliminationOrderName(attempt.order);
    }
    return eliminated.outcome;
}

// Bounds and prunes the rows that are left over and over, as long as that pays.
void ExactSolver::tighten(SharingEncoding sharing, double limit, ReducedNetwork& network) {
    const std::vector<double>& positions = encoded(sharing).positions;
    while (network.feasible) {
        const int64_t before = countRows(network.compact.network);
        CostBound bound(network.compact.network, positions);
        sweep(bound, kFurtherSweeps);
        ReducedNetwork smaller = bound.within(limit);
        for (size_t x = 0; smaller.feasible && x < smaller.compact.valueOf.size(); ++x) {
            for (int32_t& value : smaller.compact.valueOf[x]) {
                value = network.compact.valueOf[x][static_cast<size_t>(value)];
            }
        }
        network = std::move(smaller);
        if (!network.feasible ||
            static_cast<double>(countRows(network.compact.network)) > kWorthwhileShrink * static_cast<double>(before)) {
            break;
        }
    }
}

EliminationOutcome ExactSolver::tryWithin(const std::vector<Attempt>& attempts, double limit, ExactResult& result) {
    std::optional<ReducedNetwork> networks[2];
    bool tightened[2] = {false, false};
    for (const Attempt& attempt : attempts) {
        if (attempt.limited && mStatistics.work > mOptions.workLimit) {
            return EliminationOutcome::kTooLarge;
        }
        const size_t which = indexOf(attempt.sharing);
        if (!encoded(attempt.sharing).bound) {
            return EliminationOutcome::kInfeasible;
        }
        std::optional<ReducedNetwork>& network = networks[which];
        if (!network) {
            network = encoded(attempt.sharing).bound->within(limit);
        }
        if (attempt.tighten && !tightened[which]) {
            tightened[which] = true;
            tighten(attempt.sharing, limit, *network);
        }
        const EliminationOutcome outcome = eliminateOnce(attempt, limit, false, *network, result);
        if (outcome != EliminationOutcome::kTooLarge) {
            return outcome;
        }
    }
    return EliminationOutcome::kTooLarge;
}

ExactResult ExactSolver::run(const std::vector<Attempt>& attempts, double upperBound, bool guessing) {
    ExactResult result;
    const Encoded& first = encoded(SharingEncoding::kStar);
    if (!first.reduced.feasible) {
        result.outcome = EliminationOutcome::kInfeasible;
        result.truncated = first.problem.truncated;
        locate(first.problem, first.reduced.wipedTable, result);
        return result;
    }
    double guess = std::max(1.5 * first.bound->expectedGap(), kSmallestGuess * std::abs(first.bound->value()));
    for (int32_t i = 0; i < kMaxGuesses; ++i) {
        double limit = guessing && i + 1 < kMaxGuesses ? mLowerBound + guess : kUnreachable;
        const bool known = limit >= upperBound;
        limit = known ? upperBound : limit;
        result.outcome = tryWithin(attempts, limit + slack(limit), result);
        result.truncated = result.truncated || first.problem.truncated;
        if (result.outcome == EliminationOutcome::kSolved) {
            if (mCost <= limit + slack(limit)) {
                mLowerBound = std::max(mLowerBound, mCost);
                return result;
            }
            upperBound = std::min(upperBound, mCost); // found by luck beyond the limit: now it is known
            continue;
        }
        if (result.outcome != EliminationOutcome::kInfeasible || limit == kUnreachable) {
            return result;
        }
        mLowerBound = std::max(mLowerBound, limit);
        if (known) {
            return result;
        }
        guess = std::max(i == 0 ? guess : 2.0 * guess, 2.0 * first.bound->leastRowCost());
        for (std::optional<Encoded>& entry : mEncoded) {
            if (entry && entry->bound) {
                sweep(*entry->bound, kFurtherSweeps);
                mLowerBound = std::max(mLowerBound, entry->bound->value());
            }
        }
    }
    return result;
}

ExactResult ExactSolver::runQuickly(int64_t rows) {
    return run({{SharingEncoding::kStar, EliminationOrder::kJoinRows, rows, false},
                {SharingEncoding::kStar, EliminationOrder::kJoinRows, rows, true},
                {SharingEncoding::kChain, EliminationOrder::kJoinRows, rows, true}},
               kUnreachable, true);
}

ExactResult ExactSolver::runWithin(int64_t rows, double upperBound) {
    return run({{SharingEncoding::kStar, EliminationOrder::kJoinRows, rows, false},
                {SharingEncoding::kStar, EliminationOrder::kJoinRows, rows, true}},
               upperBound, false);
}

ExactResult ExactSolver::runThoroughly(const std::vector<int64_t>& budgets, double upperBound) {
    std::vector<Attempt> attempts;
    for (int64_t rows : budgets) {
        for (EliminationOrder order : {EliminationOrder::kJoinRows, EliminationOrder::kWeightedDegree,
                                       EliminationOrder::kFill, EliminationOrder::kDegree}) {
            if (rows <= kPortfolioRows || order == EliminationOrder::kJoinRows) {
                attempts.push_back({SharingEncoding::kStar, order, rows, true, true});
                attempts.push_back({SharingEncoding::kChain, order, rows, true, true});
            }
        }
    }
    return run(attempts, upperBound, true);
}

ExactResult ExactSolver::runTruncated(int64_t rows, EliminationOrder order) {
    ExactResult result;
    result.outcome = EliminationOutcome::kInfeasible;
    const Encoded& entry = encoded(SharingEncoding::kStar);
    if (entry.bound) {
        const ReducedNetwork network = entry.bound->within(kUnreachable);
        result.outcome =
            eliminateOnce({SharingEncoding::kStar, order, rows, false}, kUnreachable, true, network, result);
    }
    return result;
}

} // namespace tenon::schedule
