// Lines of a depthwise convolution, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/depthwise_rows.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/depthwise_rows.h"
#include "backends/cpu/simd/panels-inl.h"

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
constexpr int64_t kManyWeights = 4096;
constexpr int64_t kStrip = 64; // channels
constexpr int kMostLines = 8;  // that windows of several rows of results meet
constexpr int64_t kMostLanes = 16;

HWY_ALIGN constexpr float kOutside[kMostLanes] = {};

// What stands in for vector instructions gains nothing by longer code.
constexpr bool kHasVectors = HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128;

// How many lines of results at once.
constexpr int RowsOf(int columns, int stride) {
    return !kHasVectors ? 1 : kHasManyRegisters && columns == 3 && stride == 1 ? kDepthwiseRows : 2;
}

// How many outputs of each: as many as leave registers.
constexpr int OutputsOf(int columns, int rows) {
    if (rows == 1) {
        return kHasVectors ? kManyOutputs : 1;
    }
    return kHasManyRegisters && rows == 2 ? (columns == 3 ? 7 : 6) : kFewOutputs;
}

HWY_INLINE RowVec StartOf(RowTag d, const DepthwiseRows& r, int64_t c) {
    return r.start != nullptr ? hn::LoadU(d, r.start + c) : hn::Zero(d);
}

template <int kCount>
HWY_INLINE void StoreOutputs(RowTag d, const DepthwiseRows& r, const RowVec (&sums)[kCount], float* y) {
    const RowVec low = hn::Set(d, r.low);
    const RowVec high = hn::Set(d, r.high);
    HWY_UNROLL(16)
    for (int i = 0; i < kCount; ++i) {
        hn::StoreU(CutTo(low, high, sums[i]), d, y + i * r.yPixel);
    }
}

// --- Any window, one line of results ---

// kCount outputs from o on, columns [first, last) of whose windows are inside the line.
template <int kCount>
HWY_INLINE void Outputs(const DepthwiseRows& r, int64_t c, int64_t o, int64_t first, int64_t last) {
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
    StoreOutputs(d, r, sums, r.y + o * r.yPixel + c);
}

// The last vector of channels may begin among those that are done: what it writes again is the same.
HWY_INLINE int64_t VectorAt(const DepthwiseRows& r, int64_t c, int64_t lanes) {
    return std::min(c, r.channels - lanes);
}

void Edge(const DepthwiseRows& r, int64_t o) {
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
void Some(const DepthwiseRows& r, int64_t o, int64_t count) {
    if (count == kCount) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
        for (int64_t c = 0; c < r.channels; c += lanes) {
            Outputs<kCount>(r, VectorAt(r, c, lanes), o, 0, r.columns);
        }
    } else if constexpr (kCount > 1) {
        Some<kCount - 1>(r, o, count);
    }
}

// Outputs [begin, end) in parts of nearly one size.
template <class Part>
void InParts(int64_t begin, int64_t end, int64_t most, const Part& some) {
    const int64_t parts = (end - begin + most - 1) / most;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t o = begin + (end - begin) * part / parts;
        some(o, begin + (end - begin) * (part + 1) / parts - o);
    }
}

void AnyLine(const DepthwiseRows& r) {
    // Outputs whose whole window is inside the line.
    const int64_t reach = (r.columns - 1) * r.dilation;
    const int64_t inside = std::clamp<int64_t>((r.pad + r.stride - 1) / r.stride, 0, r.outputs);
    const int64_t room = r.width + r.pad - 1 - reach;
    const int64_t outside = std::clamp(room < 0 ? int64_t{0} : room / r.stride + 1, inside, r.outputs);
    for (int64_t o = 0; o < inside; ++o) {
        Edge(r, o);
    }
    InParts(inside, outside, kFewOutputs, [&](int64_t o, int64_t count) { Some<kFewOutputs>(r, o, count); });
    for (int64_t o = outside; o < r.outputs; ++o) {
        Edge(r, o);
    }
}

// --- Windows of kColumns, undilated, of as many lines or fewer: kRows lines of results together ---

// Where the lines begin that the windows meet.
struct Lines {
    const float* at[kMostLines];
};

