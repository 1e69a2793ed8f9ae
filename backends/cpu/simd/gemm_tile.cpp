// The innermost product of matrices, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/gemm_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/gemm_tile.h"

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Two vectors wide; as many rows as leave registers for the operands: 32 registers with AVX-512 and on ARM, 16 elsewhere.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kRows = 12;
#elif HWY_ARCH_ARM_A64
constexpr int kRows = 8;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
constexpr int kRows = 4;
#else
constexpr int kRows = 6;
#endif

void Run(const float* a, const float* b, int64_t depth, float* c, int64_t stride, bool accumulate) {
    const hn::ScalableTag<float> d;
    using V = hn::Vec<hn::ScalableTag<float>>;
    const size_t lanes = hn::Lanes(d);
    V left[kRows];
    V right[kRows];
    for (int r = 0; r < kRows; ++r) {
        left[r] = accumulate ? hn::LoadU(d, c + r * stride) : hn::Zero(d);
        right[r] = accumulate ? hn::LoadU(d, c + r * stride + lanes) : hn::Zero(d);
    }
    for (int64_t k = 0; k < depth; ++k) {
        const V b0 = hn::LoadU(d, b);
        const V b1 = hn::LoadU(d, b + lanes);
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            const V x = hn::Set(d, a[r]);
            left[r] = hn::MulAdd(x, b0, left[r]);
            right[r] = hn::MulAdd(x, b1, right[r]);
        }
        a += kRows;
        b += 2 * lanes;
    }
    for (int r = 0; r < kRows; ++r) {
        hn::StoreU(left[r], d, c + r * stride);
        hn::StoreU(right[r], d, c + r * stride + lanes);
    }
}

const GemmTile& Tile() {
    static const GemmTile tile{kRows, static_cast<int64_t>(2 * hn::Lanes(hn::ScalableTag<float>())), Run};
    return tile;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Tile);
const GemmTile& gemmTile() { return HWY_DYNAMIC_DISPATCH(Tile)(); }

} // namespace tenon::cpu
#endif
