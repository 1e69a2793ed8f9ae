// Regions: what a fused kernel could compute at once. Patterns and providers record regions; nothing is rewritten before one has won by time.
// Used by the scheduler. Knows IR and op definitions; no provider.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::passes {

// A convex set of nodes of one graph, constants not among them. Without a body the region computes these nodes verbatim. A body that replaces
// them shares the graph's expressions; its inputs and outputs stand for `inputs` and `outputs`.
struct Region {
    std::string label; // "pointwise", "conv+bias+relu"
    std::vector<ir::Node*> nodes;
    std::shared_ptr<const ir::Graph> body = nullptr;
    std::vector<ir::Value*> inputs = {};
    std::vector<ir::Value*> outputs = {};
};

// Everything that the patterns of pattern_registry.h find, each pattern in turn. Deterministic; regions may overlap.
std::vector<Region> collectRegions(const ir::Graph& graph, const ops::OpRegistry& ops = ops::OpRegistry::builtin());

} // namespace tenon::passes
