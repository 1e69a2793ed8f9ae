// Exact minimisation of a cost network by variable elimination.
//
// Who uses it: selector.cpp and selector_greedy.cpp.
// What it must not know: what variables mean.
#pragma once

#include "core/schedule/selector_reduction.h"
#include "core/schedule/selector_tables.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace tenon::schedule {

/// What the next variable to eliminate has least of.
enum class EliminationOrder {
    kJoinRows,       ///< estimated rows of the join
    kWeightedDegree, ///< sum of the log domains of its neighbours
    kFill,           ///< pairs of neighbours that become connected
    kDegree,         ///< neighbours
};
const char* eliminationOrderName(EliminationOrder order);

struct EliminationOptions {
    EliminationOrder order = EliminationOrder::kJoinRows;
    int64_t maxRows = 0;                                         ///< of any table
    double upperBound = std::numeric_limits<double>::infinity(); ///< rows that cannot be in a plan this cheap may go
    /// Keep the cheapest maxRows rows instead of giving up: an answer, if one is found, is valid but maybe not optimal.
    bool truncate = false;
    const std::function<bool()>* cancelled = nullptr;
};

enum class EliminationOutcome { kSolved, kInfeasible, kTooLarge, kCancelled };

struct EliminationResult {
    EliminationOutcome outcome = EliminationOutcome::kSolved;
    double cost = 0.0;
    std::vector<int32_t> assignment;
    int64_t largestTable = 0;
    int64_t joinedRows = 0;
    int64_t work = 0;         ///< table cells visited, roughly
    int32_t failedTable = -1; ///< if infeasible: a table of the network around which nothing fits
};

/// Arc consistency on the whole network, then renumbering; with `dominance`, dominated rows go as well. `feasible` is
/// false if a table ran empty; `wipedTable` is then its position.
struct ReducedNetwork {
    bool feasible = true;
    int32_t wipedTable = -1;
    CompactNetwork compact;
};
ReducedNetwork reduceNetwork(CostNetwork network, bool dominance);

EliminationResult eliminate(const CostNetwork& network, const EliminationOptions& options);

} // namespace tenon::schedule
