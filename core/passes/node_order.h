// Positions of a graph's nodes, for patterns that gather nodes out of order.
// Used by patterns. Holds for as long as the graph is not changed.
#pragma once

#include "core/ir/graph.h"

#include <algorithm>
#include <map>
#include <vector>

namespace tenon::passes {

class NodeOrder {
public:
    explicit NodeOrder(const ir::Graph& graph) {
        for (size_t i = 0; i < graph.nodes().size(); ++i) {
            mPositions.emplace(graph.nodes()[i], i);
        }
    }

    /// Of one of the graph's nodes.
    size_t at(const ir::Node* node) const { return mPositions.at(node); }

    /// The same nodes as the graph has them; each is one of its nodes.
    std::vector<ir::Node*> sorted(std::vector<ir::Node*> nodes) const {
        std::stable_sort(nodes.begin(), nodes.end(),
                         [this](ir::Node* a, ir::Node* b) { return mPositions.at(a) < mPositions.at(b); });
        return nodes;
    }

private:
    std::map<const ir::Node*, size_t> mPositions;
};

} // namespace tenon::passes
