// pattern_quantized: a convolution or matrix product of dequantized operands with what follows it, down to the quantize of its result.
//
//   dequantize(x), dequantize(weights)   per tensor, weights per output channel too
//   conv, matmul                         with its bias
//   bias         + a constant per output channel, or one number
//   residual     + another tensor of the same shape, or dequantize of one
//   activation   a pointwise op of one operand, or x * f(x)
//   quantize
//   dequantize   of that, where nobody else reads it: then the same again, once
//
// Bias, residual and activation at most once between two roundings. Every prefix from the product on that does not end with a dequantize is a
// region of its own, so that a result that others read as real numbers stays real. The body is those nodes: kernels compute the same in integers. Of pointwise ops between dequantize and quantize, pattern_pointwise makes regions.
#include "core/passes/node_order.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"
#include "core/support/text.h"

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

std::string shortName(const std::string& op) { return op.substr(op.find('.') + 1); }

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions), mOrder(graph) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            const bool isProduct = node->op() == "conv" || node->op() == "matmul";
            if (isProduct && node->outputs().size() == 1 && !node->settings().debugOutput) {
                follow(*node);
            }
        }
    }

private:
    // The dequantize that makes an operand for nobody but its reader.
    static Node* operandOf(const Node& reader, size_t index) {
        const Value* const value = reader.input(index);
        Node* const node = value != nullptr ? value->producer() : nullptr;
        return isByteDequantize(node) && isPrivate(*value) && !value->quantization() ? node : nullptr;
    }

    // One scale, or one per output channel of constant weights.
    static bool isWeight(const Node& root, const Node& dequantize) {
        if (oneScaleOf(dequantize)) {
            return true;
        }
        const ir::ConstantPtr scale = dequantize.input(1) != nullptr ? dequantize.input(1)->constant() : nullptr;
        const ir::ConstantPtr weights = dequantize.input(0)->constant();
        if (!scale || !weights || scale->dims.size() != 1 || weights->dims.size() < 2) {
            return false;
        }
        const auto rank = static_cast<int64_t>(weights->dims.size());
        int64_t axis = dequantize.attributes().intOr("axis", 1);
        axis += axis < 0 ? rank : 0;
        const bool transposed = root.op() == "matmul" && root.attributes().intOr("trans_b", 0) != 0;
        return axis == (root.op() == "conv" ? 0
                        : transposed        ? rank - 2
                                            : rank - 1) &&
               (root.op() == "conv" || rank == 2);
    }

    void follow(Node& root) {
        Node* const x = operandOf(root, 0);
        Node* const weights = operandOf(root, 1);
        if (x == nullptr || weights == nullptr || x == weights || !oneScaleOf(*x) || !isWeight(root, *weights)) {
            return;
        }
        Region region{support::cat("quantized ", root.op()), {x, weights, &root}};
        record(region);
        const Value* value = root.output(0);
        bool seen[3] = {false, false, false}; // bias, residual, activation
        bool isLast = false;                  // the next quantize ends the chain
        while (!value->isGraphOutput() && !value->quantization() && !value->uses().empty() &&
               !value->producer()->settings().debugOutput) {
            const int part = step(root, *value, region);
            if (part < 0 || (part < 3 && seen[part]) || (part == 0 && (seen[1] || seen[2]))) {
                return;
            }
            record(region);
            if (part == 3) {
                value = isLast ? nullptr : goOn(region);
                if (value == nullptr) {
                    return;
                }
                isLast = true;
                std::fill(std::begin(seen), std::end(seen), false);
                continue;
            }
            seen[part] = true;
            value = region.nodes.back()->output(0);
        }
    }

    // Behind a quantize that only its own dequantize reads: what that makes. Null: the region ends.
    const Value* goOn(Region& region) const {
        const Node& quantize = *region.nodes.back();
        const Value& integers = *quantize.output(0);
        Node* const back = isPrivate(integers) && !integers.quantization() ? integers.uses()[0].node : nullptr;
        if (!isByteDequantize(back) || !sameParameters(quantize, *back) || !isPrivate(*back->output(0))) {
            return nullptr;
        }
        region.nodes.push_back(back);
        region.label += "+dequantize";
        return back->output(0);
    }

    // Adds what reads `value`, last the node that makes the next value. 0: a bias, 1: a residual, 2: an activation, 3: quantize, -1: nothing.
    int step(const Node& root, const Value& value, Region& region) const {
        if (addGate(value, region)) {
            return 2;
        }
        Node* const reader = value.uses()[0].node;
        if (value.uses().size() != 1) {
            return -1;
        }
        if (reader->op() == "quantize") {
            if (value.uses()[0].index != 0 || !isByteQuantize(reader) || !oneScaleOf(*reader)) {
                return -1;
            }
            region.nodes.push_back(reader);
            region.label += "+quantize";
            return 3;
        }
        if (!isPointwise(mOps, *reader) || !sameShape(mGraph.pool(), value.type(), reader->output(0)->type()) ||
            reader->output(0)->type().dtype != value.type().dtype) {
            return -1;
        }
        if (reader->inputs().size() == 1) {
            region.nodes.push_back(reader);
            region.label += support::cat("+", shortName(reader->op()));
            return 2;
        }
        if (reader->op() != "binary.add" || reader->inputs().size() != 2) {
            return -1;
        }
        const size_t index = value.uses()[0].index == 0 ? 1 : 0;
        const Value* const other = reader->input(index);
        if (other == nullptr || other == &value || other->type().dtype != value.type().dtype) {
            return -1;
        }
        if (other->constant() != nullptr) {
            if (!isPerChannel(root, *other->constant())) {
                return -1;
            }
            region.nodes.push_back(reader);
            region.label += "+bias";
            return 0;
        }
        if (!sameShape(mGraph.pool(), other->type(), value.type())) {
            return -1;
        }
        Node* const residual = operandOf(*reader, index);
        if (residual != nullptr && oneScaleOf(*residual)) {
            region.nodes.push_back(residual);
        }
        region.nodes.push_back(reader);
        region.label += "+add";
        return 1;
    }

    // value * f(value), where nothing else reads either.
    bool addGate(const Value& value, Region& region) const {
        if (value.uses().size() != 2) {
            return false;
        }
        for (size_t i = 0; i < 2; ++i) {
            Node* const function = value.uses()[i].node;
            Node* const product = value.uses()[1 - i].node;
            if (function != product && product->op() == "binary.mul" && function->inputs().size() == 1 &&
                isPointwise(mOps, *function) && isPointwise(mOps, *product) && isPrivate(*function->output(0)) &&
                function->output(0)->uses()[0].node == product &&
                function->output(0)->type().dtype == value.type().dtype) {
                region.nodes.insert(region.nodes.end(), {function, product});
                region.label += support::cat("+x*", shortName(function->op()));
                return true;
            }
        }
        return false;
    }

    static bool isPerChannel(const Node& root, const ir::Constant& constant) {
        const int64_t rank = root.output(0)->type().rank();
        const int64_t axis = root.op() == "matmul" ? rank - 1 : 1;
        const auto missing = rank - static_cast<int64_t>(constant.dims.size());
        for (size_t i = 0; i < constant.dims.size(); ++i) {
            if (constant.dims[i] != 1 && static_cast<int64_t>(i) + missing != axis) {
                return false;
            }
        }
        return missing >= 0;
    }

    void record(const Region& region) {
        mRegions.push_back(region);
        mRegions.back().nodes = mOrder.sorted(region.nodes);
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
    NodeOrder mOrder;
};

} // namespace

void findQuantizedProducts(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
