// A depthwise convolution, functions, the convolution with windows of one that reads it, and what follows: lines of the image between the two never
// leave the first-level cache or what is next to it.
//
// Who uses it: the table of methods; the module proposes the regions. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a chain, with constant weights.
bool isDepthwiseProject(const module::GraphView& body);
// The nodes of all such chains of a graph, and of those with the sum behind them.
std::vector<std::vector<int32_t>> projectedDepthwise(const module::GraphView& graph);
// The layouts of the inputs and then of the output. Throws a refusal.
std::vector<TnFormat> depthwiseProjectLayouts(const module::GraphView& body);
void checkDepthwiseProject(const Task& task);
TaskPlan planDepthwiseProject(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
