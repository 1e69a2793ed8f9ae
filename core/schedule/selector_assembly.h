// From chosen candidates to the Selection that the caller gets: conversions, graph ends, exact total.
//
// Who uses it: selector.cpp, and selector_greedy.cpp for costs. What it must not know: how the choice was made.
#pragma once

#include "core/schedule/selector_encoding.h"

#include <vector>

namespace tenon::schedule {

struct Assembly {
    std::vector<double> valueCost; ///< per value: conversions and arrival
    Selection selection;           ///< `proven` and `statistics` are left to the caller
    bool feasible = true;          ///< false: some value cannot reach a format that is asked of it
    bool exact = true;             ///< false: a value had too many formats for an exact conversion tree
};

/// `choices` must cover every node once.
Assembly assembleSelection(const PreparedProblem& prepared, const std::vector<Choice>& choices);

} // namespace tenon::schedule
