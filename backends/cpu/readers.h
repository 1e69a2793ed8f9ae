// Which nodes stand before and behind each other alone, in a graph that regions are proposed in.
//
// Who uses it: the finders of the cpu backend's regions. What it must not know: which regions there are.
#pragma once

#include "tenon/module/graph_view.hpp"

namespace tenon::cpu {

class Readers {
public:
    explicit Readers(const module::GraphView& graph) : mGraph(graph), mIndex(graph) {}

    // The one node that reads what node `n` makes; -1: none, several, or it is the graph's output.
    int32_t onlyReader(int32_t n) const {
        const int32_t value = mGraph.node(static_cast<size_t>(n)).outputIndex(0);
        return mIndex.hasSingleUse(value) ? mIndex.consumers(value)[0] : -1;
    }
    // The node that makes a value; -1: none.
    int32_t maker(int32_t value) const { return mIndex.producer(value); }

private:
    module::GraphView mGraph;
    module::GraphIndex mIndex;
};

} // namespace tenon::cpu
