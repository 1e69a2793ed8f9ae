// The innermost product of convolutions of few planes: a few windows of a line by one panel of columns, summed in registers.
//
// Who uses it: convolutions of planes of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// A line of windows. to[pixel * pixelStep + n / lanes * vectorStep + n % lanes] = start[n] + sum over line and tap of
// lines[line][pixel * stride + tap] * weights[n of (line * taps + tap)], the weights in panels as packed_tile.h has them.
struct PlaneRow {
    const float* const* lines = nullptr; // of all planes that the windows meet, from the first window on
    int64_t lineCount = 0;               // planes times lines of a window
    const float* weights = nullptr;
    const float* start = nullptr; // one for each column; null: zero
    float* to = nullptr;
    int64_t pixelStep = 0;
    int64_t vectorStep = 0; // of columns; `lanes` where all of a pixel lie side by side
    int64_t pixels = 0;
    int64_t columns = 0;
    bool isCut = false; // what is written is cut to [low, high]
    float low = 0;
    float high = 0;
};

struct PlaneTile {
    void (*run)(const PlaneRow& row) = nullptr;
    int64_t pixels = 0; // of a line, at least
};

// For windows of `taps` columns that move by `stride`; without a function for those that are rare and for parts of vectors.
PlaneTile planeTile(int64_t taps, int64_t stride, int64_t columns);

} // namespace tenon::cpu
