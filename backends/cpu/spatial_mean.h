// Means over the pixels of images (a global average pooling) that have their channels in blocks or last.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// A mean over all dimensions but the first two of four.
bool isOverPixels(const module::NodeView& node);
// A mean over all dimensions but the first two of a tensor of four, alone.
bool isSpatialMean(const module::GraphView& body);
// The result is linear, or where its pixel is kept in the image's layout, which has the same bytes then. Throws a refusal.
void checkSpatialMean(const Task& task);
TaskPlan planSpatialMean(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
