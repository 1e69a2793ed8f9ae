// What follows a quantized product, as post-ops.
//
// oneDNN 2.6 keeps one set of parameters per kind of elementwise post-op: of two clips in one chain the second cuts as the first does. So there are
// several ways to write a chain, and the first in which no kind is used in two ways is taken.
//
// Who uses it: quantized.cpp. What it must not know: layouts, how primitives are made.
#pragma once

#include "backends/onednn/layouts.h"
#include "backends/onednn/quantized_chain.h"

#include <vector>

namespace tenon::onednn {

struct PostChain {
    // An operand of a post-op: one f32 number, or one per output channel.
    struct Addend {
        int argument = 0;
        int32_t port = 0;
        dnnl::memory::desc desc;
    };
    dnnl::post_ops ops;
    std::vector<Addend> addends;
    // What the sum of products is divided by, beyond its scales, before the post-ops.
    float unit = 1;
};

struct PostShape {
    size_t rank = 0;
    size_t channelDim = 0;
    int64_t channels = 0;
    std::vector<bool> singles;         // by port: one element
    std::vector<TnDataType> portTypes; // by port
};

// Appends to `before`. Throws Failure where no way of writing the chain is one that oneDNN computes.
PostChain postChainOf(const QuantizedChain& chain, const PostShape& shape, const dnnl::post_ops& before);

} // namespace tenon::onednn
