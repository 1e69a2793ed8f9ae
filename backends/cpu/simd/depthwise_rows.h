// Lines of a depthwise convolution with the channels last in memory: vectors run over channels, several positions share each weight, and several lines
// of results each position.
//
// Who uses it: depthwise convolutions of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>
#include <limits>

namespace tenon::cpu {

// y[(n * outputs + o) * yPixel + c] = start[c] + sum over the window's lines i and columns k of
// x[(first + n * down + i * apart) % ring * xLine + (o * stride + k * dilation - pad) * xPixel + c] * w[i * wLine + k * wPixel + c], cut to [low, high], where
// columns outside the line of `width` positions count as zero, for lines n of results.
struct DepthwiseRows {
    const float* x;
    int64_t xLine;                                      // from one line of x to the next
    int64_t first = 0;                                  // line of x that the window's first one meets
    int64_t apart = 1;                                  // lines of x from one of the window to the next
    int64_t ring = std::numeric_limits<int64_t>::max(); // line `ring` lies where line 0 does
    int64_t xPixel;                                     // from one position to the next
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
    int64_t rows = 1; // lines of results, of windows that meet equally many lines
    int64_t down = 1; // lines of x from the window of one to that of the next
    int64_t outputs;
    int64_t channels; // at least depthwiseLanes()
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();

    const float* line(int64_t i) const { return x + (first + i * apart) % ring * xLine; }
};

// So many lines of results, at most, are made at once: more at a time share no more.
constexpr int64_t kDepthwiseRows = 4;

void depthwiseRows(const DepthwiseRows& rows);
int64_t depthwiseLanes();

} // namespace tenon::cpu
