// The innermost product of convolutions of few planes, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/plane_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/panels-inl.h"
#include "backends/cpu/simd/plane_tile.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// Half of a first-level cache: weights of this size stay there beside the lines.
constexpr int64_t kNearBytes = 16 << 10;

// Of sixteen registers ten sums leave three that the compiler needs; with twelve it keeps some in memory.
constexpr int kPlaneRows = kHasManyRegisters ? kWideRows : 5;

// One tile. Taps and strides are constants, so that no address takes a register or an instruction: depths of 25 or 27 leave little time for either.
// Each tile has its registers for itself: inlined in a loop over tiles sums would have to be kept in memory.
template <int kRows, int kVectors, int kTaps, int kStride>
HWY_NOINLINE void Tile(const PlaneRow& p, int64_t offset, const float* weights, const float* start, float* to) {
    const Tag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    Vec sums[kRows][kVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
        const Vec first = start != nullptr ? hn::LoadU(d, start + v * lanes) : hn::Zero(d);
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            sums[r][v] = first;
        }
    }
    const float* const* const end = p.lines + p.lineCount;
    for (const float* const* line = p.lines; line != end; ++line) {
        const float* const from = *line + offset;
        HWY_UNROLL(8)
        for (int tap = 0; tap < kTaps; ++tap) {
            Vec w[kVectors];
            HWY_UNROLL(4)
            for (int v = 0; v < kVectors; ++v) {
                w[v] = hn::LoadU(d, weights + (tap * kPanelVectors + v) * lanes);
            }
            HWY_UNROLL(16)
            for (int r = 0; r < kRows; ++r) {
                const Vec x = hn::Set(d, from[r * kStride + tap]);
                HWY_UNROLL(4)
                for (int v = 0; v < kVectors; ++v) {
                    sums[r][v] = hn::MulAdd(x, w[v], sums[r][v]);
                }
            }
            HWY_FENCE; // the compiler would mix taps, and has no registers for that
        }
        weights += kTaps * kPanelVectors * lanes;
    }
    WriteRows(d, sums, p.isCut, p.low, p.high, to, p.pixelStep, p.vectorStep);
}

// As many pieces of kVectors as there are from `column` on, of which no other piece crosses a panel; the column behind them. A line is dealt out in tiles of
// kRows pixels and of one less or, where that does not come out even, the last tile begins early enough to be whole.
template <int kRows, int kVectors, int kTaps, int kStride>
HWY_INLINE int64_t Pieces(const PlaneRow& p, int64_t column) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
    const int64_t panel = kPanelVectors * lanes;
    const int64_t depth = p.lineCount * kTaps;
    const int64_t end = column + (p.columns - column) / (kVectors * lanes) * (kVectors * lanes);
    const int64_t tiles = (p.pixels + kRows - 1) / kRows;
    const int64_t smaller = tiles * kRows - p.pixels <= tiles ? tiles * kRows - p.pixels : 0;
    const auto tile = [&](int64_t i, int64_t at) {
        const bool isSmaller = i < smaller;
        const int64_t first = std::min(i * kRows - std::min(i, smaller), p.pixels - (isSmaller ? kRows - 1 : kRows));
        const int64_t within = at % panel;
        const auto run = isSmaller ? Tile<kRows - 1, kVectors, kTaps, kStride> : Tile<kRows, kVectors, kTaps, kStride>;
        run(p, first * kStride, p.weights + (at - within) * depth + within, p.start != nullptr ? p.start + at : nullptr,
            p.to + first * p.pixelStep + at / lanes * p.vectorStep);
    };
    const bool weightsStay = depth * (end - column) * static_cast<int64_t>(sizeof(float)) <= kNearBytes;
    if (weightsStay && p.vectorStep == lanes) {
        // What is written lies side by side then.
        for (int64_t i = 0; i < tiles; ++i) {
            for (int64_t at = column; at < end; at += kVectors * lanes) {
                tile(i, at);
            }
        }
        return end;
    }
    for (int64_t at = column; at < end; at += kVectors * lanes) {
        for (int64_t i = 0; i < tiles; ++i) {
            tile(i, at);
        }
    }
    return end;
}

template <int kTaps, int kStride>
void Row(const PlaneRow& p) {
    int64_t column = Pieces<kPlaneRows, kPanelVectors, kTaps, kStride>(p, 0);
    if constexpr (kPanelVectors > 2) {
        column = Pieces<kNarrowRows, kPanelVectors / 2, kTaps, kStride>(p, column);
    }
    Pieces<kNarrowRows, 1, kTaps, kStride>(p, column);
}

PlaneTile Choose(int64_t taps, int64_t stride, int64_t columns) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
    if (columns % lanes != 0) {
        return {};
    }
    const auto of = [&](auto* one, auto* two) {
        const bool isWhole = columns % (kPanelVectors * lanes) == 0;
        return PlaneTile{stride == 1 ? one : stride == 2 ? two : nullptr, isWhole ? kPlaneRows : kNarrowRows};
    };
    switch (taps) {
    case 3:
        return of(Row<3, 1>, Row<3, 2>);
    case 5:
        return of(Row<5, 1>, Row<5, 2>);
    case 7:
        return of(Row<7, 1>, Row<7, 2>);
    default:
        return {};
    }
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Choose);
PlaneTile planeTile(int64_t taps, int64_t stride, int64_t columns) {
    return HWY_DYNAMIC_DISPATCH(Choose)(taps, stride, columns);
}

} // namespace tenon::cpu
#endif
