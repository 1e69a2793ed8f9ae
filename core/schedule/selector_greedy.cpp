#include "core/schedule/selector_greedy.h"

#include "core/schedule/selector_assembly.h"
#include "core/schedule/selector_cycles.h"
#include "core/schedule/selector_exact.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tenon::schedule {
namespace {

constexpr int64_t kWindowRows = 10'000;
constexpr int64_t kTruncatedRows[] = {300, 3'000};
constexpr int32_t kWindowNodes[] = {12, 24, 40};
constexpr int32_t kMaxPasses = 6;
constexpr int32_t kWindowRounds = 6;
constexpr int64_t kCoverSteps = 50'000;
constexpr double kWorthwhile = 1e-9;

class Fallback {
public:
    Fallback(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods, const SelectionOptions& options,
             SelectionStatistics& statistics)
        : mPrepared(prepared), mNoGoods(noGoods), mOptions(options), mStatistics(statistics) {}

    FallbackPlan run(const std::vector<std::vector<Choice>>& starts) {
        for (const std::vector<Choice>& start : starts) {
            consider(start);
        }
        std::vector<int32_t> cover;
        if (greedyCover(cover)) {
            chooseFormats(cover);
        }
        if (mPlan.found) {
            for (int32_t size : kWindowNodes) {
                improve(size);
            }
        }
        mPlan.cancelled = isCancelled();
        return std::move(mPlan);
    }

private:
    void count(const SelectionStatistics& inner) {
        mStatistics.joinedRows += inner.joinedRows;
        mStatistics.attempts += inner.attempts;
        mStatistics.work += inner.work;
    }
    bool isCancelled() const { return mOptions.cancelled && mOptions.cancelled(); }
    const PreparedRegion& region(int32_t position) const { return mPrepared.regions[static_cast<size_t>(position)]; }

    // Takes the choices over if they are a cheaper valid plan.
    bool consider(const std::vector<Choice>& choices) {
        if (choices.empty() && mPrepared.nodeCount > 0) {
            return false;
        }
        const Assembly assembly = assembleSelection(mPrepared, choices);
        const double cost = assembly.selection.totalCost;
        const bool cheaper = !mPlan.found || cost < mPlan.cost - kWorthwhile * std::max(1.0, std::abs(mPlan.cost));
        if (!assembly.feasible || !cheaper || !forbidCycles(mPrepared, choices).empty()) {
            return false;
        }
        mPlan.found = true;
        mPlan.choices = choices;
        mPlan.cost = cost;
        mValueCost = assembly.valueCost;
        return true;
    }

    double cheapest(const PreparedRegion& from) const {
        double least = kUnreachable;
        for (const PreparedCandidate& candidate : from.candidates) {
            least = std::min(least, candidate.cost);
        }
        return least;
    }

    // Regions by what they save against the cheapest way to cover each member alone, as long as they fit and keep the
    // contracted graph acyclic; then whatever closes the gaps.
    bool greedyCover(std::vector<int32_t>& cover) {
        const size_t count = mPrepared.regions.size();
        std::vector<double> share(static_cast<size_t>(mPrepared.nodeCount), kUnreachable);
        std::vector<double> cost(count);
        for (size_t r = 0; r < count; ++r) {
            const PreparedRegion& from = mPrepared.regions[r];
            cost[r] = cheapest(from);
            for (int32_t node : from.nodes) {
                double& entry = share[static_cast<size_t>(node)];
                entry = std::min(entry, cost[r] / static_cast<double>(from.nodes.size()));
            }
        }
        for (const PreparedRegion& from : mPrepared.regions) {
            if (from.nodes.size() == 1) {
                share[static_cast<size_t>(from.nodes.front())] = cheapest(from);
            }
        }
        std::vector<double> saving(count);
        std::vector<int32_t> order(count);
        std::iota(order.begin(), order.end(), 0);
        for (size_t r = 0; r < count; ++r) {
            saving[r] = -cost[r];
            for (int32_t node : mPrepared.regions[r].nodes) {
                saving[r] += share[static_cast<size_t>(node)];
            }
        }
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
            return saving[static_cast<size_t>(a)] > saving[static_cast<size_t>(b)];
        });
        mGroup.resize(static_cast<size_t>(mPrepared.nodeCount));
        std::iota(mGroup.begin(), mGroup.end(), 0); // an open node is its own group, named by itself
        mCovered.assign(static_cast<size_t>(mPrepared.nodeCount), 0);
        cover.clear();
        for (int32_t position : order) {
            if (saving[static_cast<size_t>(position)] > 0.0 && place(position)) {
                cover.push_back(position);
            }
        }
        mSteps = 0;
        if (closeGaps(cover)) {
            return true;
        }
        while (!cover.empty()) {
            lift(cover.back());
            cover.pop_back();
        }
        mSteps = 0;
        return closeGaps(cover);
    }

