// What the machine gives at most, measured: fused multiplications and additions, and copies.
// Used by kernel_bench.
#pragma once

#include <cstdint>

namespace tenon::bench {

// f32 operations per nanosecond (GFLOP/s) of a team, in registers alone.
double peakFlops(int threads);
// The same of products of bf16, and of bytes, by the widest instructions for them; 0 where the processor has none.
double peakOfBrain(int threads);
double peakOfBytes(int threads);
// Bytes read and written per nanosecond (GB/s) when a team copies buffers that have so many bytes together, again and again.
double copyBandwidth(int threads, int64_t bytes);

} // namespace tenon::bench
