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
constexpr int kMostOutputs = 10;    // where windows are five wide
constexpr int64_t kLongLine = 8192; // elements
constexpr int64_t kManyWeights = 4096;
constexpr int64_t kStrip = 64; // channels
constexpr int kMostLines = 5;  // of windows whose weights stay in registers

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
    HWY_UNROLL(16)
    for (int i = 0; i < kCount; ++i) {
        hn::StoreU(hn::Min(high, hn::Max(low, sums[i])), d, y + i * pixel);
    }
}

// kCount outputs from o on, columns [first, last) of whose windows are inside the line.
template <int kCount>
HWY_INLINE void Outputs(const DepthwiseRow& r, int64_t c, int64_t o, int64_t first, int64_t last) {
    const RowTag d;
    RowVec sums[kCount];
    HWY_UNROLL(16)
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
            HWY_UNROLL(16)
            for (int i = 0; i < kCount; ++i) {
                sums[i] = hn::MulAdd(weight, hn::LoadU(d, at + i * step), sums[i]);
            }
            at += r.dilation * r.xPixel;
            w += r.wPixel;
        }
    }
    StoreOutputs(d, r, sums, c, o);
}

// Where the lines begin that a window meets.
struct Lines {
    const float* at[kMostLines];
};

// The same for a window of kColumns, undilated, of which columns [kFirst, kLast) are inside the line. A line's
// weights stay in registers, and so does each position while the windows that share it take it. kLines: of the window, where all are there; 0: r.lines.
template <int kCount, int kColumns, int kStride, int kFirst, int kLast, int kLines>
HWY_INLINE void SquareOutputs(const DepthwiseRow& r, const Lines& lines, int64_t c, int64_t o) {
    const RowTag d;
    RowVec sums[kCount];
    HWY_UNROLL(16)
    for (int i = 0; i < kCount; ++i) {
        sums[i] = StartOf(d, r, c);
    }
    const int64_t begin = (o * kStride + kFirst - r.pad) * r.xPixel + c;
    const auto add = [&](int64_t line) HWY_ATTR {
        const float* at = lines.at[line] + begin;
        const float* const w = r.w + line * r.wLine + c;
        RowVec weights[kColumns];
        HWY_UNROLL(16)
        for (int k = kFirst; k < kLast; ++k) {
            weights[k] = hn::LoadU(d, w + k * r.wPixel);
        }
        HWY_UNROLL(24)
        for (int p = kFirst; p < (kCount - 1) * kStride + kLast; ++p) {
            const RowVec position = hn::LoadU(d, at);
            at += r.xPixel;
            HWY_UNROLL(16)
            for (int k = kFirst; k < kLast; ++k) {
                if ((p - k) % kStride == 0 && p >= k && (p - k) / kStride < kCount) {
                    sums[(p - k) / kStride] = hn::MulAdd(weights[k], position, sums[(p - k) / kStride]);
                }
            }
        }
    };
    if constexpr (kLines > 0) {
        HWY_UNROLL(16)
        for (int line = 0; line < kLines; ++line) {
            add(line);
        }
    } else {
        for (int64_t line = 0; line < r.lines; ++line) {
            add(line);
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
template <int kCount>
void Some(const DepthwiseRow& r, int64_t o, int64_t count) {
    if (count == kCount) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
        for (int64_t c = 0; c < r.channels; c += lanes) {
            Outputs<kCount>(r, VectorAt(r, c, lanes), o, 0, r.columns);
        }
    } else if constexpr (kCount > 1) {
        Some<kCount - 1>(r, o, count);
    }
}

template <int kCount, int kColumns, int kStride, int kFirst, int kLast>
void SomeSquare(const DepthwiseRow& r, const Lines& lines, int64_t o, int64_t count) {
    if (count == kCount) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
        if (r.lines == kColumns) {
            for (int64_t c = 0; c < r.channels; c += lanes) {
                SquareOutputs<kCount, kColumns, kStride, kFirst, kLast, kColumns>(r, lines, VectorAt(r, c, lanes), o);
            }
            return;
        }
        for (int64_t c = 0; c < r.channels; c += lanes) {
            SquareOutputs<kCount, kColumns, kStride, kFirst, kLast, 0>(r, lines, VectorAt(r, c, lanes), o);
        }
    } else if constexpr (kCount > 1) {
        SomeSquare<kCount - 1, kColumns, kStride, kFirst, kLast>(r, lines, o, count);
    }
}

// Outputs [begin, end), whose windows are inside, in parts of nearly one size.
template <class Part>
void InParts(int64_t begin, int64_t end, int64_t most, const Part& some) {
    const int64_t parts = (end - begin + most - 1) / most;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t o = begin + (end - begin) * part / parts;
        some(o, begin + (end - begin) * (part + 1) / parts - o);
    }
}

