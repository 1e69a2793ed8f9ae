// pattern_normalization: layer and RMS normalisation with the addition in front of it. The sum leaves too where others read it.
//
// Scale and bias are constants or inputs of the graph, so that they cannot depend on a sum that leaves the region.
#include "core/passes/formula.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// The sum of two tensors of x's shape that makes x; null if there is none, or its sum is shown on the way.
Node* sumBefore(const ir::Graph& graph, const Value& x) {
    Node* const sum = producerOf(&x, "binary.add");
    if (sum == nullptr || sum->settings().debugOutput || x.quantization() || x.contents()) {
        return nullptr;
    }
    const bool fits = std::all_of(sum->inputs().begin(), sum->inputs().end(), [&](const Value* operand) {
        return operand->constant() == nullptr && sameShape(graph.pool(), operand->type(), x.type());
    });
    return fits ? sum : nullptr;
}

bool isParameter(const Value* value) {
    return value == nullptr || value->constant() != nullptr || value->producer() == nullptr;
}

} // namespace

void findNormalizations(const ir::Graph& graph, const ops::OpRegistry&, std::vector<Region>& regions) {
    for (Node* node : graph.nodes()) {
        if (node->op() != "layer_norm" && node->op() != "rms_norm") {
            continue;
        }
        Node* const sum = sumBefore(graph, *node->input(0));
        if (sum != nullptr && std::all_of(node->inputs().begin() + 1, node->inputs().end(), isParameter)) {
            regions.push_back({"add+" + node->op(), {sum, node}});
        }
    }
}

} // namespace tenon::passes
