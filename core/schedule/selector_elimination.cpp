#include "core/schedule/selector_elimination.h"

#include "core/schedule/selection_problem.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace tenon::schedule {
namespace {

// Pairs may exceed rows by this factor before an attempt is given up.
constexpr int64_t kPairsPerRow = 8;
constexpr int64_t kWorkPerPair = 8;
constexpr int64_t kWorkPerCell = 8;
constexpr double kBoundSlack = 1e-9;

class Eliminator {
public:
    Eliminator(const CostNetwork& network, const EliminationOptions& options)
        : mNet(network), mOptions(options), mGiven(static_cast<int32_t>(network.tables.size())),
          mScore(mNet.variableCount(), 0.0), mLogDomain(mNet.variableCount(), 0.0), mDone(mNet.variableCount(), 0),
          mMark(mNet.variableCount(), 0) {}

    EliminationResult run() {
        if (!mNet.propagateAll()) {
            mResult.failedTable = mNet.wipedTable();
            return fail(EliminationOutcome::kInfeasible);
        }
        for (size_t x = 0; x < mNet.variableCount(); ++x) {
            mLogDomain[x] = std::log2(static_cast<double>(mNet.aliveCount(static_cast<int32_t>(x))));
        }
        for (size_t i = 0, count = mNet.tableCount(); i < count; ++i) {
            noteSize(mNet.table(static_cast<int32_t>(i)));
            absorb(static_cast<int32_t>(i));
        }
        mNet.takeTouched();
        for (size_t x = 0; x < mNet.variableCount(); ++x) {
            mScore[x] = score(static_cast<int32_t>(x));
            mQueue.emplace(mScore[x], static_cast<int32_t>(x));
        }
        while (!mQueue.empty()) {
            if (mOptions.cancelled != nullptr && *mOptions.cancelled && (*mOptions.cancelled)()) {
                return fail(EliminationOutcome::kCancelled);
            }
            const int32_t var = mQueue.begin()->second;
            mQueue.erase(mQueue.begin());
            const EliminationOutcome outcome = eliminateVariable(var);
            if (outcome != EliminationOutcome::kSolved) {
                return fail(outcome);
            }
            for (int32_t touched : mNet.takeTouched()) {
                const size_t x = static_cast<size_t>(touched);
                if (mDone[x] != 0) {
                    continue;
                }
                mLogDomain[x] = std::log2(static_cast<double>(mNet.aliveCount(touched)));
                const double next = score(touched);
                if (next != mScore[x]) {
                    mQueue.erase({mScore[x], touched});
                    mScore[x] = next;
                    mQueue.emplace(next, touched);
                }
            }
        }
        reconstruct();
        mResult.cost = mNet.constant();
        return std::move(mResult);
    }

private:
    struct Step {
        int32_t var = 0;
        std::vector<int32_t> tables; // that held it when it went
    };

    EliminationResult fail(EliminationOutcome outcome) {
        mResult.outcome = outcome;
        return std::move(mResult);
    }

    void noteSize(const CostTable& table) {
        mResult.largestTable = std::max(mResult.largestTable, static_cast<int64_t>(table.rows()));
    }

    double score(int32_t var) {
        ++mStamp;
        double domains = 0.0;
        double rows = 0.0;
        double shared = 0.0;
        mNeighbours.clear();
        for (int32_t id : mNet.tablesOf(var)) {
            const CostTable& table = mNet.table(id);
            rows += std::log2(static_cast<double>(std::max<size_t>(table.rows(), 1)));
            for (int32_t other : table.vars) {
                const size_t x = static_cast<size_t>(other);
                if (mMark[x] == mStamp) {
                    shared += mLogDomain[x];
                    continue;
                }
                mMark[x] = mStamp;
                domains += mLogDomain[x];
                if (other != var) {
                    mNeighbours.push_back(other);
                }
            }
        }
        switch (mOptions.order) {
        case EliminationOrder::kJoinRows:
            return std::min(domains, rows - shared);
        case EliminationOrder::kWeightedDegree:
            return domains - mLogDomain[static_cast<size_t>(var)];
        case EliminationOrder::kFill:
            return missingPairs();
        case EliminationOrder::kDegree:
            return static_cast<double>(mNeighbours.size());
        }
        return 0.0;
    }

