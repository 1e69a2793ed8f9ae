// What a region makes of each byte, looked up: pointwise nodes between one quantized tensor and another, with numbers as their other operands. All
// 256 answers are computed when the kernel is prepared, by the program that would compute the tensor.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered, what the nodes compute.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is such a region, its numbers shown constants.
bool isByteLookup(const module::GraphView& body);
// Throws a refusal unless operand and result have one layout without padding, and where the program refuses.
void checkByteLookup(const Task& task);
TaskPlan planByteLookup(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
