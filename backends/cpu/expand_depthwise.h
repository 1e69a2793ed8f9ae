// A convolution of windows of one that widens an image, and the depthwise convolution behind it, each with its functions element by element: strips
// of channels in bands of rows, so that the wide image is never written to memory.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a chain, with constant weights.
bool isExpandDepthwise(const module::GraphView& body);
// The nodes of all such chains of a graph, each with as many functions behind it as there are.
std::vector<std::vector<int32_t>> expandedDepthwise(const module::GraphView& graph);
// The layouts of the inputs and then of the output. Throws a refusal.
std::vector<TnFormat> expandDepthwiseLayouts(const module::GraphView& body);
void checkExpandDepthwise(const Task& task);
TaskPlan planExpandDepthwise(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
