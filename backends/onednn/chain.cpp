#include "backends/onednn/chain.h"

#include "backends/common/ports.h"

#include <algorithm>
#include <limits>

namespace tenon::onednn {

using kernels::refuse;

Post activationOf(const module::NodeView& node) {
    Post post;
    post.activation = std::string(node.op());
    const std::string& op = post.activation;
    if (op == "activation.relu" || op == "activation.sigmoid" || op == "activation.tanh" ||
        op == "activation.gelu_erf" || op == "activation.gelu_tanh" || op == "activation.hard_swish" ||
        op == "activation.mish" || op == "activation.softplus") {
        return post;
    }
    if (op == "activation.leaky_relu") {
        post.alpha = node.floatOr("alpha", 0.01);
    } else if (op == "activation.elu" || op == "activation.silu") {
        post.alpha = node.floatOr("alpha", 1);
    } else if (op == "activation.clip") {
        post.alpha = node.floatOr("min", -std::numeric_limits<double>::infinity());
        post.beta = node.floatOr("max", std::numeric_limits<double>::infinity());
    } else {
        refuse("oneDNN fuses no ", op);
    }
    return post;
}

Chain readChain(const module::GraphView& body) {
    Chain chain;
    if (body.nodeCount() == 0 || body.outputs().size() != 1) {
        refuse("a region with ", body.outputs().size(), " outputs; one is possible");
    }
    chain.head = body.node(0);
    const std::string_view op = chain.head.op();
    if (!chain.isConvolution() && !chain.isDeconvolution() && !chain.isMatmul() && !chain.isPool()) {
        refuse("onednn computes conv, deconv, matmul, pool.max, pool.avg and convert, not ", op);
    }
    chain.source = kernels::portOf(body.inputs(), chain.head.inputIndex(0));
    if (!chain.isPool()) {
        chain.weights = kernels::portOf(body.inputs(), chain.head.inputIndex(1));
        if (chain.head.hasInput(2)) {
            chain.bias = kernels::portOf(body.inputs(), chain.head.inputIndex(2));
        }
    }
    if (chain.head.outputIndex(1) >= 0) {
        refuse(op, " with a second output");
    }
    int32_t value = chain.head.outputIndex(0);
    for (size_t n = 1; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        if (node.op() == "binary.add" || node.op() == "binary.mul") {
            const bool first = node.inputIndex(0) == value;
            const int32_t other = node.inputIndex(first ? 1 : 0);
            if ((!first && node.inputIndex(1) != value) || other == value ||
                kernels::portOf(body.inputs(), other) < 0) {
                refuse("node ", n, " of the region does not continue its chain");
            }
            Post post;
            post.kind = node.op() == "binary.add" ? PostKind::kAdd : PostKind::kMul;
            post.port = kernels::portOf(body.inputs(), other);
            chain.posts.push_back(post);
        } else {
            if (node.inputCount() != 1 || node.inputIndex(0) != value) {
                refuse("node ", n, " of the region (", node.op(), ") does not continue its chain");
            }
            chain.posts.push_back(activationOf(node));
        }
        value = node.outputIndex(0);
    }
    if (value != body.outputs()[0]) {
        refuse("the region's output is not the end of its chain");
    }
    if (chain.isPool() && !chain.posts.empty()) {
        refuse("onednn fuses nothing onto pooling");
    }
    return chain;
}

} // namespace tenon::onednn
