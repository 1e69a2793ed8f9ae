// What a build refuses of an optimised graph before it looks for tactics.
// Used by build_engine. Knows types, bounds and op definitions, no tactic.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"
#include "core/support/status.h"

namespace tenon::schedule {

// Kernels read what defines shapes from attributes. An operand that no pass could turn into one would be ignored, so it is refused: all of
// them in one message.
support::Status refuseRunTimeOperands(const ir::Graph& graph, const ops::OpRegistry& registry);

// Shapes that depend on data: this version runs none.
support::Status refuseUnbacked(const ir::Graph& graph);

// Every tensor at the optimal extents must fit into this machine's memory, where tactics are tried on it; every input at its largest extents
// must have a size that can be counted. kInvalidArgument names the first tensor that does not, its extents and its bytes.
support::Status checkSizes(const ir::Graph& graph, const ir::SymbolBox& box);

// Operands that broadcast against each other, are multiplied or concatenated must fit at the optimal extents, where tactics are tried: extents with
// different names may each have a fine range and still contradict each other. kInvalidArgument names the first node where they do, and the extents.
support::Status checkOperands(const ir::Graph& graph, const ops::OpRegistry& registry, const ir::SymbolBox& box);

} // namespace tenon::schedule