// What a line of the image gives to kCount outputs of each line of results: it is line `line` of the windows of the first of these, line - kStride of those
// of the second, and so on. A position is loaded once for all windows that share it, and with one line of results the weights of a line of the window stay in
// registers. at: position 0 of these windows, which is `first` in the line.
template <int kCount, int kColumns, int kStride, int kRows, bool kEnds>
HWY_INLINE void AddLine(RowTag d, const DepthwiseRows& r, int64_t line, const float* at, int64_t first, const float* w,
                        RowVec (&sums)[kRows][kCount]) {
    RowVec weights[kColumns];
    if constexpr (kRows == 1) {
        HWY_UNROLL(8)
        for (int k = 0; k < kColumns; ++k) {
            weights[k] = hn::LoadU(d, w + line * r.wLine + k * r.wPixel);
        }
    }
    HWY_UNROLL(24)
    for (int p = 0; p < (kCount - 1) * kStride + kColumns; ++p) {
        const float* from = at + p * r.xPixel;
        if constexpr (kEnds) {
            constexpr int kPositions = (kCount - 1) * kStride + kColumns;
            if (p < kColumns / 2) {
                from = first + p < 0 ? kOutside : from;
            }
            if (p >= kPositions - kColumns / 2) {
                from = first + p >= r.width ? kOutside : from;
            }
        }
        const RowVec value = hn::LoadU(d, from);
        HWY_UNROLL(4)
        for (int n = 0; n < kRows; ++n) {
            const int64_t i = line - n * kStride; // of the window
            HWY_UNROLL(8)
            for (int k = 0; k < kColumns; ++k) {
                const int output = (p - k) / kStride;
                if (p < k || (p - k) % kStride != 0 || output >= kCount) {
                    continue;
                }
                if constexpr (kRows == 1) {
                    sums[n][output] = hn::MulAdd(weights[k], value, sums[n][output]);
                } else if (i >= 0 && i < kColumns) {
                    sums[n][output] = hn::MulAdd(hn::LoadU(d, w + i * r.wLine + k * r.wPixel), value, sums[n][output]);
                }
            }
        }
    }
}

// kCount outputs from o on in each line of results; several lines of windows that have all of theirs. kEnds: positions before or behind the middle of a window are
// outside the line.
template <int kCount, int kColumns, int kStride, int kRows, bool kEnds>
HWY_INLINE void SquareOutputs(const DepthwiseRows& r, const Lines& lines, int64_t c, int64_t o) {
    static_assert(kColumns + (kRows - 1) * kStride <= kMostLines);
    const RowTag d;
    const RowVec start = StartOf(d, r, c);
    RowVec sums[kRows][kCount];
    HWY_UNROLL(4)
    for (int n = 0; n < kRows; ++n) {
        HWY_UNROLL(16)
        for (int i = 0; i < kCount; ++i) {
            sums[n][i] = start;
        }
    }
    const int64_t first = o * kStride - r.pad;
    const int64_t begin = first * r.xPixel + c;
    const float* const w = r.w + c;
    if constexpr (kRows > 1) {
        HWY_UNROLL(8)
        for (int line = 0; line < kColumns + (kRows - 1) * kStride; ++line) {
            AddLine<kCount, kColumns, kStride, kRows, kEnds>(d, r, line, lines.at[line] + begin, first, w, sums);
        }
    } else {
        for (int64_t line = 0; line < r.lines; ++line) {
            AddLine<kCount, kColumns, kStride, kRows, kEnds>(d, r, line, lines.at[line] + begin, first, w, sums);
        }
    }
    HWY_UNROLL(4)
    for (int n = 0; n < kRows; ++n) {
        StoreOutputs(d, r, sums[n], r.y + (n * r.outputs + o) * r.yPixel + c);
    }
}

template <int kCount, int kColumns, int kStride, int kRows, bool kEnds>
void AllChannels(const DepthwiseRows& r, const Lines& lines, int64_t o) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(RowTag()));
    for (int64_t c = 0; c < r.channels; c += lanes) {
        SquareOutputs<kCount, kColumns, kStride, kRows, kEnds>(r, lines, VectorAt(r, c, lanes), o);
    }
}

