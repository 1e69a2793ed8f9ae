// The largest elements of windows in images with channels last, of f32 or bf16.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// pool.max of images, values alone.
bool isImageMaximum(const module::GraphView& body);
void checkImageMaximum(const Task& task);
TaskPlan planImageMaximum(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
