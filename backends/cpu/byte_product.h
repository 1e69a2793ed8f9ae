// Convolutions of bytes with windows of one and packed weights, down to the bytes of the result.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

bool isByteProduct(const module::GraphView& body);
// The layouts of the inputs and then of the output.
std::vector<TnFormat> byteProductLayouts(const module::GraphView& body);
void checkByteProduct(const Task& task);
TaskPlan planByteProduct(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
