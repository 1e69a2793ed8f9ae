// A task as cuDNN computes it: a convolution or deconvolution and what follows it, attention, or a normalisation; and the geometry of windows
// for real extents.
//
// Who uses it: module.cpp to accept or refuse, graph.cpp to build operation graphs. What it must not know: the library.
#pragma once

#include "backends/common/call.h"
#include "backends/common/window.h"
#include "backends/nvidia/chain.h"

#include <vector>

namespace tenon::cudnn {

enum class Kind : uint8_t { kConvolution, kDeconvolution, kAttention, kNormalization };

// What does not depend on extents. Views into the task's body.
struct Operation {
    Kind kind = Kind::kConvolution;
    module::NodeView head;
    int32_t x = -1; // ports of the task
    int32_t w = -1;
    std::vector<nvidia::Step> steps; // the bias of the head is the first
    std::vector<int32_t> operands;   // of attention: the ports of q, k, v and the mask
    // Of a normalisation: ports of what is added to x before and of its parameters, then of the results; -1: none.
    int32_t addend = -1;
    int32_t scale = -1;
    int32_t bias = -1;
    int32_t result = 0;
    int32_t sum = -1;

    bool slidesWindows() const { return kind == Kind::kConvolution || kind == Kind::kDeconvolution; }
    // Whether images may have their channels last.
    bool hasChannels() const { return slidesWindows() || head.op() == "instance_norm"; }
};

// Throws Failure, a refusal that says what cuDNN does not compute at once.
Operation readOperation(const module::GraphView& body);

// Extents with two spatial dimensions at least: one dimension is a plane of one row.
struct Geometry {
    kernels::Dims x;
    kernels::Dims w;
    kernels::Dims y;
    kernels::Window window;
};

// Throws Failure where cuDNN cannot express the window.
Geometry geometryOf(const Operation& operation, const std::vector<kernels::Dims>& inputs, const kernels::Dims& output);

// Of a convolution whose windows stand side by side along rows of pixels, channels innermost: the pixels of a window's row as one pixel with
// all their channels. The same bytes in the same order, and a window of one column, which keeps tensor cores busy where channels are few.
void foldPatches(const Operation& operation, Geometry& geometry);

// `dims` of rank 3 as of rank 4, others as they are.
kernels::Dims asPlanes(const kernels::Dims& dims);

// Where the two additions before an activation may change places: bias first, or residual first. Empty where there are no two.
std::vector<nvidia::Step> swappedSteps(const std::vector<nvidia::Step>& steps);

} // namespace tenon::cudnn
