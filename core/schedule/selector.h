// Chooses which regions cover the graph, by which candidates, and which conversions join them.
//
// Who uses it: the scheduler, once every candidate has a cost; benchmarks. It is a pure function of its arguments.
// What it must not know: IR, tactics, devices, time (its budgets are rows, so that answers do not depend on load).
//
// Method: ports-and-links encoding (selector_encoding), variable elimination over sparse tables
// (selector_elimination), no-goods for contracted cycles (selector_cycles), and past the row budgets a bound by
// reparametrisation (selector_bound) and a greedy cover improved by exact windows (selector_greedy).
#pragma once

#include "core/schedule/selection_problem.h"
#include "core/support/status.h"

namespace tenon::schedule {

// Every node is covered by exactly one chosen region, the contracted graph is acyclic, no no-good is violated and the
// total cost is least if `proven`. Equal problems give equal answers; ties go to the smaller ids, decided locally.
// Errors: invalid input, an infeasible problem (the message names a node that nothing covers, or a value without a
// feasible format), cancellation. Reentrant.
support::Result<Selection> solve(const SelectionProblem& problem, const SelectionOptions& options = {});

} // namespace tenon::schedule
