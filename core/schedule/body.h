// Bodies: a set of nodes as a graph of its own, whose inputs are everything that comes from outside, constants included.
// Used for tasks, for the fused nodes of the final graph and by the oracle. Knows no tactic.
#pragma once

#include "core/ir/graph.h"
#include "core/support/status.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

// inputs[i] is the outer value bound to graph->inputs()[i]; outputs likewise. The pool is shared with the outer graph.
struct Body {
    std::shared_ptr<const ir::Graph> graph;
    std::vector<ir::Value*> inputs;
    std::vector<ir::Value*> outputs;
};

// Copies `nodes` (of one graph, any order) into a body. Const nodes must not be among them: constants are inputs.
// Outputs are the values that other nodes or the graph's outputs read; an unread output of the last node counts as read,
// so that a body always has an output.
Body extractBody(const std::vector<ir::Node*>& nodes, const std::string& name);

// Appends copies of all nodes of `body` to `target`; returns the values that stand for the body's outputs.
std::vector<ir::Value*> inlineBody(const ir::Graph& body, ir::Graph& target, const std::vector<ir::Value*>& inputs);

} // namespace tenon::schedule
