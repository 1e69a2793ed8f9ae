// Deconvolutions of images in bf16 whose windows do not overlap, on processors with AMX or AVX-512 BF16: for each pixel of a window a product with every
// pixel of the image, whose results lie a stride apart.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// A deconvolution of images, alone, whose windows do not overlap, stride and window being the same.
bool isSpread(const module::GraphView& body);
// Of such a body, the ports of the inputs and then of the output: images in bf16 with channels last, weights in bf16 in panels. Throws a refusal.
std::vector<TnPortFormat> brainSpreadPorts(const module::GraphView& body);
void checkBrainSpread(const Task& task);
TaskPlan planBrainSpread(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
