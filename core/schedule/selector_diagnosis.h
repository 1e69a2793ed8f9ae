// Says why no plan exists, naming a node or a value.
//
// Who uses it: selector.cpp, after a solve found the problem infeasible.
#pragma once

#include "core/schedule/selector_exact.h"
#include "core/support/status.h"

namespace tenon::schedule {

/// Ok if every node lies in some usable region.
support::Status checkCoverage(const PreparedProblem& prepared);

/// The likeliest cause. `result` tells where the last possibility went.
support::Status explainInfeasible(const PreparedProblem& prepared, const ExactResult& result);

} // namespace tenon::schedule
