// The regions that compete to cover a graph: every node alone, what the fusion patterns found, what providers propose.
// Used by build_engine; nothing is rewritten here.
#pragma once

#include "core/schedule/task.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

struct RegionEntry {
    int32_t id = 0;
    std::string label;              // "conv", "conv+bias+relu", "onednn: ..."
    std::vector<ir::Node*> nodes;   // in topological order; const nodes are never members
    std::vector<ir::Value*> inputs; // of the task, constants included
    std::vector<ir::Value*> outputs;
    std::shared_ptr<Task> task; // shared by regions that compute the same
    bool replaced = false;      // the task is not these nodes, but something that a pattern says is equal
    bool wrong = false;         // verification found that it is not: the region is out
    // Expressions of TnPrepareArgs::scalars. Those of the task are of the region that it was made for: equal in form, of other symbols.
    std::vector<ir::DimExpr> scalars;
    // Element type that the user asked this region to compute in, when the node has a precision of its own.
    std::optional<ir::DataType> precision;
    bool isSingle() const { return nodes.size() == 1; }
};

// Tasks by key, over all profiles of a build.
using TaskPool = std::map<std::string, std::shared_ptr<Task>>;

// Every node that is not a constant gets a region of its own, first and in order. Problems of a proposal (unknown node, no output) drop it and
// are logged as a defect of the module.
support::Result<std::vector<RegionEntry>> collectRegions(const BuildContext& context, const ir::Graph& graph,
                                                         const ir::SymbolBox& box, TaskPool& tasks);

} // namespace tenon::schedule
