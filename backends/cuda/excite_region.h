// The mean of each channel and the two small products that make its weight of it, as two kernels; or the products alone, as one.
// Used by task.cpp and the provider; ops/excite.cpp has the rest. Knows no runtime.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cuda/plan.h"

#include <string>

namespace tenon::cuda {

bool isExciteRegion(const module::GraphView& body);
// The port whose layout may have channels last, as the result then has.
int32_t imageOfExcite(const module::GraphView& body);
// Throws for other types and layouts, for what is scaled in the same region, and where the means do not fit a block's memory.
void checkExciteRegion(const Task& task);
std::string printExciteRegion(const Task& task, bool wideIndex);
void planExciteRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan);

} // namespace tenon::cuda