    double missingPairs() {
        int64_t missing = 0;
        const std::vector<int32_t> neighbours = mNeighbours;
        for (int32_t one : neighbours) {
            ++mStamp;
            for (int32_t id : mNet.tablesOf(one)) {
                for (int32_t other : mNet.table(id).vars) {
                    mMark[static_cast<size_t>(other)] = mStamp;
                }
            }
            for (int32_t other : neighbours) {
                missing += mMark[static_cast<size_t>(other)] == mStamp ? 0 : 1;
            }
        }
        return static_cast<double>(missing);
    }

    // Which table to join next: a filter on what is there already if possible, else the most agreeing smallest one.
    size_t nextToJoin(const CostTable& joined, const std::vector<int32_t>& open) const {
        size_t best = 0;
        double bestGrowth = kUnreachable;
        for (size_t i = 0; i < open.size(); ++i) {
            const CostTable& table = mNet.table(open[i]);
            double growth = std::log2(static_cast<double>(std::max<size_t>(table.rows(), 1)));
            double fresh = 0.0;
            for (int32_t var : table.vars) {
                if (joined.columnOf(var) >= 0) {
                    growth -= mLogDomain[static_cast<size_t>(var)];
                } else {
                    fresh += mLogDomain[static_cast<size_t>(var)];
                }
            }
            growth = std::min(growth, fresh);
            if (growth < bestGrowth) {
                bestGrowth = growth;
                best = i;
            }
        }
        return best;
    }

    EliminationOutcome eliminateVariable(int32_t var) {
        mDone[static_cast<size_t>(var)] = 1;
        const std::vector<int32_t> bucket = mNet.tablesOf(var);
        const int64_t pairsBefore = mResult.joinedRows;
        for (int32_t id : bucket) {
            mResult.failedTable = id < mGiven ? id : mResult.failedTable;
        }
        mSteps.push_back({var, bucket});
        if (bucket.empty()) {
            return EliminationOutcome::kSolved;
        }
        std::vector<int32_t> open = bucket;
        std::stable_sort(open.begin(), open.end(),
                         [&](int32_t a, int32_t b) { return mNet.table(a).rows() < mNet.table(b).rows(); });
        CostTable joined;
        if (open.size() == 1) {
            joined = dropVariable(mNet.table(open.front()), var, mNet.bits());
        } else {
            const CostTable* left = &mNet.table(open.front());
            open.erase(open.begin());
            while (!open.empty()) {
                const size_t pick = nextToJoin(*left, open);
                const CostTable& right = mNet.table(open[pick]);
                open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
                CostTable next;
                const int32_t drop = open.empty() ? var : -1;
                if (!join(*left, right, drop, next)) {
                    mResult.work += kWorkPerPair * (mResult.joinedRows - pairsBefore);
                    return EliminationOutcome::kTooLarge;
                }
                joined = std::move(next);
                prune(joined);
                noteSize(joined);
                left = &joined;
            }
        }
        for (int32_t id : bucket) {
            mNet.removeTable(id);
        }
        if (joined.rows() == 0) {
            return EliminationOutcome::kInfeasible;
        }
        if (joined.vars.empty()) {
            mNet.addConstant(*std::min_element(joined.costs.begin(), joined.costs.end()));
            return EliminationOutcome::kSolved;
        }
        const int64_t cells = static_cast<int64_t>(joined.cells.size());
        mResult.work += kWorkPerPair * (mResult.joinedRows - pairsBefore) + kWorkPerCell * cells;
        const int32_t id = mNet.addTable(std::move(joined));
        pruneTable(id);
        if (mNet.table(id).rows() == 0) {
            return EliminationOutcome::kInfeasible;
        }
        const int32_t kept = absorb(id);
        if (!mNet.propagate({kept})) {
            return EliminationOutcome::kInfeasible;
        }
        if (mNet.dominate(kept) && !mNet.propagate({kept})) {
            return EliminationOutcome::kInfeasible;
        }
        return EliminationOutcome::kSolved;
    }

