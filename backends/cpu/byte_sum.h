// One quantized tensor, or the sum of two or of one and a constant row, quantized again: dequantize, dequantize and add or neither, relu or clip or
// none, quantize, as one loop over bytes.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is such a region, of tensors of one shape, with constant scales and zero points.
bool isByteSum(const module::GraphView& body);
// Throws a refusal unless operands and result have one layout without padding.
void checkByteSum(const Task& task);
TaskPlan planByteSum(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
