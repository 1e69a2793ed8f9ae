// Convolutions of images in bf16 on processors with AMX or AVX-512 BF16, and what follows them; also of images that a concatenation would join: what is
// read is gathered line by line with its padding into a buffer that stays in the cache, from wherever it lies.
//
// Who uses it: the table of methods; the module proposes the regions with a concatenation. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// A convolution of images in one group with constant weights, or such a one of a concatenation of channels.
bool beginsWithBrainConvolution(const module::GraphView& body);
// The nodes of each concatenation with the convolution that alone reads it, and with the functions behind that.
std::vector<std::vector<int32_t>> concatenatedConvolutions(const module::GraphView& graph);
// The ports of the inputs and then of the output: images in bf16 with channels last, three or four planes of f32 as they are, weights in bf16
// in panels. Throws a refusal.
std::vector<TnPortFormat> brainConvolutionPorts(const module::GraphView& body);
// The input that is added to the result, whose place this may take; -1: there is none.
int32_t brainConvolutionSum(const module::GraphView& body);
void checkBrainConvolution(const Task& task);
TaskPlan planBrainConvolution(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
