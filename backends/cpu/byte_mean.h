// The mean over the pixels of a dequantized image, quantized or not: sums of integers, with channels last.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is dequantize, reduce.mean over the last two of four dimensions and perhaps quantize, with constant scales and zero points.
bool isByteMean(const module::GraphView& body);
// Throws a refusal unless channels are last, and the result is linear or like the image.
void checkByteMean(const Task& task);
TaskPlan planByteMean(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
