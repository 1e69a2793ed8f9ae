// Products with constant weights that lie packed in panels of columns, and what follows them element by element: the weights of a large network do
// not stay in a cache from one run to the next, so each panel is fetched while the one before it is at work.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// A matmul alone, or the first of a region's nodes, with weights that are constant.
bool beginsWithProduct(const module::GraphView& body);
// The layout that weights are packed in: it depends on the instruction set.
TnFormat packedWeights(const module::GraphView& body);
// Throws a refusal for what cannot be computed so: other types, other followers than constant factors, sums and activations.
void checkPackedProduct(const Task& task);
TaskPlan planPackedProduct(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
