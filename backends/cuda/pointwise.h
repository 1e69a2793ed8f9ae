// Regions of pointwise ops, single ones included, as one kernel over the output's elements.
// Used by task.cpp. Knows no runtime.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cuda/plan.h"

#include <string>
#include <string_view>

namespace tenon::cuda {

bool isPointwise(std::string_view op);
// The result of a pointwise node as an expression of wide values, which are named by their index in the body.
std::string pointwiseExpression(const module::NodeView& node);
std::string pointwiseName(int32_t index);
// Throws unless the body is a region whose outputs have one shape and whose inputs each are read in one way. Ops are checked before.
void checkPointwise(const Task& task);
std::string printPointwise(const Task& task, bool wideIndex);
void planPointwise(const Task& task, const PortShapes& shapes, DevicePlan& plan);

} // namespace tenon::cuda