    bool place(int32_t position) {
        const std::vector<int32_t>& nodes = region(position).nodes;
        for (int32_t node : nodes) {
            if (mCovered[static_cast<size_t>(node)] != 0) {
                return false;
            }
        }
        for (int32_t node : nodes) {
            mGroup[static_cast<size_t>(node)] = nodes.front();
            mCovered[static_cast<size_t>(node)] = 1;
        }
        if (nodes.size() > 1 && !contractionIsAcyclic(mPrepared, mGroup, mPrepared.nodeCount)) {
            lift(position);
            return false;
        }
        return true;
    }

    void lift(int32_t position) {
        for (int32_t node : region(position).nodes) {
            mGroup[static_cast<size_t>(node)] = node;
            mCovered[static_cast<size_t>(node)] = 0;
        }
    }

    // Depth-first: the open node with the fewest fitting regions next.
    bool closeGaps(std::vector<int32_t>& cover) {
        if (++mSteps > kCoverSteps) {
            return false;
        }
        int32_t next = -1;
        std::vector<int32_t> fitting;
        for (int32_t node = 0; node < mPrepared.nodeCount; ++node) {
            if (mCovered[static_cast<size_t>(node)] != 0) {
                continue;
            }
            std::vector<int32_t> options;
            for (int32_t position : mPrepared.regionsOfNode[static_cast<size_t>(node)]) {
                const std::vector<int32_t>& nodes = region(position).nodes;
                if (std::all_of(nodes.begin(), nodes.end(),
                                [&](int32_t member) { return mCovered[static_cast<size_t>(member)] == 0; })) {
                    options.push_back(position);
                }
            }
            if (next < 0 || options.size() < fitting.size()) {
                next = node;
                fitting = std::move(options);
            }
            if (fitting.size() <= 1) {
                break;
            }
        }
        if (next < 0) {
            return true;
        }
        std::stable_sort(fitting.begin(), fitting.end(),
                         [&](int32_t a, int32_t b) { return region(a).nodes.size() < region(b).nodes.size(); });
        for (int32_t position : fitting) {
            if (!place(position)) {
                continue;
            }
            cover.push_back(position);
            if (closeGaps(cover)) {
                return true;
            }
            cover.pop_back();
            lift(position);
        }
        return false;
    }

    // The cover stands; only candidates are open. Exactly if tables stay small, else by cheapest rows, else by a dive.
    void chooseFormats(const std::vector<int32_t>& cover) {
        std::vector<uint8_t> allowed(mPrepared.regions.size(), 0);
        for (int32_t position : cover) {
            allowed[static_cast<size_t>(position)] = 1;
        }
        EncodingOptions options;
        options.allowedRegions = &allowed;
        SelectionStatistics inner;
        ExactSolver solver(mPrepared, mNoGoods, options, mOptions, inner);
        ExactResult result = solver.runQuickly(kWindowRows);
        if (result.outcome == EliminationOutcome::kSolved) {
            consider(result.choices);
        } else if (result.outcome == EliminationOutcome::kTooLarge) {
            for (int64_t rows : kTruncatedRows) {
                result = solver.runTruncated(rows, EliminationOrder::kJoinRows);
                if (result.outcome == EliminationOutcome::kSolved) {
                    consider(result.choices);
                }
            }
            if (!mPlan.found) {
                dive(options);
            }
        }
        count(inner);
    }

