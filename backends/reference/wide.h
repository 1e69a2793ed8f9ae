// Element access of the reference backend: runs of elements read into, and rounded once out of, wide types.
//
// Who uses it: the reference's op files. Floats are computed in double, integers in 64 bits; a u64 travels as the bits of
// an int64_t. What it must not know: ops.
#pragma once

#include "backends/common/elements.h"

#include <cstdint>

namespace tenon::reference {

using namespace tenon::kernels;

// Elements handled at a time: a few buffers of doubles stay in the first-level cache.
inline constexpr int64_t kChunk = 512;

// `count` elements from `from[first]`, `stride` elements apart (0 repeats one).
void loadFloats(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, double* to);
void storeFloats(TnDataType type, const double* from, int64_t count, void* to, int64_t first, int64_t stride = 1);
void loadInts(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, int64_t* to);
// Keeps the low bits.
void storeInts(TnDataType type, const int64_t* from, int64_t count, void* to, int64_t first, int64_t stride = 1);

} // namespace tenon::reference
