// The graph of chosen regions: is it acyclic, and if not, what to forbid.
//
// Who uses it: selector.cpp, selector_greedy.cpp. What it must not know: costs and formats.
#pragma once

#include "core/schedule/selector_encoding.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

/// True if the groups, contracted, have no cycle. `groupOfNode[n]` is any group number >= 0; nodes of one group are
/// one vertex.
bool contractionIsAcyclic(const PreparedProblem& prepared, const std::vector<int32_t>& groupOfNode, int32_t groups);

/// One no-good per contracted cycle found (shortest ones, none twice); empty if the choice is acyclic. Each forbids
/// every plan that contains the same cycle, whatever regions cause it.
std::vector<NoGood> forbidCycles(const PreparedProblem& prepared, const std::vector<Choice>& choices);

} // namespace tenon::schedule