template <int kCount, int kColumns, int kStride, int kRows>
void SomeSquare(const DepthwiseRows& r, const Lines& lines, int64_t o, int64_t count) {
    if (count == kCount) {
        const int64_t first = o * kStride - r.pad;
        if (first < 0 || first + (kCount - 1) * kStride + kColumns > r.width) {
            AllChannels<kCount, kColumns, kStride, kRows, true>(r, lines, o);
        } else {
            AllChannels<kCount, kColumns, kStride, kRows, false>(r, lines, o);
        }
    } else if constexpr (kCount > 1) {
        SomeSquare<kCount - 1, kColumns, kStride, kRows>(r, lines, o, count);
    }
}

// kRows lines of results.
template <int kColumns, int kStride, int kRows>
void SquareLines(const DepthwiseRows& r) {
    Lines lines{};
    const int64_t count = r.lines + (kRows - 1) * kStride;
    for (int64_t i = 0; i < count; ++i) {
        lines.at[i] = r.line(i);
    }
    constexpr int kMost = OutputsOf(kColumns, kRows);
    const bool isLong = kRows == 1 && kColumns == 3 && kStride == 1 && r.outputs * r.channels > kLongLine;
    InParts(0, r.outputs, isLong ? std::min(kFewOutputs, kMost) : kMost,
            [&](int64_t o, int64_t some) { SomeSquare<kMost, kColumns, kStride, kRows>(r, lines, o, some); });
}

template <int kColumns, int kStride>
void Square(const DepthwiseRows& all) {
    constexpr int kMostRows = RowsOf(kColumns, kStride);
    const bool areShared = all.lines == kColumns && all.apart == 1 && all.down == kStride;
    DepthwiseRows r = all;
    for (int64_t row = 0, some = 0; row < all.rows; row += some) {
        r.first = all.first + row * all.down;
        r.y = all.y + row * all.outputs * all.yPixel;
        some = areShared ? std::min<int64_t>(all.rows - row, kMostRows) : 1;
        some = some == kMostRows || some < 2 ? some : 2;
        if constexpr (kMostRows > 2) {
            if (some == kMostRows) {
                SquareLines<kColumns, kStride, kMostRows>(r);
            }
        }
        if constexpr (kMostRows > 1) {
            if (some == 2) {
                SquareLines<kColumns, kStride, 2>(r);
            }
        }
        if (some == 1) {
            SquareLines<kColumns, kStride, 1>(r);
        }
    }
}

// Undilated windows of three or five columns whose middle is never outside the line, of no more lines than columns.
bool IsSquare(const DepthwiseRows& r) {
    const int64_t half = r.columns / 2;
    const int64_t behind = (r.outputs - 1) * r.stride - r.pad + r.columns - r.width; // positions that are outside there
    return (r.columns == 3 || r.columns == 5) && r.lines <= r.columns && r.stride <= 2 && r.dilation == 1 &&
           r.pad <= half && behind <= half;
}

void RowsOfAll(const DepthwiseRows& r) {
    if (IsSquare(r)) {
        if (r.columns == 3) {
            r.stride == 1 ? Square<3, 1>(r) : Square<3, 2>(r);
        } else {
            r.stride == 1 ? Square<5, 1>(r) : Square<5, 2>(r);
        }
        return;
    }
    DepthwiseRows one = r;
    for (int64_t row = 0; row < r.rows; ++row) {
        one.first = r.first + row * r.down;
        one.y = r.y + row * r.outputs * r.yPixel;
        AnyLine(one);
    }
}

// Where weights are many, a strip of channels after the other, so that those of the strip stay in the first-level cache for all of the line.
void Rows(const DepthwiseRows& r) {
    if (r.lines * r.columns * r.channels <= kManyWeights) {
        RowsOfAll(r);
        return;
    }
    for (int64_t c = 0, next = 0; c < r.channels; c = next) {
        next = r.channels - c < 2 * kStrip ? r.channels : c + kStrip;
        DepthwiseRows strip = r;
        strip.x += c;
        strip.w += c;
        strip.y += c;
        strip.start = r.start != nullptr ? r.start + c : nullptr;
        strip.channels = next - c;
        RowsOfAll(strip);
    }
}

int64_t RowLanes() { return static_cast<int64_t>(hn::Lanes(RowTag())); }

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Rows);
HWY_EXPORT(RowLanes);
void depthwiseRows(const DepthwiseRows& rows) { HWY_DYNAMIC_DISPATCH(Rows)(rows); }
int64_t depthwiseLanes() { return HWY_DYNAMIC_DISPATCH(RowLanes)(); }

} // namespace tenon::cpu
#endif
