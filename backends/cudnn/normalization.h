// Normalisations as cuDNN computes them: over the last dimensions with or without an addition in front, and of each channel of an image.
//
// Who uses it: operation.cpp and module.cpp to accept or refuse, kernel.cpp to build graphs. What it must not know: engines, plans.
#pragma once

#include "backends/cudnn/graph.h"

namespace tenon::cudnn {

// layer_norm, rms_norm or instance_norm, or a sum and one of them.
bool isNormalization(const module::GraphView& body);

// Fills in what the nodes say. Throws Failure, a refusal that says what cuDNN's engines do not do.
Operation readNormalization(const module::GraphView& body);

// What is normalised, with the dimensions that cuDNN tells by the extents of the parameters: those where these have more than one element.
struct NormalizedShape {
    kernels::Dims x;
    kernels::Dims parameters;
};
// Throws Failure, a refusal, where a tensor has another shape than cuDNN takes.
NormalizedShape normalizedShapeOf(const Operation& operation, const std::vector<kernels::Dims>& inputs,
                                  const kernels::Dims& output);

// Throws Failure where the library refuses, or extents do not fit.
Graph buildNormalization(const Place& place, const Operation& operation, const std::vector<kernels::Dims>& inputs,
                         const kernels::Dims& output, const Ports& ports);

} // namespace tenon::cudnn
