#include "backends/cpu/product_head.h"

#include "backends/common/ports.h"
#include "backends/cpu/gate.h"

#include <algorithm>

namespace tenon::cpu {

bool isOneByOne(const module::NodeView& conv) {
    const auto areAll = [&](std::string_view name, size_t count, int64_t wanted) {
        const std::vector<int64_t> values = conv.intsOr(name, count, wanted);
        return std::all_of(values.begin(), values.end(), [&](int64_t each) { return each == wanted; });
    };
    const module::ValueView weights = conv.input(1);
    const auto rank = static_cast<size_t>(weights.rank());
    if (rank < 3 || conv.intOr("group", 1) != 1 || !areAll("strides", rank - 2, 1) ||
        !areAll("pads", 2 * (rank - 2), 0) || conv.stringOr("auto_pad", "explicit") != "explicit") {
        return false;
    }
    for (int32_t d = 2; d < weights.rank(); ++d) {
        if (weights.dim(d).opt != 1) {
            return false;
        }
    }
    return true;
}

bool isWeightedOneByOne(const module::NodeView& node) {
    return node.op() == "conv" && node.hasInput(1) && node.input(1).isConstant() && node.input(1).isStatic() &&
           node.input(1).rank() == 4 && isOneByOne(node);
}

size_t productNode(const module::GraphView& body) { return beginsWithGate(body) ? 1 : 0; }

bool beginsWithProduct(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.outputs().size() != 1) {
        return false;
    }
    const module::NodeView head = body.node(productNode(body));
    const bool isConv = head.op() == "conv" && head.hasInput(1) && isOneByOne(head);
    return (isConv || head.op() == "matmul") && head.hasInput(1) && head.input(1).isConstant();
}

ProductHead readProduct(const module::GraphView& body) {
    ProductHead head;
    const module::NodeView node = body.node(productNode(body));
    const bool isGated = productNode(body) == 1;
    const bool isConv = node.op() == "conv";
    const module::ValueView weights = node.input(1);
    const int32_t image = isGated ? gatedInput(body.node(0)) : 0;
    const int32_t x = kernels::portOf(body.inputs(), body.node(0).inputIndex(image));
    const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
    const bool hasWeights = x >= 0 && w >= 0 && x != w && weights.isConstant() && weights.isStatic() &&
                            weights.optElements() > 0 && node.input(0).rank() >= 2;
    if (!hasWeights || (!isConv && (weights.rank() != 2 || node.intOr("trans_a", 0) != 0)) ||
        (isConv && !isOneByOne(node))) {
        refuse("a product whose weights are no constant matrix");
    }
    const bool transposed = isConv || node.intOr("trans_b", 0) != 0;
    head.depth = weights.dim(transposed ? 1 : 0).opt;
    head.columns = weights.dim(transposed ? 0 : 1).opt;
    std::vector<int32_t> ports{x, w};
    int32_t bias = -1;
    if (isConv && node.hasInput(2)) {
        bias = static_cast<int32_t>(ports.size());
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(2)));
    }
    if (isGated) {
        head.gate = ports.size();
        ports.push_back(kernels::portOf(body.inputs(), body.node(0).inputIndex(1 - image)));
        if (ports.back() < 0 || ports.back() == x) {
            refuse("a gate that is no input of the task");
        }
    }
    const int32_t axis = isConv ? 1 : node.output(0).rank() - 1;
    head.chain = readChain(body, std::move(ports), bias, axis, head.columns, productNode(body));
    return head;
}

} // namespace tenon::cpu
