// Convolutions of few channels in the linear layout: vectors run along the lines of the image, so that no channels have to fill them.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// A convolution of one or two spatial dimensions that reads or makes few channels, or as many as fill no vectors, and what follows it.
bool beginsWithLineConvolution(const module::GraphView& body);
// Throws a refusal.
void checkLineConvolution(const Task& task);
TaskPlan planLineConvolution(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
