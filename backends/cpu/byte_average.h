// Averages of windows in a dequantized image, quantized again: sums of integers, with channels last.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is dequantize, pool.avg over images and quantize, with constant scales and zero points.
bool isByteAverage(const module::GraphView& body);
// The layouts of the inputs and then of the output.
std::vector<TnFormat> byteAverageLayouts(const module::GraphView& body);
// Throws a refusal unless both images have their channels last.
void checkByteAverage(const Task& task);
TaskPlan planByteAverage(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