    // Fixes one node after the other to its cheapest row that leaves every other table a row.
    void dive(const EncodingOptions& options) {
        const EncodedProblem problem = encodeSelection(mPrepared, mNoGoods, options);
        WorkingNetwork network(problem.network);
        if (!network.propagateAll()) {
            return;
        }
        for (int32_t id : problem.nodeTable) {
            while (network.table(id).rows() > 1) {
                const std::vector<double>& costs = network.table(id).costs;
                const size_t best = static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
                std::vector<uint8_t> only(costs.size(), 0);
                std::vector<uint8_t> others(costs.size(), 1);
                only[best] = 1;
                others[best] = 0;
                WorkingNetwork next = network;
                if (isCancelled()) {
                    return;
                }
                if (next.restrict(id, only)) {
                    network = std::move(next);
                } else if (!network.restrict(id, others)) {
                    return;
                }
            }
        }
        std::vector<int32_t> assignment(problem.network.domains.size(), 0);
        for (size_t x = 0; x < assignment.size(); ++x) {
            const std::vector<uint8_t>& alive = network.alive(static_cast<int32_t>(x));
            assignment[x] = static_cast<int32_t>(std::find(alive.begin(), alive.end(), 1) - alive.begin());
        }
        consider(decodeChoices(mPrepared, problem, assignment));
    }

    // Frees the regions around each chosen region in turn and solves that window exactly.
    void improve(int32_t size) {
        for (int32_t pass = 0; pass < kMaxPasses; ++pass) {
            bool better = false;
            std::vector<uint8_t> centred(static_cast<size_t>(mPrepared.nodeCount), 0);
            for (int32_t node = 0; node < mPrepared.nodeCount; ++node) {
                if (centred[static_cast<size_t>(node)] != 0) {
                    continue;
                }
                if (isCancelled() || mStatistics.work > mOptions.workLimit / 4 * 3) {
                    return; // the rest is for proving
                }
                const std::vector<int32_t> window = windowAround(node, size);
                for (size_t i = 0; i < (window.size() + 2) / 3; ++i) {
                    centred[static_cast<size_t>(window[i])] = 1;
                }
                better = solveWindow(window) || better;
            }
            if (!better) {
                return;
            }
        }
    }

    // Whole chosen regions by distance from the node's, nearest first.
    std::vector<int32_t> windowAround(int32_t node, int32_t size) const {
        std::vector<int32_t> choiceOf = choicePerNode();
        std::vector<uint8_t> taken(mPlan.choices.size(), 0);
        std::vector<int32_t> window;
        auto take = [&](int32_t member) {
            const size_t choice = static_cast<size_t>(choiceOf[static_cast<size_t>(member)]);
            if (taken[choice] == 0 && static_cast<int32_t>(window.size()) < size) {
                taken[choice] = 1;
                const std::vector<int32_t>& nodes = region(mPlan.choices[choice].region).nodes;
                window.insert(window.end(), nodes.begin(), nodes.end());
            }
        };
        take(node);
        for (size_t i = 0; i < window.size(); ++i) {
            const size_t member = static_cast<size_t>(window[i]);
            for (int32_t value : mPrepared.inputsOfNode[member]) {
                const PreparedValue& read = mPrepared.values[static_cast<size_t>(value)];
                if (read.producer >= 0) {
                    take(read.producer);
                }
                for (int32_t sibling : read.consumers) {
                    take(sibling);
                }
            }
            for (int32_t value : mPrepared.outputsOfNode[member]) {
                for (int32_t consumer : mPrepared.values[static_cast<size_t>(value)].consumers) {
                    take(consumer);
                }
            }
        }
        return window;
    }

    std::vector<int32_t> choicePerNode() const {
        std::vector<int32_t> result(static_cast<size_t>(mPrepared.nodeCount), 0);
        for (size_t i = 0; i < mPlan.choices.size(); ++i) {
            for (int32_t node : region(mPlan.choices[i].region).nodes) {
                result[static_cast<size_t>(node)] = static_cast<int32_t>(i);
            }
        }
        return result;
    }

