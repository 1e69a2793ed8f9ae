// Numbers for tests of inner kernels: sums of products of them are exact in whatever order.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// In places that nobody may write.
constexpr float kBehind = -77;

// Numbers that differ from place to place.
inline float number(int64_t at, int64_t period) {
    const int64_t middle = period / 2;
    return static_cast<float>(at * 7 % period - middle);
}

} // namespace tenon::cpu
