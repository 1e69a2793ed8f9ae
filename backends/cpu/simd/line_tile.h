// The innermost sums of convolutions whose vectors run along the lines of an image: a few outputs of a few vectors of pixels, summed in registers.
//
// Who uses it: convolutions of few channels of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// to[n * toStep + pixel] = start[n] + sum over channel, row and tap of
// from[channel * channelStep + row * rowStep + taps[tap] + pixel] * weights[n * weightStep + (channel * rows + row) * tapCount + tap].
struct LineSums {
    const float* from = nullptr; // up to a vector is read behind the last pixel
    int64_t channels = 0;
    int64_t channelStep = 0;
    int64_t rows = 0;
    int64_t rowStep = 0;
    const int64_t* taps = nullptr; // where each begins
    int64_t tapCount = 0;
    const float* weights = nullptr;
    int64_t weightStep = 0;       // from one output to the next
    bool continues = false;       // start with what is in `to`
    const float* start = nullptr; // else with these, one for each output; null: zero
    float* to = nullptr;
    int64_t toStep = 0; // from one output to the next
    int64_t pixels = 0;
    int64_t outputs = 0;
};

struct LineTile {
    int64_t lanes; // pixels of a vector
    void (*run)(const LineSums& sums);
};

const LineTile& lineTile();

} // namespace tenon::cpu