    bool join(const CostTable& a, const CostTable& b, int32_t drop, CostTable& out) {
        const CostTable& larger = a.rows() >= b.rows() ? a : b;
        const CostTable& smaller = a.rows() >= b.rows() ? b : a;
        const int64_t pairs = mOptions.maxRows * kPairsPerRow;
        if (!mOptions.truncate) {
            return joinTables(larger, smaller, drop, mNet.bits(), {mOptions.maxRows, pairs}, out, mResult.joinedRows) ==
                   JoinOutcome::kDone;
        }
        // Fewer and fewer rows of the larger table, until the join stays small enough.
        CostTable shortened = larger;
        while (joinTables(shortened, smaller, drop, mNet.bits(), {pairs, pairs}, out, mResult.joinedRows) !=
               JoinOutcome::kDone) {
            keepCheapest(shortened, static_cast<int64_t>(shortened.rows()) / 2);
        }
        keepCheapest(out, mOptions.maxRows);
        return true;
    }

    static void keepCheapest(CostTable& table, int64_t rows) {
        if (static_cast<int64_t>(table.rows()) <= rows) {
            return;
        }
        std::vector<int32_t> order(table.rows());
        std::iota(order.begin(), order.end(), 0);
        std::nth_element(order.begin(), order.begin() + rows, order.end(), [&](int32_t a, int32_t b) {
            const double one = table.costs[static_cast<size_t>(a)];
            const double other = table.costs[static_cast<size_t>(b)];
            return one != other ? one < other : a < b;
        });
        std::vector<uint8_t> keep(table.rows(), 0);
        for (int64_t i = 0; i < rows; ++i) {
            keep[static_cast<size_t>(order[static_cast<size_t>(i)])] = 1;
        }
        keepRows(table, keep);
    }

    double room() const {
        return mOptions.upperBound - mNet.constant() + kBoundSlack * std::max(1.0, std::abs(mOptions.upperBound));
    }

    // All other tables cost at least zero, so a row dearer than what is left to spend is in no better plan.
    void prune(CostTable& table) const {
        if (mOptions.upperBound == kUnreachable) {
            return;
        }
        const double limit = room();
        std::vector<uint8_t> keep(table.rows());
        for (size_t r = 0; r < keep.size(); ++r) {
            keep[r] = table.costs[r] <= limit ? 1 : 0;
        }
        keepRows(table, keep);
    }
    void pruneTable(int32_t id) {
        if (mOptions.upperBound == kUnreachable) {
            return;
        }
        CostTable table = mNet.table(id);
        prune(table);
        if (table.rows() != mNet.table(id).rows()) {
            mNet.replaceTable(id, std::move(table));
        }
    }

    // Adds tables over a subset of the variables into the wider one. Returns the table that `id` ended up in.
    int32_t absorb(int32_t id) {
        if (!mNet.live(id) || mNet.table(id).vars.empty()) {
            return id;
        }
        while (true) {
            const std::vector<int32_t>& vars = mNet.table(id).vars;
            std::vector<int32_t> touching;
            for (int32_t var : vars) {
                for (int32_t other : mNet.tablesOf(var)) {
                    if (other != id) {
                        touching.push_back(other);
                    }
                }
            }
            std::sort(touching.begin(), touching.end());
            touching.erase(std::unique(touching.begin(), touching.end()), touching.end());
            int32_t inner = -1;
            int32_t outer = -1;
            for (int32_t other : touching) {
                const std::vector<int32_t>& theirs = mNet.table(other).vars;
                if (theirs.size() <= vars.size() &&
                    std::includes(vars.begin(), vars.end(), theirs.begin(), theirs.end())) {
                    inner = other;
                    outer = id;
                    break;
                }
                if (std::includes(theirs.begin(), theirs.end(), vars.begin(), vars.end())) {
                    inner = id;
                    outer = other;
                    break;
                }
            }
            if (inner < 0) {
                return id;
            }
            CostTable merged;
            const int64_t unlimited = std::numeric_limits<int64_t>::max();
            joinTables(mNet.table(outer), mNet.table(inner), -1, mNet.bits(), {unlimited, unlimited}, merged,
                       mResult.joinedRows);
            mNet.removeTable(inner);
            mNet.replaceTable(outer, std::move(merged));
            id = outer;
        }
    }

