// Rows of tables picked by index and added up, and the norm of the sum, as one kernel; the sum may be a result too.
// Used by task.cpp and the provider; ops/embedding.cpp has the rest. Knows no runtime.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cuda/plan.h"

#include <string>

namespace tenon::cuda {

bool isEmbeddingRegion(const module::GraphView& body);
// Throws for other types and layouts, and for rows that do not fit the registers of a block.
void checkEmbeddingRegion(const Task& task);
std::string printEmbeddingRegion(const Task& task, bool wideIndex);
void planEmbeddingRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan);

} // namespace tenon::cuda
