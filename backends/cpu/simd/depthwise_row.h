// One line of a depthwise convolution with the channels last in memory: vectors run over channels, several positions share each weight.
//
// Who uses it: depthwise convolutions of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>
#include <limits>

namespace tenon::cpu {

// y[o * yPixel + c] = start[c] + sum over the window's lines i and columns k of x[i * xLine + (o * stride + k * dilation - pad) * xPixel + c]
// * w[i * wLine + k * wPixel + c], cut to [low, high], where columns outside the line of `width` positions count as zero.
struct DepthwiseRow {
    const float* x; // first line that the window meets
    int64_t xLine;  // from one line of the window to the next
    int64_t xPixel; // from one position to the next
    int64_t width;
    const float* w;
    int64_t wLine;
    int64_t wPixel;
    int64_t lines;
    int64_t columns;
    int64_t stride;
    int64_t dilation;
    int64_t pad;
    const float* start; // null: zero
    float* y;
    int64_t yPixel;
    int64_t outputs;
    int64_t channels; // at least depthwiseLanes()
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
};

void depthwiseRow(const DepthwiseRow& row);
int64_t depthwiseLanes();

} // namespace tenon::cpu
