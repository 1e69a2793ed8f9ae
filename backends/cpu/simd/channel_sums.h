// Sums over the pixels of an image whose vectors run over channels.
//
// Who uses it: spatial means of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// to[c] = factor * sum over p < pixels of x[p * pixel + c], c < channels. Sums of 64 pixels are summed, so that errors grow with their number alone.
void channelSums(const float* x, int64_t pixel, int64_t pixels, int64_t channels, float factor, float* to);

} // namespace tenon::cpu
