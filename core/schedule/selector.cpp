#include "core/schedule/selector.h"

#include "core/schedule/selector_assembly.h"
#include "core/schedule/selector_cycles.h"
#include "core/schedule/selector_exact.h"

#include <chrono>

namespace tenon::schedule {
using namespace support;

Result<Selection> solve(const SelectionProblem& problem, const SelectionOptions& options) {
    TN_ASSIGN_OR_RETURN(PreparedProblem prepared, prepareSelection(problem));
    SelectionStatistics stats;
    const auto t0 = std::chrono::steady_clock::now();
    std::vector<NoGood> noGoods;
    for (auto& ng : prepared.noGoods) {
        NoGood g;
        for (int32_t id : ng)
            for (auto& r : prepared.regions)
                for (auto& c : r.candidates)
                    if (c.id == id)
                        g.terms.push_back({r.anchor, 0, 0, id});
        noGoods.push_back(g);
    }
    for (int round = 1; round <= options.maxRounds; ++round) {
        stats.rounds = round;
        ExactSolver solver(prepared, noGoods, options, stats);
        ExactResult exact = solver.run(kUnreachable);
        if (exact.outcome != EliminationOutcome::kSolved)
            return unsupported("outcome ", static_cast<int>(exact.outcome));
        auto more = forbidCycles(prepared, exact.choices);
        if (!more.empty()) {
            noGoods.insert(noGoods.end(), more.begin(), more.end());
            stats.cycleNoGoods += static_cast<int32_t>(more.size());
            continue;
        }
        Assembly a = assembleSelection(prepared, exact.choices);
        a.selection.statistics = stats;
        a.selection.proven = true;
        a.selection.statistics.lowerBound = exact.lowerBound;
        a.selection.statistics.milliseconds =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t0).count();
        return std::move(a.selection);
    }
    return unsupported("rounds");
}
} // namespace tenon::schedule
