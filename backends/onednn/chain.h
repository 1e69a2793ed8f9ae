// What oneDNN can compute at once: a convolution, deconvolution, matmul or pooling, then additions and an activation.
//
// Who uses it: the provider (to accept or refuse), primitive.cpp (to build post-ops). What it must not know: layouts, oneDNN.
#pragma once

#include "backends/common/task_kernel.h"

#include <string>
#include <vector>

namespace tenon::onednn {

enum class PostKind : uint8_t { kAdd, kMul, kActivation };

struct Post {
    PostKind kind = PostKind::kActivation;
    int32_t port = -1;      // kAdd, kMul: the task's input that is added or multiplied
    std::string activation; // "activation.relu"
    double alpha = 0;
    double beta = 0;
};

struct Chain {
    module::NodeView head;
    int32_t source = -1; // ports of the task
    int32_t weights = -1;
    int32_t bias = -1;
    std::vector<Post> posts;

    bool isConvolution() const { return head.op() == "conv"; }
    bool isDeconvolution() const { return head.op() == "deconv"; }
    bool isMatmul() const { return head.op() == "matmul"; }
    bool isPool() const { return head.op() == "pool.max" || head.op() == "pool.avg"; }
};

// A pointwise op of one operand as a post-op. Throws Failure where oneDNN has none.
Post activationOf(const module::NodeView& node);
// Throws Failure, a refusal that names what does not fit.
Chain readChain(const module::GraphView& body);

} // namespace tenon::onednn
