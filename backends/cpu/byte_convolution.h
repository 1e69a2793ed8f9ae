// Convolutions of bytes with any windows, and products with a constant matrix, down to the bytes of the result, without an instruction that adds products of
// bytes: rows, of the windows' pixels, are gathered as words of 16 bits.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

bool isByteConvolution(const module::GraphView& body);
// What it is called: a product is one of rows, not of pixels.
const char* byteConvolutionName(const module::GraphView& body);
// The layouts of the inputs and then of the output.
std::vector<TnFormat> byteConvolutionLayouts(const module::GraphView& body);
void checkByteConvolution(const Task& task);
TaskPlan planByteConvolution(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
