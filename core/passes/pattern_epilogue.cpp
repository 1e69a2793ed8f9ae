// pattern_epilogue: a convolution, deconvolution or matrix product with what follows it element by element (epilogue.h). Every prefix is a region
// of its own: conv+bias, conv+bias+relu.
#include "core/passes/epilogue.h"
#include "core/passes/pattern_registry.h"

namespace tenon::passes {

void findEpilogues(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    for (ir::Node* node : graph.nodes()) {
        if ((node->op() != "conv" && node->op() != "deconv" && node->op() != "matmul") || node->outputs().size() != 1) {
            continue;
        }
        Region region{node->op(), {node}};
        for (const EpilogueStep& step : epilogueOf(graph, ops, *node)) {
            region.label += "+" + step.label;
            region.nodes.insert(region.nodes.end(), step.nodes.begin(), step.nodes.end());
            regions.push_back(region);
        }
    }
}

} // namespace tenon::passes
