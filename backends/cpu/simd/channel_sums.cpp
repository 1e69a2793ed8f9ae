// Sums over pixels, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/channel_sums.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/channel_sums.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using SumTag = hn::ScalableTag<float>;
using SumVec = hn::Vec<SumTag>;

constexpr int kSumVectors = 4;
constexpr int64_t kTogether = 64;

// Of kVectors vectors of channels, two pixels at a time.
template <int kVectors>
HWY_INLINE void SumsOf(const float* x, int64_t pixel, int64_t pixels, float factor, float* to) {
    const SumTag d;
    const size_t lanes = hn::Lanes(d);
    SumVec totals[kVectors];
    for (int v = 0; v < kVectors; ++v) {
        totals[v] = hn::Zero(d);
    }
    for (int64_t p = 0; p < pixels;) {
        SumVec even[kVectors];
        SumVec odd[kVectors];
        for (int v = 0; v < kVectors; ++v) {
            even[v] = odd[v] = hn::Zero(d);
        }
        const int64_t end = std::min(pixels, p + kTogether);
        for (; p + 2 <= end; p += 2) {
            HWY_UNROLL(4)
            for (int v = 0; v < kVectors; ++v) {
                even[v] = hn::Add(even[v], hn::LoadU(d, x + p * pixel + static_cast<size_t>(v) * lanes));
                odd[v] = hn::Add(odd[v], hn::LoadU(d, x + (p + 1) * pixel + static_cast<size_t>(v) * lanes));
            }
        }
        for (; p < end; ++p) {
            for (int v = 0; v < kVectors; ++v) {
                even[v] = hn::Add(even[v], hn::LoadU(d, x + p * pixel + static_cast<size_t>(v) * lanes));
            }
        }
        for (int v = 0; v < kVectors; ++v) {
            totals[v] = hn::Add(totals[v], hn::Add(even[v], odd[v]));
        }
    }
    for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(hn::Mul(totals[v], hn::Set(d, factor)), d, to + static_cast<size_t>(v) * lanes);
    }
}

void Sums(const float* x, int64_t pixel, int64_t pixels, int64_t channels, float factor, float* to) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(SumTag()));
    int64_t c = 0;
    for (; c + kSumVectors * lanes <= channels; c += kSumVectors * lanes) {
        SumsOf<kSumVectors>(x + c, pixel, pixels, factor, to + c);
    }
    for (; c + lanes <= channels; c += lanes) {
        SumsOf<1>(x + c, pixel, pixels, factor, to + c);
    }
    for (; c < channels; ++c) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; ++p) {
            sum += static_cast<double>(x[p * pixel + c]);
        }
        to[c] = static_cast<float>(sum * static_cast<double>(factor));
    }
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Sums);
void channelSums(const float* x, int64_t pixel, int64_t pixels, int64_t channels, float factor, float* to) {
    HWY_DYNAMIC_DISPATCH(Sums)(x, pixel, pixels, channels, factor, to);
}

} // namespace tenon::cpu
#endif