// Output o, one or two columns of whose window are outside.
template <int kColumns, int kStride>
void SquareEdge(const DepthwiseRow& r, const Lines& lines, int64_t o) {
    const int64_t first = r.pad - o * kStride; // columns left of the line
    const int64_t last = r.width - o * kStride + r.pad;
    if (first == 1 && last >= kColumns) {
        SomeSquare<1, kColumns, kStride, 1, kColumns>(r, lines, o, 1);
    } else if (first <= 0 && last == kColumns - 1) {
        SomeSquare<1, kColumns, kStride, 0, kColumns - 1>(r, lines, o, 1);
    } else if (kColumns > 3 && first == 2 && last >= kColumns) {
        SomeSquare<1, kColumns, kStride, 2, kColumns>(r, lines, o, 1);
    } else if (kColumns > 3 && first <= 0 && last == kColumns - 2) {
        SomeSquare<1, kColumns, kStride, 0, kColumns - 2>(r, lines, o, 1);
    } else {
        Edge(r, o);
    }
}

// All outputs of a line, of which [inside, outside) are inside.
template <int kColumns, int kStride>
void SquareRow(const DepthwiseRow& r, int64_t inside, int64_t outside) {
    Lines lines{};
    for (int64_t i = 0; i < r.lines; ++i) {
        lines.at[i] = r.line(i);
    }
    for (int64_t o = 0; o < inside; ++o) {
        SquareEdge<kColumns, kStride>(r, lines, o);
    }
    constexpr int kMost = kColumns == 3 ? kManyOutputs : kMostOutputs;
    const bool isLong = kColumns == 3 && kStride == 1 && r.outputs * r.channels > kLongLine;
    InParts(inside, outside, isLong ? kFewOutputs : kMost,
            [&](int64_t o, int64_t count) { SomeSquare<kMost, kColumns, kStride, 0, kColumns>(r, lines, o, count); });
    for (int64_t o = outside; o < r.outputs; ++o) {
        SquareEdge<kColumns, kStride>(r, lines, o);
    }
}

void RowOfAll(const DepthwiseRow& r) {
    // Outputs whose whole window is inside the line.
    const int64_t reach = (r.columns - 1) * r.dilation;
    const int64_t inside = std::clamp<int64_t>((r.pad + r.stride - 1) / r.stride, 0, r.outputs);
    const int64_t room = r.width + r.pad - 1 - reach;
    const int64_t outside = std::clamp(room < 0 ? int64_t{0} : room / r.stride + 1, inside, r.outputs);
    // Lines of a window's square; more of them would not fit where its lines are noted.
    if (r.dilation == 1 && r.lines <= r.columns && r.stride <= 2 && (r.columns == 3 || r.columns == 5)) {
        if (r.columns == 3) {
            r.stride == 1 ? SquareRow<3, 1>(r, inside, outside) : SquareRow<3, 2>(r, inside, outside);
        } else {
            r.stride == 1 ? SquareRow<5, 1>(r, inside, outside) : SquareRow<5, 2>(r, inside, outside);
        }
        return;
    }
    for (int64_t o = 0; o < inside; ++o) {
        Edge(r, o);
    }
    InParts(inside, outside, kFewOutputs, [&](int64_t o, int64_t count) { Some<kFewOutputs>(r, o, count); });
    for (int64_t o = outside; o < r.outputs; ++o) {
        Edge(r, o);
    }
}

// Where weights are many, a strip of channels after the other, so that those of the strip stay in the first-level cache for all of the line.
void Row(const DepthwiseRow& r) {
    if (r.lines * r.columns * r.channels <= kManyWeights) {
        RowOfAll(r);
        return;
    }
    for (int64_t c = 0, next = 0; c < r.channels; c = next) {
        next = r.channels - c < 2 * kStrip ? r.channels : c + kStrip;
        DepthwiseRow strip = r;
        strip.x += c;
        strip.w += c;
        strip.y += c;
        strip.start = r.start != nullptr ? r.start + c : nullptr;
        strip.channels = next - c;
        RowOfAll(strip);
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
