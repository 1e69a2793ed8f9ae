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

// Another round of bounding must leave at most this share of the rows to be followed by one more.
constexpr double kWorthwhileShrink = 0.8;

int64_t countRows(const CostNetwork& network) {
    int64_t rows = 0;
    for (const CostTable& table : network.tables) {
        rows += static_cast<int64_t>(table.rows());
    }
    return rows;
}

double slack(double cost) { return kRounding * std::max(1.0, std::abs(cost)); }

} // namespace

ExactSolver::ExactSolver(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                         const SelectionOptions& options, SelectionStatistics& statistics)
    : mPrepared(prepared), mNoGoods(noGoods), mOptions(options), mStatistics(statistics) {}

ExactSolver::Encoded& ExactSolver::encoded(SharingEncoding sharing) {
    std::optional<Encoded>& entry = mEncoded[sharing == SharingEncoding::kStar ? 0 : 1];
    if (entry) {
        return *entry;
    }
    entry.emplace();
    EncodingOptions options;
    options.sharing = sharing;
    entry->problem = encodeSelection(mPrepared, mNoGoods, options);
    entry->reduced = reduceNetwork(entry->problem.network, false);
    mStatistics.variables = static_cast<int32_t>(entry->problem.network.domains.size());
    mStatistics.tableRows = countRows(entry->problem.network);
    if (entry->reduced.feasible) {
        entry->positions = variablePositions(mPrepared, entry->problem);
        entry->bound.emplace(entry->reduced.compact.network, entry->positions);
        entry->bound->sweep(kFirstSweeps);
        entry->bound->even(kEvenPasses);
    }
    return *entry;
}

EliminationOutcome ExactSolver::attempt(SharingEncoding sharing, EliminationOrder order, int64_t rows, double limit,
                                        const ReducedNetwork& network, ExactResult& result) {
    const Encoded& entry = encoded(sharing);
    if (!network.feasible) {
        return EliminationOutcome::kInfeasible;
    }
    ++mStatistics.attempts;
    EliminationOptions options;
    options.order = order;
    options.maxRows = rows;
    options.upperBound = limit;
    options.cancelled = &mOptions.cancelled;
    EliminationResult eliminated = eliminate(network.compact.network, options);
    mStatistics.joinedRows += eliminated.joinedRows;
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
        mStatistics.order = eliminationOrderName(order);
    }
    return eliminated.outcome;
}

// Bounds and prunes the rows that are left over and over, as long as that pays.
void ExactSolver::tighten(SharingEncoding sharing, double limit, ReducedNetwork& network) {
    const std::vector<double>& positions = encoded(sharing).positions;
    while (network.feasible) {
        const int64_t before = countRows(network.compact.network);
        CostBound bound(network.compact.network, positions);
        bound.sweep(kFurtherSweeps);
        bound.even(kEvenPasses);
        ReducedNetwork smaller = bound.within(limit);
        for (size_t x = 0; smaller.feasible && x < smaller.compact.valueOf.size(); ++x) {
            for (int32_t& value : smaller.compact.valueOf[x]) {
                value = network.compact.valueOf[x][static_cast<size_t>(value)];
            }
        }
        network = std::move(smaller);
        if (!network.feasible || static_cast<double>(countRows(network.compact.network)) >
                                     kWorthwhileShrink * static_cast<double>(before)) {
            break;
        }
    }
}

// All budgets, encodings and orders on the rows that a plan within the limit may need.
EliminationOutcome ExactSolver::tryWithin(double limit, ExactResult& result) {
    std::optional<ReducedNetwork> networks[2];
    bool tightened[2] = {false, false};
    for (size_t budget = 0; budget < mOptions.rowBudgets.size(); ++budget) {
        for (EliminationOrder order : {EliminationOrder::kJoinRows, EliminationOrder::kWeightedDegree,
                                       EliminationOrder::kFill, EliminationOrder::kDegree}) {
            for (SharingEncoding sharing : {SharingEncoding::kStar, SharingEncoding::kChain}) {
                const size_t which = sharing == SharingEncoding::kStar ? 0 : 1;
                std::optional<ReducedNetwork>& network = networks[which];
                if (!network) {
                    network = encoded(sharing).bound->within(limit);
                } else if (!tightened[which]) {
                    tightened[which] = true;
                    tighten(sharing, limit, *network);
                }
                const EliminationOutcome outcome =
                    attempt(sharing, order, mOptions.rowBudgets[budget], limit, *network, result);
                if (outcome != EliminationOutcome::kTooLarge) {
                    return outcome;
                }
            }
        }
    }
    return EliminationOutcome::kTooLarge;
}

ExactResult ExactSolver::run(double upperBound) {
    ExactResult result;
    Encoded& first = encoded(SharingEncoding::kStar);
    if (!first.reduced.feasible) {
        result.outcome = EliminationOutcome::kInfeasible;
        result.truncated = first.problem.truncated;
        result.wipedNode = first.problem.tableNode[static_cast<size_t>(first.reduced.wipedTable)];
        result.wipedValue = first.problem.tableValue[static_cast<size_t>(first.reduced.wipedTable)];
        return result;
    }
    double guess = std::max(1.5 * first.bound->expectedGap(), kSmallestGuess * std::abs(first.bound->value()));
    for (int32_t i = 0; i < kMaxGuesses; ++i) {
        mLowerBound = std::max(mLowerBound, first.bound->value());
        double limit = i + 1 < kMaxGuesses ? mLowerBound + guess : kUnreachable;
        const bool known = limit >= upperBound;
        limit = known ? upperBound : limit;
        result.outcome = tryWithin(limit + slack(limit), result);
        result.lowerBound = mLowerBound;
        if (result.outcome == EliminationOutcome::kSolved) {
            if (mCost <= limit + slack(limit)) {
                result.lowerBound = mCost;
                return result;
            }
            upperBound = std::min(upperBound, mCost);
            continue;
        }
        if (result.outcome != EliminationOutcome::kInfeasible || known || limit == kUnreachable) {
            return result;
        }
        mLowerBound = std::max(mLowerBound, limit);
        guess = std::max(i == 0 ? guess : 2.0 * guess, 2.0 * first.bound->leastRowCost());
        for (std::optional<Encoded>& entry : mEncoded) {
            if (entry && entry->bound) {
                entry->bound->sweep(kFurtherSweeps);
                entry->bound->even(kEvenPasses);
            }
        }
    }
    return result;
}

} // namespace tenon::schedule
