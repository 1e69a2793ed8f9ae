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

// Neighbouring outputs whose sums are made together. More of them load less often, but write so many places at once that long lines, which come from
// and go to memory, get slower.
constexpr int kFewOutputs = 4;
constexpr int kManyOutputs = 7;
constexpr int64_t kLongLine = 8192; // elements

HWY_INLINE RowVec StartOf(RowTag d, const DepthwiseRow& r, int64_t c) {
    return r.start != nullptr ? hn::LoadU(d, r.start + c) : hn::Zero(d);
}

// Writes kCount sums from output o on. The bounds come first: a sum that is no number stays so.
template <int kCount>
HWY_INLINE void StoreOutputs(RowTag d, const DepthwiseRow& r, const RowVec (&sums)[kCount], int64_t c, int64_t o) {
    const RowVec low = hn::Set(d, r.low);
    const RowVec high = hn::Set(d, r.high);
    const int64_t pixel = r.yPixel;
    float* const y = r.y + o * pixel + c;
    HWY_UNROLL(8)
    for (int i = 0; i < kCount; ++i) {
        hn::StoreU(hn::Min(high, hn::Max(low, sums[i])), d, y + i * pixel);
    }
}

// kCount outputs from o on, columns [first, last) of whose windows are inside the line.
template <int kCount>
HWY_INLINE void Outputs(const DepthwiseRow& r, int64_t c, int64_t o, int64_t first, int64_t last) {
    const RowTag d;
    RowVec sums[kCount];
    HWY_UNROLL(8)
    for (int i = 0; i < kCount; ++i) {
        sums[i] = StartOf(d, r, c);
    }
    const int64_t step = r.stride * r.xPixel;
    const int64_t begin = (o * r.stride + first * r.dilation - r.pad) * r.xPixel + c;
    for (int64_t line = 0; line < r.lines; ++line) {
        const float* at = r.line(line) + begin;
        const float* w = r.w + line * r.wLine + first * r.wPixel + c;
        for (int64_t k = first; k < last; ++k) {
            const RowVec weight = hn::LoadU(d, w);
            HWY_UNROLL(8)
            for (int i = 0; i < kCount; ++i) {
                sums[i] = hn::MulAdd(weight, hn::LoadU(d, at + i * step), sums[i]);
            }
            at += r.dilation * r.xPixel;
            w += r.wPixel;
        }
    }
    StoreOutputs(d, r, sums, c, o);
}

// The same for a window of kColumns, undilated: a line's weights stay in registers, and so does each position while the windows that share it take it.
template <int kCount, int kColumns, int kStride>
HWY_INLINE void SquareOutputs(const DepthwiseRow& r, int64_t c, int64_t o) {
    const RowTag d;
    RowVec sums[kCount];
    HWY_UNROLL(8)
    for (int i = 0; i < kCount; ++i) {
        sums[i] = StartOf(d, r, c);
    }
    const int64_t begin = (o * kStride - r.pad) * r.xPixel + c;
    for (int64_t line = 0; line < r.lines; ++line) {
        const float* at = r.line(line) + begin;
        const float* const w = r.w + line * r.wLine + c;
        RowVec weights[kColumns];
        HWY_UNROLL(8)
        for (int k = 0; k < kColumns; ++k) {
            weights[k] = hn::LoadU(d, w + k * r.wPixel);
        }
        HWY_UNROLL(24)
        for (int p = 0; p < (kCount - 1) * kStride + kColumns; ++p) {
            const RowVec position = hn::LoadU(d, at);
            at += r.xPixel;
            HWY_UNROLL(8)
            for (int k = 0; k < kColumns; ++k) {
                if ((p - k) % kStride == 0 && p >= k && (p - k) / kStride < kCount) {
                    sums[(p - k) / kStride] = hn::MulAdd(weights[k], position, sums[(p - k) / kStride]);
                }
            }
        }
    }
    StoreOutputs(d, r, sums, c, o);
}

// The last vector of channels may begin among those that are done: what it writes again is the same.
HWY_INLINE int64_t VectorAt(const DepthwiseRow& r, int64_t c, int64_t lanes) { return std::min(c, r.channels - lanes); }

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
    const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
    for (int64_t c = 0; c < r.channels; c += lanes) {
        Outputs<1>(r, VectorAt(r, c, lanes), o, first, last);
    }
}

// kCount outputs or, where there are fewer left, as many.
template <int kCount, int kColumns, int kStride>
void Some(const DepthwiseRow& r, int64_t o, int64_t count) {
    if (count == kCount) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
        for (int64_t c = 0; c < r.channels; c += lanes) {
            if constexpr (kColumns > 0) {
                SquareOutputs<kCount, kColumns, kStride>(r, VectorAt(r, c, lanes), o);
            } else {
                Outputs<kCount>(r, VectorAt(r, c, lanes), o, 0, r.columns);
            }
        }
    } else if constexpr (kCount > 1) {
        Some<kCount - 1, kColumns, kStride>(r, o, count);
    }
}

// Outputs [begin, end), whose windows are inside, in parts of nearly one size.
template <int kMost, int kColumns, int kStride>
void Inside(const DepthwiseRow& r, int64_t begin, int64_t end) {
    const int64_t parts = (end - begin + kMost - 1) / kMost;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t o = begin + (end - begin) * part / parts;
        Some<kMost, kColumns, kStride>(r, o, begin + (end - begin) * (part + 1) / parts - o);
    }
}

void Row(const DepthwiseRow& r) {
    // Outputs whose whole window is inside the line.
    const int64_t reach = (r.columns - 1) * r.dilation;
    const int64_t inside = std::clamp<int64_t>((r.pad + r.stride - 1) / r.stride, 0, r.outputs);
    const int64_t room = r.width + r.pad - 1 - reach;
    const int64_t outside = std::clamp(room < 0 ? int64_t{0} : room / r.stride + 1, inside, r.outputs);
    for (int64_t o = 0; o < inside; ++o) {
        Edge(r, o);
    }
    const bool isDense = r.dilation == 1;
    if (isDense && r.columns == 3 && r.stride == 1 && r.outputs * r.channels <= kLongLine) {
        Inside<kManyOutputs, 3, 1>(r, inside, outside);
    } else if (isDense && r.columns == 3 && r.stride == 1) {
        Inside<kFewOutputs, 3, 1>(r, inside, outside);
    } else if (isDense && r.columns == 3 && r.stride == 2) {
        Inside<kManyOutputs, 3, 2>(r, inside, outside);
    } else if (isDense && r.columns == 5 && r.stride == 1) {
        Inside<kManyOutputs, 5, 1>(r, inside, outside);
    } else if (isDense && r.columns == 5 && r.stride == 2) {
        Inside<kManyOutputs, 5, 2>(r, inside, outside);
    } else {
        Inside<kFewOutputs, 0, 0>(r, inside, outside);
    }
    for (int64_t o = outside; o < r.outputs; ++o) {
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
