// Depthwise convolutions of images whose channels are last in memory, and what follows them element by element: so that a network of these and of
// products keeps one layout.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/common/window.h"
#include "backends/cpu/simd/depthwise_rows.h"

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
// How many lines of results from outputRow on, before `end` and none beyond `inputEnd` of the image's lines, go together: those whose windows lie inside
// the image from top to bottom, kDepthwiseRows at most; one where its own does not.
int64_t depthwiseRowsTogether(const Window& window, int64_t outputRow, int64_t end, int64_t inputEnd);
// That many, of weights that are laid out for `channels` channels: all that the window tells of them. Line n of the image is at n % ring. The caller says where
// image, start and results are, which channels and what they are cut to.
DepthwiseRows depthwiseRowsOf(const Window& window, int64_t outputRow, int64_t rows, int64_t ring, const float* weights,
                              int64_t channels);
// The layout of the weights: the window first, channels last.
TnFormat depthwiseWeights();
// The layouts of the inputs and then of the output. Throws a refusal.
std::vector<TnFormat> depthwiseLayouts(const module::GraphView& body);
void checkDepthwise(const Task& task);
TaskPlan planDepthwise(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