    // What the plan spends on the window: its candidates, and the values that its nodes make or read.
    double costOf(const std::vector<int32_t>& window) const {
        double cost = 0.0;
        const std::vector<int32_t> choiceOf = choicePerNode();
        std::vector<int32_t> choices;
        std::vector<int32_t> values;
        for (int32_t node : window) {
            const size_t n = static_cast<size_t>(node);
            choices.push_back(choiceOf[n]);
            values.insert(values.end(), mPrepared.inputsOfNode[n].begin(), mPrepared.inputsOfNode[n].end());
            values.insert(values.end(), mPrepared.outputsOfNode[n].begin(), mPrepared.outputsOfNode[n].end());
        }
        for (std::vector<int32_t>* list : {&choices, &values}) {
            std::sort(list->begin(), list->end());
            list->erase(std::unique(list->begin(), list->end()), list->end());
        }
        for (int32_t index : choices) {
            const Choice& choice = mPlan.choices[static_cast<size_t>(index)];
            cost += region(choice.region).candidates[static_cast<size_t>(choice.candidate)].cost;
        }
        for (int32_t value : values) {
            cost += mValueCost[static_cast<size_t>(value)];
        }
        return cost;
    }

    bool solveWindow(const std::vector<int32_t>& window) {
        std::vector<Choice> fixed(static_cast<size_t>(mPrepared.nodeCount));
        const std::vector<int32_t> choiceOf = choicePerNode();
        for (size_t node = 0; node < fixed.size(); ++node) {
            fixed[node] = mPlan.choices[static_cast<size_t>(choiceOf[node])];
        }
        for (int32_t node : window) {
            fixed[static_cast<size_t>(node)].region = -1;
        }
        std::vector<uint8_t> allowed(mPrepared.regions.size(), 0);
        for (int32_t node : window) {
            for (int32_t position : mPrepared.regionsOfNode[static_cast<size_t>(node)]) {
                const std::vector<int32_t>& nodes = region(position).nodes;
                allowed[static_cast<size_t>(position)] = std::all_of(nodes.begin(), nodes.end(), [&](int32_t member) {
                    return fixed[static_cast<size_t>(member)].region < 0;
                });
            }
        }
        std::vector<Choice> standing;
        for (const Choice& choice : mPlan.choices) {
            if (fixed[static_cast<size_t>(region(choice.region).nodes.front())].region >= 0) {
                standing.push_back(choice);
            }
        }
        const double standingCost = costOf(window);
        EncodingOptions options;
        options.allowedRegions = &allowed;
        options.fixedChoices = &fixed;
        std::vector<NoGood> noGoods = mNoGoods;
        for (int32_t round = 0; round < kWindowRounds; ++round) {
            SelectionStatistics inner;
            ExactSolver solver(mPrepared, noGoods, options, mOptions, inner);
            const ExactResult result = solver.runWithin(kWindowRows, standingCost);
            count(inner);
            if (result.outcome != EliminationOutcome::kSolved) {
                return false;
            }
            std::vector<Choice> choices = standing;
            choices.insert(choices.end(), result.choices.begin(), result.choices.end());
            std::sort(choices.begin(), choices.end(), [&](const Choice& a, const Choice& b) {
                return region(a.region).nodes.front() < region(b.region).nodes.front();
            });
            const std::vector<NoGood> cycles = forbidCycles(mPrepared, choices);
            if (cycles.empty()) {
                return consider(choices);
            }
            noGoods.insert(noGoods.end(), cycles.begin(), cycles.end());
        }
        return false;
    }

    const PreparedProblem& mPrepared;
    const std::vector<NoGood>& mNoGoods;
    const SelectionOptions& mOptions;
    SelectionStatistics& mStatistics;
    FallbackPlan mPlan;
    std::vector<double> mValueCost; // of the plan
    std::vector<int32_t> mGroup;
    std::vector<uint8_t> mCovered;
    int64_t mSteps = 0;
};

} // namespace

FallbackPlan planGreedily(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                          const std::vector<std::vector<Choice>>& starts, const SelectionOptions& options,
                          SelectionStatistics& statistics) {
    return Fallback(prepared, noGoods, options, statistics).run(starts);
}

} // namespace tenon::schedule
