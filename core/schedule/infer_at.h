// Inference of a node at numbers: inference takes extents with different names as they are, and sees what does not fit once they are numbers.
// Used by graph_checks and comparison_points. Knows op definitions, no tactic.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"
#include "core/support/status.h"

#include <vector>

namespace tenon::schedule {

// Types of the node's outputs when the symbols of its graph have these values; their extents are constants of `numbers`, as far as inference
// knows them. Error: the operands do not fit each other there.
support::Result<std::vector<ops::InferOutput>> inferAt(const ir::Node& node, const ops::OpDef& def,
                                                       const std::vector<int64_t>& symbolValues, ir::ExprPool& numbers);

} // namespace tenon::schedule
