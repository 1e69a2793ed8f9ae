// Embeddings: rows of tables added up, with the norm of the sum, as one loop over rows.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

bool isEmbedding(const module::GraphView& body);
// Throws a refusal for other types. Ports are linear and of the body's types.
void checkEmbedding(const Task& task);
TaskPlan planEmbedding(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
