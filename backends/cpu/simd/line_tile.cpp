// The innermost sums of convolutions along lines, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/line_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/line_tile.h"
#include "backends/cpu/simd/panels-inl.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

constexpr int kOutputs = 4;
// So many that the sums, the vectors and a weight have registers, but no more than hide the time that each sum takes.
constexpr int VectorsFor(int rows) { return std::min(((kHasManyRegisters ? 32 : 16) - 1) / (rows + 1), 8); }

// Each tile has its registers for itself: inlined in a loop over tiles sums would have to be kept in memory.
template <int kRows, int kVectors>
HWY_NOINLINE void Tile(const LineSums& p, int64_t output, int64_t pixel, float* to, int64_t toStep) {
    const Tag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    Vec sums[kRows][kVectors];
    HWY_UNROLL(4)
    for (int r = 0; r < kRows; ++r) {
        const Vec first = !p.continues && p.start != nullptr ? hn::Set(d, p.start[output + r]) : hn::Zero(d);
        HWY_UNROLL(8)
        for (int v = 0; v < kVectors; ++v) {
            sums[r][v] = p.continues ? hn::LoadU(d, to + r * toStep + v * lanes) : first;
        }
    }
    const int64_t weightStep = p.weightStep;
    const float* weights = p.weights + output * weightStep;
    const int64_t* const taps = p.taps;
    const int64_t* const lastTap = taps + p.tapCount;
    for (int64_t channel = 0; channel < p.channels; ++channel) {
        const float* row = p.from + channel * p.channelStep + pixel;
        for (int64_t k = 0; k < p.rows; ++k, row += p.rowStep) {
            for (const int64_t* tap = taps; tap != lastTap; ++tap, ++weights) {
                const float* const from = row + *tap;
                Vec x[kVectors];
                HWY_UNROLL(8)
                for (int v = 0; v < kVectors; ++v) {
                    x[v] = hn::LoadU(d, from + v * lanes);
                }
                HWY_UNROLL(4)
                for (int r = 0; r < kRows; ++r) {
                    const Vec w = hn::Set(d, weights[r * weightStep]);
                    HWY_UNROLL(8)
                    for (int v = 0; v < kVectors; ++v) {
                        sums[r][v] = hn::MulAdd(w, x[v], sums[r][v]);
                    }
                }
            }
        }
    }
    HWY_UNROLL(4)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(8)
        for (int v = 0; v < kVectors; ++v) {
            hn::StoreU(sums[r][v], d, to + r * toStep + v * lanes);
        }
    }
}

// A tile of so many vectors, the last one perhaps in part: then by way of whole ones.
template <int kRows, int kVectors>
HWY_INLINE void Piece(const LineSums& p, int64_t output, int64_t pixel, int64_t vectors) {
    if (vectors == kVectors) {
        constexpr auto kLanes = static_cast<int64_t>(HWY_MAX_BYTES / sizeof(float));
        const int64_t width = kVectors * static_cast<int64_t>(hn::Lanes(Tag()));
        float* const to = p.to + output * p.toStep + pixel;
        if (pixel + width <= p.pixels) {
            Tile<kRows, kVectors>(p, output, pixel, to, p.toStep);
            return;
        }
        float whole[kRows * kVectors * kLanes] = {};
        const int64_t count = p.pixels - pixel;
        for (int64_t r = 0; r < kRows && p.continues; ++r) {
            std::copy(to + r * p.toStep, to + r * p.toStep + count, whole + r * width);
        }
        Tile<kRows, kVectors>(p, output, pixel, whole, width);
        for (int64_t r = 0; r < kRows; ++r) {
            std::copy(whole + r * width, whole + r * width + count, to + r * p.toStep);
        }
    } else if constexpr (kVectors > 1) {
        Piece<kRows, kVectors - 1>(p, output, pixel, vectors);
    }
}

template <int kRows>
HWY_NOINLINE void Line(const LineSums& p, int64_t output) {
    constexpr int kVectors = VectorsFor(kRows);
    const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
    const int64_t vectors = (p.pixels + lanes - 1) / lanes;
    const int64_t tiles = (vectors + kVectors - 1) / kVectors;
    for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t first = vectors * tile / tiles;
        Piece<kRows, kVectors>(p, output, first * lanes, vectors * (tile + 1) / tiles - first);
    }
}

void Run(const LineSums& p) {
    int64_t output = 0;
    for (; output + kOutputs <= p.outputs; output += kOutputs) {
        Line<kOutputs>(p, output);
    }
    switch (p.outputs - output) {
    case 3:
        Line<3>(p, output);
        break;
    case 2:
        Line<2>(p, output);
        break;
    case 1:
        Line<1>(p, output);
        break;
    default:
        break;
    }
}

const LineTile& Choose() {
    static const LineTile tile{static_cast<int64_t>(hn::Lanes(Tag())), Run};
    return tile;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Choose);
const LineTile& lineTile() { return HWY_DYNAMIC_DISPATCH(Choose)(); }

} // namespace tenon::cpu
#endif
