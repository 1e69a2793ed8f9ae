// A widening convolution with windows of one, functions, a depthwise convolution, functions, the narrowing convolution with windows of one behind it, and
// what follows: the wide image is made, read and forgotten a strip of channels at a time, and never leaves the caches of the thread that makes it.
//
// Who uses it: the table of methods; the module proposes the regions. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a chain, with constant weights.
bool isInvertedResidual(const module::GraphView& body);
// The nodes of all such chains of a graph, and of those with the sum behind them.
std::vector<std::vector<int32_t>> invertedResiduals(const module::GraphView& graph);
// The layouts of the inputs and then of the output. Throws a refusal.
std::vector<TnFormat> invertedResidualLayouts(const module::GraphView& body);
void checkInvertedResidual(const Task& task);
TaskPlan planInvertedResidual(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
