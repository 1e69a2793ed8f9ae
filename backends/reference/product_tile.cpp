#include "backends/reference/product_tile.h"

#include <cstring>

// Copies of the function for wider vectors, chosen when the library is loaded. All give the same bits: the build forbids
// contraction to fused multiply-add, and every element is its own chain. Resolvers run before a sanitizer is ready.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) &&                           \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TENON_REFERENCE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TENON_REFERENCE_CLONES
#endif

namespace tenon::reference {

namespace {

template <class T>
using Lane [[gnu::vector_size(kTileColumns * sizeof(T))]] = T;

template <class T>
[[gnu::always_inline]] inline void multiply(const T* rows, int64_t depth, const T* columns, const int64_t* offsets,
                                            int64_t step, T* tile) {
    Lane<T> sum0{};
    Lane<T> sum1{};
    Lane<T> sum2{};
    Lane<T> sum3{};
    for (int64_t k = 0; k < depth; ++k) {
        const T* column = columns + offsets[k];
        Lane<T> x;
        if (step == 1) {
            std::memcpy(&x, column, sizeof x);
        } else {
            for (int64_t c = 0; c < kTileColumns; ++c) {
                x[c] = column[c * step];
            }
        }
        sum0 += rows[k] * x;
        sum1 += rows[depth + k] * x;
        sum2 += rows[2 * depth + k] * x;
        sum3 += rows[3 * depth + k] * x;
    }
    std::memcpy(tile, &sum0, sizeof sum0);
    std::memcpy(tile + kTileColumns, &sum1, sizeof sum1);
    std::memcpy(tile + 2 * kTileColumns, &sum2, sizeof sum2);
    std::memcpy(tile + 3 * kTileColumns, &sum3, sizeof sum3);
}

} // namespace

TENON_REFERENCE_CLONES void multiplyTile(const double* rows, int64_t depth, const double* columns,
                                         const int64_t* offsets, int64_t step, double* tile) {
    multiply(rows, depth, columns, offsets, step, tile);
}

void multiplyTile(const uint64_t* rows, int64_t depth, const uint64_t* columns, const int64_t* offsets, int64_t step,
                  uint64_t* tile) {
    multiply(rows, depth, columns, offsets, step, tile);
}

} // namespace tenon::reference
