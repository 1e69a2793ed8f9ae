#include "backends/cpu/simd/brain_tile.h"

#include "backends/cpu/simd/brain-inl.h"
#include "backends/cpu/simd/tile_shapes.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#endif

namespace tenon::cpu {

#if defined(__x86_64__)

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kColumns = BrainProduct::kColumns;
constexpr int64_t kDepth = BrainProduct::kDepth;
constexpr int64_t kStep = kDepth * kColumns; // elements of a step's weights

TENON_BRAIN_INLINE __mmask16 firstLanes(int64_t count) {
    return static_cast<__mmask16>((1U << std::clamp<int64_t>(count, 0, kLanes)) - 1);
}

TENON_BRAIN void widenRows(const uint16_t* from, int64_t fromRow, int64_t rows, int64_t columns, float* to) {
    for (int64_t r = 0; r < rows; ++r, from += fromRow, to += kColumns) {
        for (int64_t n = 0; n < kColumns; n += kLanes) {
            const __m256i halves = _mm256_maskz_loadu_epi16(firstLanes(columns - n), from + n);
            const __m512i whole = _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
            _mm512_storeu_si512(to + n, whole);
        }
    }
}

TENON_BRAIN void narrowRows(const float* from, const float* factors, int64_t rows, int64_t columns, uint16_t* to,
                            int64_t toRow) {
    const auto mask = static_cast<__mmask32>(~0U >> (kColumns - columns));
    for (int64_t r = 0; r < rows; ++r, from += kColumns, to += toRow) {
        const __m512 factor = _mm512_set1_ps(factors != nullptr ? factors[r] : 1.0F);
        const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_mul_ps(_mm512_loadu_ps(from + kLanes), factor),
                                                  _mm512_mul_ps(_mm512_loadu_ps(from), factor));
        _mm512_mask_storeu_epi16(to, mask, reinterpret_cast<__m512i>(both));
    }
}

// Two rows become pairs.
TENON_BRAIN void packRows(const uint16_t* from, int64_t fromRow, int64_t depth, int64_t columns, int64_t paddedDepth,
                          uint16_t* to) {
    const auto mask = static_cast<__mmask32>(~0U >> (kColumns - columns));
    const __m512i places = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                                            37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i after = _mm512_add_epi16(places, _mm512_set1_epi16(kLanes));
    for (int64_t k = 0; k < paddedDepth; k += 2, to += 2 * kColumns) {
        const __m512i even = _mm512_maskz_loadu_epi16(k < depth ? mask : 0, from + k * fromRow);
        const __m512i odd = _mm512_maskz_loadu_epi16(k + 1 < depth ? mask : 0, from + (k + 1) * fromRow);
        _mm512_storeu_si512(to, _mm512_permutex2var_epi16(even, places, odd));
        _mm512_storeu_si512(to + kColumns, _mm512_permutex2var_epi16(even, after, odd));
    }
}

