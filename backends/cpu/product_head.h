// What a region multiplies when it begins with a matmul with constant weights, or with a convolution that is one, and what follows that.
//
// Who uses it: products with packed weights, of f32 and of bf16. What it must not know: kernels and layouts.
#pragma once

#include "backends/cpu/followers.h"

namespace tenon::cpu {

// Windows of one, side by side, in one group.
bool isOneByOne(const module::NodeView& conv);
// Such a convolution of images, with constant weights.
bool isWeightedOneByOne(const module::NodeView& node);
// A matmul or a convolution of windows of one, alone or the first of a region's nodes, with weights that are constant. Before a convolution there may
// be a gate: a multiplication of each channel of each image with a number.
bool beginsWithProduct(const module::GraphView& body);

// For a convolution rows are pixels.
struct ProductHead {
    // Places among the operands; those of the chain follow.
    static constexpr size_t kX = 0;
    static constexpr size_t kWeights = 1;

    int64_t depth = 0;
    int64_t columns = 0;
    size_t gate = 0; // operand that each channel of x is multiplied with first; 0: none
    Chain chain;
};

// The node that multiplies.
size_t productNode(const module::GraphView& body);
// Throws a refusal for what is no product of x with a constant matrix, or is followed by something else than a chain.
ProductHead readProduct(const module::GraphView& body);

} // namespace tenon::cpu
