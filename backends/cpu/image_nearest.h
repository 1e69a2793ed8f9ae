// Nearest resizing of images whose pixels lie together: channels last, or in blocks.
//
// Who uses it: the table of methods. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether the body resizes height and width of images to their nearest pixels.
bool isImageNearest(const module::GraphView& body);
// Throws a refusal unless both images have their channels last, or in the same blocks, and dimensions in front stay as they are.
void checkImageNearest(const Task& task);
TaskPlan planImageNearest(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
