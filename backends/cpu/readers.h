// Who reads what in a graph that regions are proposed in.
//
// Who uses it: the finders of the cpu backend's regions. What it must not know: which regions there are.
#pragma once

#include "tenon/module/graph_view.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace tenon::cpu {

class Readers {
public:
    explicit Readers(const module::GraphView& graph) : mGraph(graph) {
        for (size_t n = 0; n < graph.nodeCount(); ++n) {
            const module::NodeView node = graph.node(n);
            for (int32_t i = 0; i < node.inputCount(); ++i) {
                mReaders[node.inputIndex(i)].push_back(static_cast<int32_t>(n));
            }
        }
    }

    // The one node that reads what node `n` makes; -1: none, several, or it is the graph's output.
    int32_t onlyReader(int32_t n) const {
        const int32_t value = mGraph.node(static_cast<size_t>(n)).outputIndex(0);
        const auto found = mReaders.find(value);
        const auto& outputs = mGraph.outputs();
        const bool isOutput = std::find(outputs.begin(), outputs.end(), value) != outputs.end();
        return found != mReaders.end() && found->second.size() == 1 && !isOutput ? found->second[0] : -1;
    }

private:
    module::GraphView mGraph;
    std::map<int32_t, std::vector<int32_t>> mReaders;
};

} // namespace tenon::cpu
