// Counts filled up to whole units.
#pragma once

#include <cstdint>

namespace tenon::kernels {

constexpr int64_t roundUp(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

} // namespace tenon::kernels