// Sixteen by sixteen pairs change places: rows of each power of two apart swap halves.
TENON_BRAIN_INLINE void transpose(__m512i (&x)[kLanes]) {
    __m512i y[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kLanes; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        // Quarters: of rows i, i + 4, i + 8 and i + 12.
        const __m512i low = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
        const __m512i lowBelow = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
        const __m512i highBelow = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
        y[i] = _mm512_shuffle_i32x4(low, lowBelow, 0x88);
        y[i + 8] = _mm512_shuffle_i32x4(low, lowBelow, 0xdd);
        y[i + 4] = _mm512_shuffle_i32x4(high, highBelow, 0x88);
        y[i + 12] = _mm512_shuffle_i32x4(high, highBelow, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
        x[i] = y[i];
    }
}

TENON_BRAIN void packColumns(const uint16_t* from, int64_t fromRow, int64_t depth, int64_t columns, int64_t paddedDepth,
                             uint16_t* to) {
    for (int64_t k = 0; k < paddedDepth; k += kDepth) {
        const int64_t left = std::clamp<int64_t>(depth - k, 0, kDepth);
        const auto mask = static_cast<__mmask32>(left == 0 ? 0 : ~0U >> (kDepth - left));
        for (int64_t n = 0; n < kColumns; n += kLanes) {
            __m512i pairs[kLanes];
#pragma GCC unroll 16
            for (int64_t i = 0; i < kLanes; ++i) {
                const bool isThere = n + i < columns;
                pairs[i] = _mm512_maskz_loadu_epi16(isThere ? mask : 0, from + (isThere ? n + i : 0) * fromRow + k);
            }
            transpose(pairs);
#pragma GCC unroll 16
            for (int64_t i = 0; i < kLanes; ++i) {
                _mm512_storeu_si512(to + ((k / 2 + i) * kColumns + n) * 2, pairs[i]);
            }
        }
    }
}

// --- Matrix registers: two by two sums of 16 rows by 16 columns ---

TENON_MATRIX void beginMatrix(int64_t rows) {
    TileShapes shapes;
    for (int i = 0; i < 8; ++i) {
        shapes.rowBytes[i] = 64;
        // Registers 6 and 7 hold weights.
        shapes.rows[i] = static_cast<uint8_t>(i < 6 ? std::min(rows, kLanes) : kDepth / 2);
    }
    // The intrinsic says that it reads eight bytes.
    asm volatile("" : : "r"(&shapes) : "memory");
    _tile_loadconfig(&shapes);
}

TENON_MATRIX void endMatrix() { _tile_release(); }

template <bool kTwo>
TENON_MATRIX_INLINE void addMatrixStep(const uint16_t* a, const uint16_t* second, int64_t aRow, const uint16_t* b) {
    constexpr int64_t kElement = sizeof(uint16_t);
    _tile_loadd(4, a, aRow * kElement);
    _tile_loadd(6, b, 2 * kColumns * kElement);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kColumns, 2 * kColumns * kElement);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTwo) {
        _tile_loadd(5, second, aRow * kElement);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

// With a second row of registers: where there are fewer than 32 rows, both compute some of them, and the same.
template <bool kTwo>
TENON_MATRIX void runMatrixOf(int64_t rows, const BrainProduct& p) {
    const int64_t row = p.cRow * static_cast<int64_t>(sizeof(float));
    const int64_t below = rows - kLanes;
    float* const c = p.c;
    float* const under = kTwo ? c + below * p.cRow : c;
    // One row for all.
    const float* const from = p.start != nullptr ? p.start : c;
    const float* const fromUnder = p.start != nullptr ? p.start : under;
    const int64_t fromRow = p.start != nullptr ? 0 : row;
    _tile_loadd(0, from, fromRow);
    _tile_loadd(1, from + kLanes, fromRow);
    if constexpr (kTwo) {
        _tile_loadd(2, fromUnder, fromRow);
        _tile_loadd(3, fromUnder + kLanes, fromRow);
    }
    const uint16_t* a = p.a;
    const uint16_t* second = kTwo ? a + below * p.aRow : a;
    const uint16_t* b = p.b;
    const char* next = p.next;
    for (int64_t k = 0; k < p.steps; ++k, a += kDepth, second += kDepth, b += kStep) {
        addMatrixStep<kTwo>(a, second, p.aRow, b);
        for (int64_t line = 0; line < p.lines; ++line) {
            // Into the second-level cache: the first has no room.
            __builtin_prefetch(next, 0, 2);
            next += 64;
        }
    }
    if (p.aRest != nullptr) {
        addMatrixStep<kTwo>(p.aRest, kTwo ? p.aRest + below * kDepth : p.aRest, kDepth, p.bRest);
    }
    _tile_stored(0, c, row);
    _tile_stored(1, c + kLanes, row);
    if constexpr (kTwo) {
        _tile_stored(2, under, row);
        _tile_stored(3, under + kLanes, row);
    }
}

TENON_MATRIX void runMatrix(int64_t rows, const BrainProduct& p) {
    rows > kLanes ? runMatrixOf<true>(rows, p) : runMatrixOf<false>(rows, p);
}

// A process asks for the registers once; the system may refuse.
bool mayUseMatrix() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long kRequestPermission = 0x1023;
    constexpr long kTileData = 18;
    // Not every compiler's __builtin_cpu_supports knows their names.
    constexpr unsigned kMatrixBf16 = (1U << 22) | (1U << 24); // amx-bf16 and amx-tile
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kMatrixBf16) == kMatrixBf16 &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

