// How wide the panels of packed weights are, for the tiles that read them, and how sums are cut and written.
//
// Who uses it: tiles of products and of depthwise convolutions of the cpu backend, once per instruction set. What it must not know: what is computed.
#if defined(TENON_PANELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_PANELS_INL
#undef TENON_PANELS_INL
#else
#define TENON_PANELS_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

// Six rows by as many vectors of columns as leave registers for the operands: 32 registers with AVX-512 and on ARM, 16 elsewhere. Half of the
// columns leave room for more rows.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_ARCH_ARM_A64
constexpr bool kHasManyRegisters = true;
#else
constexpr bool kHasManyRegisters = false;
#endif
constexpr int kPanelVectors = kHasManyRegisters ? 4 : 2;
constexpr int kWideRows = 6;
constexpr int kNarrowRows = kHasManyRegisters ? 12 : 10;

// The bounds come first: a sum that is no number stays so.
template <class V>
HWY_INLINE V CutTo(V low, V high, V sum) {
    namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
    // What stands in for Min and Max returns the bound.
    const V atLeast = hn::IfThenElse(hn::Lt(sum, low), low, sum);
    return hn::IfThenElse(hn::Gt(atLeast, high), high, atLeast);
#else
    return hn::Min(high, hn::Max(low, sum));
#endif
}

template <bool kIsCut, int kRows, int kVectors, class D>
HWY_INLINE void WriteRowsOf(D d, const hwy::HWY_NAMESPACE::Vec<D> (&sums)[kRows][kVectors], float low, float high,
                            float* to, int64_t row, int64_t vector) {
    namespace hn = hwy::HWY_NAMESPACE;
    const auto lows = hn::Set(d, low);
    const auto highs = hn::Set(d, high);
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            hn::StoreU(kIsCut ? CutTo(lows, highs, sums[r][v]) : sums[r][v], d, to + v * vector);
        }
        to += row;
        HWY_FENCE;
    }
}

// The rows of a tile, one finished after the other: were all of them cut before the first is written, the multiplications of the next tile would
// wait for the writes, which then come all at once.
template <int kRows, int kVectors, class D>
HWY_INLINE void WriteRows(D d, const hwy::HWY_NAMESPACE::Vec<D> (&sums)[kRows][kVectors], bool isCut, float low,
                          float high, float* to, int64_t row, int64_t vector) {
    if (isCut) {
        WriteRowsOf<true>(d, sums, low, high, to, row, vector);
    } else {
        WriteRowsOf<false>(d, sums, low, high, to, row, vector);
    }
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#endif
