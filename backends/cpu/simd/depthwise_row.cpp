// One line of a depthwise convolution, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/depthwise_row.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/depthwise_row.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using RowTag = hn::ScalableTag<float>;
using RowVec = hn::Vec<RowTag>;

// kCount neighbouring outputs from o on, of the channels from c on; columns [first, last) of the window are inside for all of them.
template <int kCount>
HWY_INLINE void Outputs(const DepthwiseRow& r, int64_t c, int64_t o, int64_t first, int64_t last) {
    const RowTag d;
    RowVec sums[kCount];
    for (int i = 0; i < kCount; ++i) {
        sums[i] = r.start != nullptr ? hn::LoadU(d, r.start + c) : hn::Zero(d);
    }
    const int64_t step = r.stride * r.channels;
    const float* const x = r.x + (o * r.stride + first * r.dilation - r.pad) * r.channels + c;
    for (int64_t line = 0; line < r.lines; ++line) {
        const float* at = x + line * r.xLine;
        const float* w = r.w + line * r.wLine + first * r.channels + c;
        for (int64_t k = first; k < last; ++k) {
            const RowVec weight = hn::LoadU(d, w);
            HWY_UNROLL(8)
            for (int i = 0; i < kCount; ++i) {
                sums[i] = hn::MulAdd(weight, hn::LoadU(d, at + i * step), sums[i]);
            }
            at += r.dilation * r.channels;
            w += r.channels;
        }
    }
    for (int i = 0; i < kCount; ++i) {
        hn::StoreU(sums[i], d, r.y + (o + i) * r.channels + c);
    }
}

// All channels of some outputs before the next ones, as they lie in memory.
template <int kCount>
HWY_INLINE void AllChannels(const DepthwiseRow& r, int64_t o, int64_t first, int64_t last) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
    for (int64_t c = 0; c < r.channels; c += lanes) {
        // The last vector may begin among channels that are done: what it writes again is the same.
        Outputs<kCount>(r, std::min(c, r.channels - lanes), o, first, last);
    }
}

void Edge(const DepthwiseRow& r, int64_t o) {
    const int64_t begin = o * r.stride - r.pad;
    int64_t first = 0;
    while (first < r.columns && begin + first * r.dilation < 0) {
        ++first;
    }
    int64_t last = r.columns;
    while (last > first && begin + (last - 1) * r.dilation >= r.width) {
        --last;
    }
    AllChannels<1>(r, o, first, last);
}

void Row(const DepthwiseRow& r) {
    // Outputs whose whole window is inside the line.
    const int64_t reach = (r.columns - 1) * r.dilation;
    const int64_t inside = std::min((r.pad + r.stride - 1) / r.stride, r.outputs);
    const int64_t room = r.width + r.pad - 1 - reach;
    const int64_t outside = std::clamp(room < 0 ? int64_t{0} : room / r.stride + 1, inside, r.outputs);
    int64_t o = 0;
    for (; o < inside; ++o) {
        Edge(r, o);
    }
    for (; o + 4 <= outside; o += 4) {
        AllChannels<4>(r, o, 0, r.columns);
    }
    for (; o < outside; ++o) {
        AllChannels<1>(r, o, 0, r.columns);
    }
    for (; o < r.outputs; ++o) {
        Edge(r, o);
    }
}

int64_t RowLanes() { return static_cast<int64_t>(hn::Lanes(RowTag())); }

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Row);
HWY_EXPORT(RowLanes);
void depthwiseRow(const DepthwiseRow& row) { HWY_DYNAMIC_DISPATCH(Row)(row); }
int64_t depthwiseLanes() { return HWY_DYNAMIC_DISPATCH(RowLanes)(); }

} // namespace tenon::cpu
#endif
