// Convolutions of images of a few planes, such as pictures, whose results have their channels last: the first of a network. The planes stay as they are.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a convolution with constant weights, alone or the first of a region's nodes.
bool isPlaneConvolution(const module::GraphView& body);
// The layouts of the inputs and then of the output, with channels last (block 0) or in blocks. Throws a refusal.
std::vector<TnFormat> planeConvolutionLayouts(const module::GraphView& body, int64_t block);
// The blocks of channels that an output may have beside channels last; 0: none.
int64_t planeConvolutionBlock(const module::GraphView& body);
void checkPlaneConvolution(const Task& task);
TaskPlan planPlaneConvolution(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
