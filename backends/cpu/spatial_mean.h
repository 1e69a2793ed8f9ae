// Means over the pixels of images (a global average pooling) that have their channels in blocks or last.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/task_kernel.h"

#include <algorithm>

namespace tenon::cpu {

using namespace tenon::kernels;

// Parts that the pixels of an image with its channels side by side are summed in, whatever the number of threads is. Not many where a part's sums are
// long: one thread fetches those of the others to add them up.
constexpr int64_t kMostPixelParts = 16;
inline int64_t pixelParts(int64_t pixels, int64_t channels) {
    const int64_t parts = std::clamp<int64_t>(4096 / std::max<int64_t>(channels, 1), 4, kMostPixelParts);
    return std::clamp<int64_t>(pixels, 1, parts);
}

// A mean over all dimensions but the first two of four.
bool isOverPixels(const module::NodeView& node);
// A mean over all dimensions but the first two of a tensor of four, alone.
bool isSpatialMean(const module::GraphView& body);
// The result is linear, or where its pixel is kept in the image's layout, which has the same bytes then. Throws a refusal.
void checkSpatialMean(const Task& task);
TaskPlan planSpatialMean(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