// --- Vectors: as many rows as leave registers for weights and a ---

template <int kCount>
TENON_BRAIN_INLINE void addVectorStep(__m512 (&sums)[kCount][2], const uint16_t* a, int64_t aRow, const uint16_t* b) {
    for (int64_t k = 0; k < kDepth; k += 2, b += 2 * kColumns) {
        const __m512i left = _mm512_loadu_si512(b);
        const __m512i right = _mm512_loadu_si512(b + kColumns);
#pragma GCC unroll 12
        for (int r = 0; r < kCount; ++r) {
            int32_t two;
            __builtin_memcpy(&two, a + r * aRow + k, sizeof two);
            const __m512i pair = _mm512_set1_epi32(two);
            addPairs(sums[r][0], pair, left);
            addPairs(sums[r][1], pair, right);
        }
    }
}

template <int kCount>
TENON_BRAIN void runVectorOf(const BrainProduct& p) {
    __m512 sums[kCount][2];
#pragma GCC unroll 12
    for (int r = 0; r < kCount; ++r) {
        const float* const from = p.start != nullptr ? p.start : p.c + r * p.cRow;
        sums[r][0] = _mm512_loadu_ps(from);
        sums[r][1] = _mm512_loadu_ps(from + kLanes);
    }
    const uint16_t* a = p.a;
    const uint16_t* b = p.b;
    const char* next = p.next;
    for (int64_t k = 0; k < p.steps; ++k, a += kDepth, b += kStep) {
        for (int64_t line = 0; line < p.lines; ++line) {
            __builtin_prefetch(next, 0, 2);
            next += 64;
        }
        addVectorStep(sums, a, p.aRow, b);
    }
    if (p.aRest != nullptr) {
        addVectorStep(sums, p.aRest, kDepth, p.bRest);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kCount; ++r) {
        _mm512_storeu_ps(p.c + r * p.cRow, sums[r][0]);
        _mm512_storeu_ps(p.c + r * p.cRow + kLanes, sums[r][1]);
    }
}

template <int kCount>
void runVectorRows(int64_t rows, BrainProduct p) {
    for (; rows >= kCount; rows -= kCount) {
        runVectorOf<kCount>(p);
        p.a += kCount * p.aRow;
        p.aRest += p.aRest != nullptr ? kCount * kDepth : 0;
        p.c += kCount * p.cRow;
        p.lines = 0; // the first rows have fetched what comes next
    }
    if constexpr (kCount > 1) {
        if (rows > 0) {
            runVectorRows<kCount / 2>(rows, p);
        }
    }
}

void runVector(int64_t rows, const BrainProduct& p) { runVectorRows<12>(rows, p); }

bool hasBrainVectors() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

} // namespace

const BrainTile* matrixBrainTile() {
    static const BrainTile tile{beginMatrix, runMatrix, endMatrix, widenRows, narrowRows, packRows, packColumns};
    static const bool isThere = hasBrainVectors() && mayUseMatrix();
    return isThere ? &tile : nullptr;
}

const BrainTile* vectorBrainTile() {
    static const BrainTile tile{[](int64_t) {}, runVector, [] {}, widenRows, narrowRows, packRows, packColumns};
    static const bool isThere = hasBrainVectors();
    return isThere ? &tile : nullptr;
}

#else

const BrainTile* matrixBrainTile() { return nullptr; }
const BrainTile* vectorBrainTile() { return nullptr; }

#endif

const BrainTile* brainTile() { return matrixBrainTile() != nullptr ? matrixBrainTile() : vectorBrainTile(); }

} // namespace tenon::cpu
