// A task of this module: single nodes, pointwise regions, a sum with its norm, embeddings, squeeze-and-excite; its checks, its source and its plan.
//
// Who uses it: the provider (checks, source) and the kernel runtime (checks, plan). What it must not know: NVRTC, CUDA.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cuda/plan.h"

#include <string>

namespace tenon::cuda {

// All throw Failure.
void checkTask(const Task& task);
// CUDA C++; empty where no kernel is needed. Depends on the body's bounds only by the width of indices.
std::string sourceOfTask(const Task& task);
DevicePlan planTask(const Task& task, const PortShapes& shapes);
// The shapes of a prepare, held against the task's ports.
PortShapes shapesOfTask(const Task& task, const module::PrepareArgs& args);

// True when some tensor of the body may have 2^31 elements or more.
bool needsWideIndex(const module::GraphView& body);

} // namespace tenon::cuda
