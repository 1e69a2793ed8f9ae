// Products of bf16 with constant weights that lie packed in panels of columns, and what follows them element by element, in f32: x, the result and
// tensors that are added lie in memory as bf16.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// A product as packed_product.h has it, without a gate, on a processor that multiplies bf16.
bool isBrainProduct(const module::GraphView& body);
// The ports of the inputs and then of the output. Throws a refusal.
std::vector<TnPortFormat> brainProductPorts(const module::GraphView& body);
void checkBrainProduct(const Task& task);
TaskPlan planBrainProduct(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
