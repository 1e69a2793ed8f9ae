// Deconvolutions as products: each tap of the window is a matrix that the pixels of a line of the image are multiplied with, and what that gives is summed where it
// falls, every stride-th pixel of a line of the result.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// A deconvolution of one to three spatial dimensions without groups, with constant weights, and what follows it.
bool beginsWithDeconvolution(const module::GraphView& body);
// The ways to compute it, each the layouts of the inputs and then of the output. Throws a refusal.
std::vector<std::vector<TnFormat>> deconvolutionLayouts(const module::GraphView& body);
void checkDeconvolution(const Task& task);
TaskPlan planDeconvolution(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
