// Attention as cuDNN computes it: products, softmax and mask as one operation graph, which its flash-attention engines recognise.
//
// Who uses it: module.cpp to accept or refuse, kernel.cpp to build graphs. What it must not know: engines, plans.
#pragma once

#include "backends/cudnn/graph.h"

namespace tenon::cudnn {

// Fills in what the node says. Throws Failure, a refusal that says what cuDNN's engines do not do.
Operation readAttention(const module::GraphView& body);

// Throws Failure where the library refuses, or extents do not fit.
Graph buildAttention(const Place& place, const Operation& operation, const std::vector<kernels::Dims>& inputs,
                     const kernels::Dims& output, const Ports& ports);

} // namespace tenon::cudnn
