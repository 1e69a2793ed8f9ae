// What follows a convolution, deconvolution or matrix product element by element, so that one kernel could compute it with the product.
// Used by patterns. Knows IR and op definitions; no provider.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"

#include <string>
#include <vector>

namespace tenon::passes {

enum class EpiloguePart : uint8_t {
    kBias,      // + a constant per output channel, or one number
    kScale,     // * one constant number
    kResidual,  // + another tensor of the same shape
    kActivation // a pointwise op of one operand, or x * f(x) (silu and hard swish written out)
};

struct EpilogueStep {
    EpiloguePart part = EpiloguePart::kBias;
    std::string label;            // "bias", "relu"
    std::vector<ir::Node*> nodes; // the last one makes the value that goes on
};

// Each part at most once, in any order; an activation is followed by a residual at most. What is between two steps is read by the next one only
// and is no output of the graph, so the root with any number of the first steps is convex: a residual cannot depend on it.
std::vector<EpilogueStep> epilogueOf(const ir::Graph& graph, const ops::OpRegistry& ops, const ir::Node& root);

} // namespace tenon::passes
