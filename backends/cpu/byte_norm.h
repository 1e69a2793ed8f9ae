// Softmax, layer_norm or rms_norm along the last dimension, of a dequantized tensor, or quantized, or both: a row at a time, which is real numbers only
// while it lies in the first-level cache.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is dequantize, such an op, quantize, one of the outer two perhaps missing, with constant scales and zero points.
bool isByteNorm(const module::GraphView& body);
// Throws a refusal for other layouts than the linear one, and for another axis or parameters than the last dimension's.
void checkByteNorm(const Task& task);
TaskPlan planByteNorm(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
