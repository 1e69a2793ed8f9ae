// Reading by index tables, one per dimension: padding, slices that reach outside, nearest resizing.
// Used by the movement and resize ops of the cpu backend. Knows no op.
#pragma once

#include "backends/common/movement.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// to[c] = from[sources[0][c0], sources[1][c1], ...], input 0 to output 0; where a source is -1: `fill`, or the element of
// input `fillInput` if that is not -1.
Plan planIndexed(const Call& call, const Sources& sources, double fill, int32_t fillInput);

} // namespace tenon::cpu
