#include "core/schedule/selector.h"

#include "core/schedule/selector_assembly.h"
#include "core/schedule/selector_cycles.h"
#include "core/schedule/selector_diagnosis.h"
#include "core/schedule/selector_exact.h"
#include "core/schedule/selector_greedy.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tenon::schedule {
namespace {

using support::Code;
using support::makeError;
using support::okStatus;
using support::Result;
using support::Status;

// The fallback also improves what elimination with only the cheapest rows finds.
constexpr int64_t kTruncatedRows = 300;
constexpr double kRounding = 1e-9;

class Selector {
public:
    Selector(const PreparedProblem& prepared, const SelectionOptions& options)
        : mPrepared(prepared), mOptions(options) {}

    Result<Selection> run() {
        collectNoGoods();
        for (int32_t round = 1; round <= std::max(1, mOptions.maxRounds); ++round) {
            mStatistics.rounds = round;
            std::vector<Choice> choices;
            bool proven = false;
            TN_RETURN_IF_ERROR(solveOnce(choices, proven));
            const std::vector<NoGood> cycles = forbidCycles(mPrepared, choices);
            if (cycles.empty()) {
                return finish(choices, proven);
            }
            for (const NoGood& cycle : cycles) {
                mNoGoods.push_back(cycle);
                ++mStatistics.cycleNoGoods;
            }
        }
        // Cycle after cycle: settle for a plan that is acyclic by construction.
        TN_RETURN_IF_ERROR(planFallback(nullptr));
        if (!mFallback.found) {
            return makeError(Code::kBuildFailed, "after ", mOptions.maxRounds,
                             " rounds every plan found still had a cycle between regions, and no simple cover exists. "
                             "Provide single-node candidates, or allow more rounds");
        }
        mStatistics.method = SelectionMethod::kFallback;
        return finish(mFallback.choices, false);
    }

private:
    void collectNoGoods() {
        std::vector<std::pair<int32_t, int32_t>> anchors; // candidate id, anchor
        for (const PreparedRegion& region : mPrepared.regions) {
            mStatistics.keptCandidates += static_cast<int32_t>(region.candidates.size());
            for (const PreparedCandidate& candidate : region.candidates) {
                if (candidate.guarded) {
                    anchors.emplace_back(candidate.id, region.anchor);
                }
            }
        }
        std::sort(anchors.begin(), anchors.end());
        for (const std::vector<int32_t>& ids : mPrepared.noGoods) {
            NoGood noGood;
            for (int32_t id : ids) {
                const auto it = std::lower_bound(anchors.begin(), anchors.end(), std::pair{id, int32_t{0}});
                noGood.terms.push_back({it->second, 0, 0, id});
            }
            mNoGoods.push_back(std::move(noGood));
        }
    }

    Status cancelled() const {
        return makeError(Code::kCancelled, "the selection of regions was cancelled by its caller");
    }

    // An answer to the problem with the no-goods so far; cycles are the caller's affair unless it is the fallback's.
    Status solveOnce(std::vector<Choice>& choices, bool& proven) {
        const EncodingOptions encoding;
        ExactSolver solver(mPrepared, mNoGoods, encoding, mOptions, mStatistics);
        ExactResult result;
        if (!mOptions.rowBudgets.empty()) {
            result = solver.runQuickly(mOptions.rowBudgets.front());
        }
        if (result.outcome == EliminationOutcome::kTooLarge) {
            TN_RETURN_IF_ERROR(planFallback(&solver));
            mStatistics.lowerBound = std::min(solver.lowerBound(), mFallback.cost);
            const double gap = mFallback.cost - mStatistics.lowerBound;
            if (mFallback.found && gap <= kRounding * std::max(1.0, std::abs(mFallback.cost))) {
                return useFallback(choices, proven, true);
            }
            result = solver.runThoroughly(mOptions.rowBudgets, mFallback.cost);
        }
        mStatistics.lowerBound = std::min(solver.lowerBound(), mFallback.cost);
        switch (result.outcome) {
        case EliminationOutcome::kSolved:
            mStatistics.method = SelectionMethod::kElimination;
            choices = std::move(result.choices);
            proven = !result.truncated;
            return okStatus();
        case EliminationOutcome::kInfeasible:
            if (mFallback.found) {
                return useFallback(choices, proven, !result.truncated); // nothing cheaper exists
            }
            if (result.truncated) {
                TN_RETURN_IF_ERROR(planFallback(&solver));
                if (mFallback.found) {
                    return useFallback(choices, proven, false);
                }
            }
            return explainInfeasible(mPrepared, result);
        case EliminationOutcome::kCancelled:
            return cancelled();
        case EliminationOutcome::kTooLarge:
            if (mFallback.found) {
                return useFallback(choices, proven, false);
            }
            return makeError(
                Code::kBuildFailed,
                "the selection of regions exceeded its row budgets, and a bounded search found no cover of "
                "all ",
                mPrepared.nodeCount, " nodes. Provide single-node candidates, or raise the row budgets");
        }
        return okStatus();
    }

    Status useFallback(std::vector<Choice>& choices, bool& proven, bool isOptimal) {
        mStatistics.method = SelectionMethod::kFallback;
        choices = mFallback.choices;
        proven = isOptimal;
        return okStatus();
    }

    // Once per solve: its plan is acyclic and so stays valid in later rounds.
    Status planFallback(ExactSolver* solver) {
        if (mFallback.found) {
            return okStatus();
        }
        std::vector<std::vector<Choice>> starts;
        for (EliminationOrder order : {EliminationOrder::kJoinRows, EliminationOrder::kWeightedDegree}) {
            if (solver == nullptr) {
                continue;
            }
            ExactResult result = solver->runTruncated(kTruncatedRows, order);
            if (result.outcome == EliminationOutcome::kCancelled) {
                return cancelled();
            }
            if (result.outcome == EliminationOutcome::kSolved) {
                starts.push_back(std::move(result.choices));
            }
        }
        mFallback = planGreedily(mPrepared, mNoGoods, starts, mOptions, mStatistics);
        return mFallback.cancelled ? cancelled() : okStatus();
    }

    Result<Selection> finish(const std::vector<Choice>& choices, bool proven) {
        Assembly assembly = assembleSelection(mPrepared, choices);
        if (!assembly.feasible || static_cast<size_t>(std::count(assembly.selection.regionOfNode.begin(),
                                                                 assembly.selection.regionOfNode.end(), -1)) != 0) {
            return support::internalError("the selector chose regions that do not form a plan");
        }
        Selection& selection = assembly.selection;
        selection.proven = proven && assembly.exact;
        selection.statistics = mStatistics;
        if (selection.proven) {
            selection.statistics.lowerBound = selection.totalCost;
        }
        return std::move(selection);
    }

    const PreparedProblem& mPrepared;
    const SelectionOptions& mOptions;
    std::vector<NoGood> mNoGoods;
    FallbackPlan mFallback;
    SelectionStatistics mStatistics;
};

} // namespace

Result<Selection> solve(const SelectionProblem& problem, const SelectionOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    TN_ASSIGN_OR_RETURN(const PreparedProblem prepared, prepareSelection(problem));
    TN_RETURN_IF_ERROR(checkCoverage(prepared));
    Result<Selection> result = Selector(prepared, options).run();
    if (result.ok()) {
        const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
        result.value().statistics.milliseconds = elapsed.count();
    }
    return result;
}

} // namespace tenon::schedule
