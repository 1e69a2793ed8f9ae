// Squeeze-and-excite: channels weighed by two products of their means, from the mean to the multiplication or parts of that, as one kernel. Images are
// linear, in blocks of channels, or have their channels last.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

bool isExcite(const module::GraphView& body);
// Layouts of the image that a neighbour offers and the kernel knows, the linear one first. Of a region without an image: the linear one.
std::vector<TnFormat> exciteLayouts(const module::TaskView& task);
// The ports that have the image's layout.
void layOutExcite(const module::GraphView& body, const TnFormat& format, std::vector<TnPortFormat>& inputs,
                  std::vector<TnPortFormat>& outputs);
// The input that the result may be written over: each element is read before it is written, all of them once before. -1: none.
int32_t excitedInPlace(const module::GraphView& body);
// Throws a refusal for other types and layouts.
void checkExcite(const Task& task);
TaskPlan planExcite(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