    // Last eliminated first: every step's tables then hold only that variable and decided ones.
    void reconstruct() {
        mResult.assignment.assign(mNet.variableCount(), 0);
        for (size_t i = mSteps.size(); i-- > 0;) {
            const Step& step = mSteps[i];
            const size_t var = static_cast<size_t>(step.var);
            std::vector<double> cost(mNet.alive(step.var).size(), 0.0);
            std::vector<double> found;
            for (int32_t id : step.tables) {
                const CostTable& table = mNet.table(id);
                const size_t column = static_cast<size_t>(table.columnOf(step.var));
                found.assign(cost.size(), kUnreachable);
                for (size_t r = 0; r < table.rows(); ++r) {
                    const int32_t* row = table.row(r);
                    bool equal = true;
                    for (size_t c = 0; c < table.vars.size() && equal; ++c) {
                        equal = c == column || row[c] == mResult.assignment[static_cast<size_t>(table.vars[c])];
                    }
                    if (equal) {
                        double& entry = found[static_cast<size_t>(row[column])];
                        entry = std::min(entry, table.costs[r]);
                    }
                }
                for (size_t value = 0; value < cost.size(); ++value) {
                    cost[value] += found[value];
                }
            }
            size_t best = 0;
            for (size_t value = 0; value < cost.size(); ++value) {
                const bool alive = mNet.alive(step.var)[value] != 0;
                if (alive && (cost[value] < cost[best] || mNet.alive(step.var)[best] == 0)) {
                    best = value;
                }
            }
            mResult.assignment[var] = static_cast<int32_t>(best);
        }
    }

    WorkingNetwork mNet;
    const EliminationOptions& mOptions;
    int32_t mGiven = 0; // tables below this number are the network's own
    EliminationResult mResult;
    std::vector<Step> mSteps;
    std::vector<double> mScore;
    std::vector<double> mLogDomain;
    std::vector<uint8_t> mDone;
    std::set<std::pair<double, int32_t>> mQueue;
    std::vector<int64_t> mMark;
    std::vector<int32_t> mNeighbours;
    int64_t mStamp = 0;
};

} // namespace

const char* eliminationOrderName(EliminationOrder order) {
    switch (order) {
    case EliminationOrder::kJoinRows:
        return "join rows";
    case EliminationOrder::kWeightedDegree:
        return "weighted degree";
    case EliminationOrder::kFill:
        return "fill";
    case EliminationOrder::kDegree:
        return "degree";
    }
    return "";
}

ReducedNetwork reduceNetwork(CostNetwork network, bool dominance) {
    ReducedNetwork result;
    {
        WorkingNetwork working(std::move(network));
        if (!working.propagateAll()) {
            result.feasible = false;
            result.wipedTable = working.wipedTable();
            return result;
        }
        result.compact = compact(working);
    }
    if (!dominance) {
        return result;
    }
    WorkingNetwork working(std::move(result.compact.network));
    bool any = false;
    for (size_t i = 0; i < working.tableCount(); ++i) {
        const int32_t id = static_cast<int32_t>(i);
        if (working.dominate(id)) {
            any = true;
            working.propagate({id});
        }
    }
    CompactNetwork smaller = compact(working);
    if (any) {
        for (size_t x = 0; x < smaller.valueOf.size(); ++x) {
            for (int32_t& value : smaller.valueOf[x]) {
                value = result.compact.valueOf[x][static_cast<size_t>(value)];
            }
        }
        result.compact.valueOf = std::move(smaller.valueOf);
    }
    result.compact.network = std::move(smaller.network);
    return result;
}

EliminationResult eliminate(const CostNetwork& network, const EliminationOptions& options) {
    return Eliminator(network, options).run();
}

} // namespace tenon::schedule
