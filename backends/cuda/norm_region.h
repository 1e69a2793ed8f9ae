// An addition of two tensors of one shape and the normalisation over the last dimensions that reads it, as one kernel; the sum may be a result too.
// Used by task.cpp; ops/lines.cpp has the rest. Knows no runtime.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cuda/plan.h"

#include <string>

namespace tenon::cuda {

// binary.add, then layer_norm or rms_norm of it.
bool isNormRegion(const module::GraphView& body);
// Throws unless the addends have the sum's shape and only the norm, or the world, reads the sum. Ops are checked before.
void checkNormRegion(const Task& task);
std::string printNormRegion(const Task& task, bool wideIndex);
void planNormRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan);

} // namespace tenon::cuda
