// pattern_quantized_rows: softmax, norms and means of what was dequantized for nobody else, or of what only a quantize reads, or both; averages of
// windows between the two.
//
//   dequantize(x)   with one scale and zero point
//   softmax, layer_norm, rms_norm, reduce.mean, pool.avg
//   quantize
//
// The body is those nodes: kernels make real numbers of a row or line at a time.
#include "core/passes/pattern_registry.h"
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

namespace tenon::passes {

void findQuantizedRows(const ir::Graph& graph, const ops::OpRegistry&, std::vector<Region>& regions) {
    for (ir::Node* node : graph.nodes()) {
        const std::string& op = node->op();
        const bool isWindow = op == "pool.avg"; // integers on both sides or on none
        if ((!isWindow && op != "softmax" && op != "layer_norm" && op != "rms_norm" && op != "reduce.mean") ||
            node->outputs().size() != 1) {
            continue;
        }
        const ir::Value& x = *node->input(0);
        const ir::Value& result = *node->output(0);
        ir::Node* const first = x.producer();
        const bool opens = isByteDequantize(first) && oneScaleOf(*first) && isPrivate(x) && !x.quantization() &&
                           !first->settings().debugOutput;
        ir::Node* const last = isPrivate(result) && !result.quantization() && !node->settings().debugOutput
                                   ? result.uses()[0].node
                                   : nullptr;
        const bool ends = isByteQuantize(last) && result.uses()[0].index == 0 && oneScaleOf(*last);
        if (opens && !isWindow) {
            regions.push_back({"dequantize+" + op, {first, node}});
        }
        if (ends && !isWindow) {
            regions.push_back({op + "+quantize", {node, last}});
        }
        if (opens && ends) {
            regions.push_back({"dequantize+" + op + "+quantize", {first, node, last}});
        }
    }
}

} // namespace tenon::passes
