// Depthwise convolutions of images whose channels are last in memory, and what follows them element by element: so that a network of these and of
// products keeps one layout.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/common/window.h"
#include "backends/cpu/simd/depthwise_row.h"

#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// A convolution of each channel by itself, with constant weights.
bool isDepthwise(const module::NodeView& node);
// Such a one, alone or the first of a region's nodes.
bool beginsWithDepthwise(const module::GraphView& body);
// Lines [first, last) of a window that are inside the image, where its line 0 is the image's line `top`.
struct WindowLines {
    int64_t first;
    int64_t last;
};
WindowLines linesInside(const Window& window, int64_t top);
// A row of results, of weights that are laid out for `channels` channels: all that the window tells of it. Line n of the image is at n % ring. The
// caller says where image, start and result are, which channels and what they are cut to.
DepthwiseRow depthwiseRowOf(const Window& window, int64_t outputRow, int64_t ring, const float* weights,
                            int64_t channels);
// The layout of the weights: the window first, channels last.
TnFormat depthwiseWeights();
// The layouts of the inputs and then of the output. Throws a refusal.
std::vector<TnFormat> depthwiseLayouts(const module::GraphView& body);
void checkDepthwise(const Task& task);
TaskPlan planDepthwise(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
