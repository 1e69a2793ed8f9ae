// Geometry of sliding windows: convolution and pooling over any number of spatial dimensions.
//
// Who uses it: convolution, deconvolution and pooling kernels. Output extents come from inference; this resolves what of
// the attributes a kernel needs. What it must not know: element types, layouts.
#pragma once

#include "backends/common/call.h"

namespace tenon::kernels {

struct Window {
    Dims input; // spatial extents
    Dims output;
    Dims kernel;
    Dims strides;
    Dims dilations;
    Dims padBegin;
    Dims padEnd;

    size_t rank() const { return input.size(); }
    // Taps of the kernel.
    int64_t taps() const { return product(kernel); }
};

// Of a convolution or pooling call: spatial dimensions follow batch and channel. Resolves auto_pad. Throws where
// attributes and extents disagree.
Window windowOf(const Call& call, const Dims& kernel);
// Of a deconvolution: input and output have changed places, pads crop the output.
Window deconvWindowOf(const Call& call, const Dims& kernel);
// How many taps of a window count in its average, per dimension and output index: those in the input, or also those in the pads, but not those that
// ceil_mode lets hang over.
std::vector<std::vector<float>> tapCounts(const Window& window, bool includePads);

} // namespace tenon::kernels
