// Peaks of products of bf16 and of bytes: by the matrix registers (AMX) where the system gives them, else by vectors, operands in registers.
#include "benchmarks/kernels/peak.h"

#include "backends/common/parallel.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tenon::bench {

namespace {

// Operations of one call.
using Products = int64_t (*)();

#if defined(__x86_64__)

constexpr int64_t kRounds = 200'000;

// The shapes of the matrix registers, as the processor reads them: all of 16 rows of 64 bytes.
struct alignas(64) Shapes {
    uint8_t palette = 1;
    uint8_t rest[15] = {};
    uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Four sums, as kernels have them, so that one product does not wait for the last.
template <bool kBytes>
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) int64_t matrixProducts() {
    const Shapes shapes;
    asm volatile("ldtilecfg %0" : : "m"(shapes));
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t round = 0; round < kRounds; ++round) {
        if constexpr (kBytes) {
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        } else {
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_release();
    return kRounds * 4 * 2 * 16 * 16 * (kBytes ? 64 : 32);
}

template <class Sum, class Step>
__attribute__((target("avx512f"), always_inline)) inline int64_t repeat(Sum zero, int64_t each, const Step& step) {
    constexpr int kSums = 12;
    Sum sums[kSums];
    std::fill(std::begin(sums), std::end(sums), zero);
    for (int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
        for (Sum& sum : sums) {
            step(sum);
            asm volatile("" : "+v"(sum)); // not to be left out
        }
    }
    return kRounds * kSums * each;
}

__attribute__((target("avx512f,avx512bf16"))) int64_t brainVectors() {
    const auto x = (__m512bh)_mm512_setzero_si512();
    return repeat(
        _mm512_setzero_ps(),
        2 * 32, [&](__m512 & sum) __attribute__((target("avx512f,avx512bf16"))) { sum = _mm512_dpbf16_ps(sum, x, x); });
}

__attribute__((target("avx512f,avx512vnni"))) int64_t byteVectors() {
    const __m512i x = _mm512_setzero_si512();
    return repeat(
        _mm512_setzero_si512(), 2 * 64, [&](__m512i & sum) __attribute__((target("avx512f,avx512vnni"))) {
            sum = _mm512_dpbusd_epi32(sum, x, x);
        });
}

bool hasMatrices() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long kRequestPermission = 0x1023;
    constexpr long kTileData = 18;
    constexpr uint32_t kAll = 1U << 22 | 1U << 24 | 1U << 25; // bf16, registers, bytes
    uint32_t eax = 0;
    uint32_t ebx = 0;
    uint32_t ecx = 0;
    uint32_t edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAll) == kAll &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

Products productsOf(bool bytes) {
    if (hasMatrices()) {
        return bytes ? matrixProducts<true> : matrixProducts<false>;
    }
    if (bytes) {
        return __builtin_cpu_supports("avx512vnni") ? byteVectors : nullptr;
    }
    return __builtin_cpu_supports("avx512bf16") ? brainVectors : nullptr;
}

#else

Products productsOf(bool) { return nullptr; }

#endif

double peakOf(Products products, int threads) {
    if (products == nullptr) {
        return 0;
    }
    double best = 0;
    for (int i = 0; i < 20; ++i) {
        int64_t done = 0;
        const auto begin = std::chrono::steady_clock::now();
        kernels::parallelTeam(threads, threads, [&](int64_t member, int64_t, int64_t) {
            const int64_t own = products();
            done = member == 0 ? own : done;
        });
        const std::chrono::duration<double, std::nano> ns = std::chrono::steady_clock::now() - begin;
        best = std::max(best, static_cast<double>(done) * threads / ns.count());
    }
    return best;
}

} // namespace

double peakOfBrain(int threads) { return peakOf(productsOf(false), threads); }
double peakOfBytes(int threads) { return peakOf(productsOf(true), threads); }

} // namespace tenon::bench
