// A window as kernels read it: extents, steps and pads of the spatial dimensions, and both tensors' strides in their layouts.
//
// Who uses it: convolution, deconvolution and pooling. What it must not know: what is computed in the window.
#pragma once

#include "backends/common/window.h"
#include "backends/cuda/plan.h"

namespace tenon::cuda {

inline void splitStrides(const Shape& shape, I64& batch, I64& channel, I64* spatial) {
    Dims strides(shape.dims.size(), 0);
    module::stridesOf(shape.format, shape.dims.data(), strides.data());
    batch = strides[0];
    channel = strides[1];
    fill(spatial, Dims(strides.begin() + 2, strides.end()), kSpatialDims);
}

inline WindowArgs windowArgs(const NodePlan& n, const kernels::Window& window) {
    WindowArgs args{};
    args.operands = n.operands;
    fill(args.input, window.input, kSpatialDims);
    fill(args.output, window.output, kSpatialDims);
    fill(args.kernel, window.kernel, kSpatialDims);
    fill(args.step, window.strides, kSpatialDims);
    fill(args.dilation, window.dilations, kSpatialDims);
    fill(args.padBegin, window.padBegin, kSpatialDims);
    fill(args.padEnd, window.padEnd, kSpatialDims);
    args.taps = window.taps();
    args.outputSize = product(window.output);
    args.batch = n.call.in(0).dims[0];
    args.channels = n.call.in(0).dims[1];
    args.outputs = n.call.out().dims[1];
    splitStrides(n.call.in(0), args.xBatch, args.xChannel, args.x);
    splitStrides(n.call.out(), args.yBatch, args.yChannel, args.y);
    return args;
}

} // namespace tenon::cuda
