// Depthwise convolutions of dequantized images down to the quantize of their result, and once more to a quantize behind it, with channels last: bytes in,
// bytes out. The lines that a row of results needs become numbers in the cache, and the kernel of depthwise convolutions of numbers does the rest.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is dequantize of an image and of constant weights, a depthwise convolution, perhaps a bias, perhaps relu or clip, and quantize; then
// perhaps dequantize, relu or clip, and quantize.
bool isByteDepthwise(const module::GraphView& body);
// Of the inputs and the output.
std::vector<TnFormat> byteDepthwiseLayouts(const module::GraphView& body);
// Throws a refusal for other layouts.
void checkByteDepthwise(const Task& task);
TaskPlan planByteDepthwise(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
