// What kernels of bf16 are compiled for, and the instruction that they are made of. To be included by their sources alone.
// Highway names no such instructions in the version that we build with: its own dispatch would not help.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#define TENON_BRAIN __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,prfchw")))
#define TENON_BRAIN_INLINE TENON_BRAIN inline __attribute__((always_inline))
#define TENON_MATRIX __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,prfchw,amx-tile,amx-bf16")))
#define TENON_MATRIX_INLINE TENON_MATRIX inline __attribute__((always_inline))

namespace tenon::cpu {

// Two products of bf16 each. With the intrinsic GCC 12 keeps every sum twice, once in memory.
TENON_BRAIN_INLINE void addPairs(__m512& sums, __m512i a, __m512i weights) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(weights));
}

} // namespace tenon::cpu
#endif
