// Concatenations in the layout that the neighbours have: along the blocked or the last dimension too, as long as blocks are whole.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered, what elements are.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// All ports in one layout. Throws a refusal for what is no concatenation, and for layouts in which the parts are not whole.
void checkConcat(const Task& task);
TaskPlan planConcat(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
