// Fills of memory in a recorded graph, done by a kernel: a graph of kernels alone launches in 2 us of the host's time, one with a dozen fills in 15
// to 30 (H200, driver for CUDA 13), and each fill that follows a kernel costs the device about 1.5 us more than a kernel there.
//
// Who uses it: capture. cuDNN's attention and some of its convolutions record fills.
#pragma once

#include <cuda_runtime_api.h>

namespace tenon::cuda {

// Puts a kernel with the same effect and the same place in the order in the place of each fill of the graph itself (not of graphs in it) whose address and
// length are multiples of 4 bytes; the others stay, and all do where the driver has no such kernel for the current device or the graph allocates memory, since nodes of such
// graphs cannot be deleted. Yields how many were replaced. An error leaves a graph that must not be used.
cudaError_t replaceFills(cudaGraph_t graph, int& replaced);

} // namespace tenon::cuda
