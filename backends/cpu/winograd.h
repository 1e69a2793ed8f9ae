// Convolutions of 3 x 3 with stride one and constant weights by Winograd's algorithm: tiles of 4 x 4 results take 36 products for each pair of
// channels instead of 144, tiles of 2 x 2 take 16 instead of 36. What follows element by element is part of the kernel.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cpu/winograd_weights.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Such a convolution, alone or the first of a region's nodes. The last one may be the maximum of every two by two results; these are a result of the
// region as well where others read them.
bool beginsWithWinograd(const module::GraphView& body);
// The nodes of such convolutions with their maxima.
std::vector<std::vector<int32_t>> pooledConvolutions(const module::GraphView& graph);
// The ways to compute it, each the layouts of the inputs and then of the outputs. Throws a refusal.
struct WinogradVariant {
    WinogradWeights weights;
    std::vector<TnFormat> layouts;
};
std::vector<WinogradVariant> winogradVariants(const module::GraphView& body);
void checkWinograd(const Task& task);
TaskPlan planWinograd(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
