// layer_norm and rms_norm over contiguous blocks, alone or behind an addition: one pass over each block while it lies in the first-level cache.
//
// Who uses it: the table of ops (the norm alone) and the cpu planner (the addition and the norm as a region). What it must not know: how tactics
// are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// layer_norm or rms_norm as a node.
Plan planTrailingNorm(const Call& call);
// Throws a refusal for what the loops do not compute: a scale that differs within blocks and between them.
void checkTrailingNorm(const module::NodeView& node);

// True for the body: a sum of two tensors of one shape, then the norm of it; both may leave.
bool isSumAndNorm(const module::GraphView& body);
void checkSumAndNorm(const Task& task);
TaskPlan planSumAndNorm(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
