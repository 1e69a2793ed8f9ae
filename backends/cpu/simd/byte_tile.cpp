#include "backends/cpu/simd/byte_tile.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>

// Highway names no such instruction in the version that we build with: its own dispatch would not help.
#define TENON_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define TENON_VNNI_INLINE TENON_VNNI inline __attribute__((always_inline))
#endif

namespace tenon::cpu {

#if defined(__x86_64__)

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kStepBytes = ByteProduct::kColumns * 4;

// Four products of an unsigned and a signed byte each. With the intrinsic GCC 12 keeps every sum twice, once in memory.
TENON_VNNI_INLINE void addProducts(__m512i& sums, __m512i bytes, __m512i weights) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(weights));
}

// Sums to whole numbers within a byte.
TENON_VNNI_INLINE __m512i finished(const ByteProduct& p, __m512i sums, int64_t at) {
    const __m512 real =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(p.factor + at), _mm512_loadu_ps(p.shift + at));
    return _mm512_cvtps_epi32(_mm512_max_ps(_mm512_set1_ps(p.low), _mm512_min_ps(_mm512_set1_ps(p.high), real)));
}

// Four vectors of such numbers to 64 bytes in a row.
TENON_VNNI_INLINE __m512i packed(const __m512i (&n)[4], bool isSigned) {
    const __m512i low = _mm512_packs_epi32(n[0], n[1]);
    const __m512i high = _mm512_packs_epi32(n[2], n[3]);
    // Packing stays within quarters: word 4 i + v is of vector v.
    const __m512i mixed = isSigned ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, mixed);
}

template <int kVectors>
TENON_VNNI_INLINE void writeRow(const ByteProduct& p, const __m512i (&sums)[kVectors], uint8_t* c) {
    __m512i numbers[4] = {};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
        numbers[v] = finished(p, sums[v], v * kLanes);
    }
    const __mmask64 mask = ~__mmask64{0} >> (ByteProduct::kColumns - p.columns);
    _mm512_mask_storeu_epi8(c, mask, packed(numbers, p.isSignedResult));
}

template <int kCount, int kVectors, bool kSigned>
TENON_VNNI void runTile(const ByteProduct& p) {
    __m512i sums[kCount][kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
        const __m512i start = _mm512_loadu_si512(p.start + v * kLanes);
        if (p.zeros != nullptr) {
            const __m512i zeros = _mm512_loadu_si512(p.zeros + v * kLanes);
#pragma GCC unroll 16
            for (int r = 0; r < kCount; ++r) {
                sums[r][v] = _mm512_sub_epi32(start, _mm512_mullo_epi32(zeros, _mm512_set1_epi32(p.rowSums[r])));
            }
            continue;
        }
#pragma GCC unroll 16
        for (int r = 0; r < kCount; ++r) {
            sums[r][v] = start;
        }
    }
    const uint8_t* a = p.a;
    const int8_t* b = p.b;
    const __m512i middle = _mm512_set1_epi8(static_cast<char>(0x80));
    for (int64_t k = 0; k < p.steps; ++k, a += 4, b += kStepBytes) {
        __m512i columns[kVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
            columns[v] = _mm512_loadu_si512(b + v * 64);
        }
#pragma GCC unroll 16
        for (int r = 0; r < kCount; ++r) {
            int32_t four;
            std::memcpy(&four, a + r * p.aRow, sizeof four);
            __m512i x = _mm512_set1_epi32(four);
            if constexpr (kSigned) {
                x = _mm512_xor_si512(x, middle);
            }
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v) {
                addProducts(sums[r][v], x, columns[v]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
        writeRow(p, sums[r], p.c + r * p.cRow);
    }
}

// As many rows as leave registers for weights and a, then those that are left.
template <int kCount, int kVectors, bool kSigned>
void runRows(int64_t rows, ByteProduct p) {
    for (; rows >= kCount; rows -= kCount) {
        runTile<kCount, kVectors, kSigned>(p);
        p.a += kCount * p.aRow;
        p.c += kCount * p.cRow;
        p.rowSums += p.zeros != nullptr ? kCount : 0;
    }
    if constexpr (kCount > 1) {
        if (rows > 0) {
            runRows<kCount / 2, kVectors, kSigned>(rows, p);
        }
    }
}

template <bool kSigned>
void runColumns(int64_t rows, const ByteProduct& p) {
    switch ((p.columns + kLanes - 1) / kLanes) {
    case 1:
        return runRows<12, 1, kSigned>(rows, p);
    case 2:
        return runRows<12, 2, kSigned>(rows, p);
    case 3:
        return runRows<6, 3, kSigned>(rows, p);
    default:
        return runRows<6, 4, kSigned>(rows, p);
    }
}

void runProduct(int64_t rows, const ByteProduct& p) {
    p.isSigned ? runColumns<true>(rows, p) : runColumns<false>(rows, p);
}

TENON_VNNI void sumColumns(const int8_t* b, int64_t steps, int32_t* to) {
    __m512i sums[4] = {};
    const __m512i ones = _mm512_set1_epi8(1);
    for (int64_t k = 0; k < steps; ++k, b += kStepBytes) {
#pragma GCC unroll 8
        for (int v = 0; v < 4; ++v) {
            addProducts(sums[v], ones, _mm512_loadu_si512(b + v * 64));
        }
    }
    for (int v = 0; v < 4; ++v) {
        _mm512_storeu_si512(to + v * kLanes, sums[v]);
    }
}

TENON_VNNI void sumRows(int64_t rows, const ByteProduct& p, int32_t zero, int32_t* to) {
    const int64_t depth = p.steps * 4;
    const __m512i ones = _mm512_set1_epi8(1);
    const __m512i flips = _mm512_set1_epi8(p.isSigned ? static_cast<char>(0x80) : 0);
    for (int64_t r = 0; r < rows; ++r) {
        const uint8_t* const a = p.a + r * p.aRow;
        __m512i sums = _mm512_setzero_si512();
        for (int64_t k = 0; k < depth; k += 64) {
            const __mmask64 there = depth - k >= 64 ? ~__mmask64{0} : (__mmask64{1} << (depth - k)) - 1;
            const __m512i bytes = _mm512_xor_si512(_mm512_maskz_loadu_epi8(there, a + k), flips);
            addProducts(sums, _mm512_maskz_mov_epi8(there, bytes), ones);
        }
        to[r] = _mm512_reduce_add_epi32(sums) - static_cast<int32_t>(depth) * zero;
    }
}

} // namespace

const ByteTile* byteTile() {
    static const ByteTile tile{runProduct, sumColumns, sumRows};
    static const bool isThere = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    return isThere ? &tile : nullptr;
}

#else

const ByteTile* byteTile() { return nullptr; }

#endif

} // namespace tenon::cpu
