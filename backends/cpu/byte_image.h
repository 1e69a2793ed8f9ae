// Images of three channels, quantized on their way from planes to channels last, as convolutions of integers want them.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body is one quantize of such images, with a constant scale and zero point.
bool isByteImage(const module::GraphView& body);
// Throws a refusal for other layouts than planes before and channels last behind.
void checkByteImage(const Task& task);
TaskPlan planByteImage(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
