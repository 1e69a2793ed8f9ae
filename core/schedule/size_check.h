// Refuses shapes that no machine holds before anything is timed at them.
// Used by build_engine. Knows types and bounds, no tactic.
#pragma once

#include "core/ir/graph.h"
#include "core/support/status.h"

namespace tenon::schedule {

// Every tensor at the optimal extents must fit into this machine's memory, where tactics are tried on it; every input at its largest extents
// must have a size that can be counted. kInvalidArgument names the first tensor that does not, its extents and its bytes.
support::Status checkSizes(const ir::Graph& graph, const ir::SymbolBox& box);

} // namespace tenon::schedule
