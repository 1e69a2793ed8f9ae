// Products with constant weights that lie packed in panels of columns, and what follows them element by element: the weights of a large network do
// not stay in a cache from one run to the next, so each panel is fetched while the one before it is at work.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// The layout of the weights of a product or of such a convolution.
TnFormat packedWeights(const module::NodeView& head);
// The layouts of the inputs and then of the output. Weights are packed for the instruction set, images have their channels last. Throws a refusal.
std::vector<TnFormat> packedProductLayouts(const module::GraphView& body);
// Throws a refusal for what cannot be computed so: other types, other followers than constant factors, sums and activations.
void checkPackedProduct(const Task& task);
TaskPlan planPackedProduct(const Task& task, const PortShapes& shapes);

// Products of one value, each perhaps with a bias: their panels are shared out among the threads together.
bool isSiblingProducts(const module::GraphView& body);
// The layouts of the inputs; results are linear. Throws a refusal.
std::vector<TnFormat> siblingLayouts(const module::GraphView& body);
void checkSiblings(const Task& task);
TaskPlan planSiblings(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
