// Deconvolutions whose windows do not overlap, stride and window being the same: each pixel is a product that becomes a patch of the result.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a deconvolution of images with constant weights, alone.
bool isSpread(const module::GraphView& body);
// The ways to compute it, each the layouts of the inputs and then of the output. Throws a refusal.
std::vector<std::vector<TnFormat>> spreadLayouts(const module::GraphView& body);
void checkSpread(const Task& task);
TaskPlan planSpread(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
