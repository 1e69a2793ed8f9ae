// The transforms of Winograd convolutions, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/winograd_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/winograd_tile.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using WinogradTag = hn::ScalableTag<float>;
using WinogradVec = hn::Vec<WinogradTag>;

// Tiles whose columns are transformed together: neighbours share two of them.
constexpr int64_t kTilesAtOnce = 8;

// One dimension of the transforms. The matrices are those of Toom and Cook for the points of winograd_weights.cpp.
template <int kResults>
struct Transform;

// Points 0, 1, -1 and infinity.
template <>
struct Transform<2> {
    static HWY_INLINE void Weights(WinogradTag d, const WinogradVec (&g)[3], WinogradVec (&w)[4]) {
        const WinogradVec half = hn::Set(d, 0.5F);
        const WinogradVec even = hn::Mul(half, hn::Add(g[0], g[2]));
        w[0] = hn::Neg(g[0]);
        w[1] = hn::MulAdd(half, g[1], even);
        w[2] = hn::NegMulAdd(half, g[1], even);
        w[3] = g[2];
    }
    static HWY_INLINE void Forward(WinogradTag, const WinogradVec (&x)[4], WinogradVec (&v)[4]) {
        v[0] = hn::Sub(x[2], x[0]);
        v[1] = hn::Add(x[2], x[1]);
        v[2] = hn::Sub(x[2], x[1]);
        v[3] = hn::Sub(x[3], x[1]);
    }
    static HWY_INLINE void Backward(WinogradTag, const WinogradVec (&m)[4], WinogradVec (&y)[2]) {
        y[0] = hn::Add(m[0], hn::Add(m[1], m[2]));
        y[1] = hn::Add(m[3], hn::Sub(m[1], m[2]));
    }
};

// Points 0, 5/8, -5/8, 3/2, -3/2 and infinity: a third of the error of 0, 1, -1, 2, -2 and infinity, and exact in binary.
template <>
struct Transform<4> {
    static constexpr float kA = 0.625F;
    static constexpr float kB = 1.5F;
    // Products of a point's distances from the other ones.
    static constexpr double kOf0 = double{kA} * kA * kB * kB;
    static constexpr double kOfA = 2.0 * kA * kA * (double{kA} * kA - double{kB} * kB);
    static constexpr double kOfB = 2.0 * kB * kB * (double{kB} * kB - double{kA} * kA);

    // Both points of a pair: w0 for `point`, w1 for its negative.
    static HWY_INLINE void Pair(WinogradTag d, const WinogradVec (&g)[3], double point, double distances,
                                WinogradVec& w0, WinogradVec& w1) {
        const WinogradVec even = hn::MulAdd(hn::Set(d, static_cast<float>(point * point / distances)), g[2],
                                            hn::Mul(hn::Set(d, static_cast<float>(1 / distances)), g[0]));
        const WinogradVec odd = hn::Set(d, static_cast<float>(point / distances));
        w0 = hn::MulAdd(odd, g[1], even);
        w1 = hn::NegMulAdd(odd, g[1], even);
    }
    static HWY_INLINE void Weights(WinogradTag d, const WinogradVec (&g)[3], WinogradVec (&w)[6]) {
        w[0] = hn::Mul(hn::Set(d, static_cast<float>(1 / kOf0)), g[0]);
        Pair(d, g, kA, kOfA, w[1], w[2]);
        Pair(d, g, kB, kOfB, w[3], w[4]);
        w[5] = g[2];
    }
    static HWY_INLINE void Forward(WinogradTag d, const WinogradVec (&x)[6], WinogradVec (&v)[6]) {
        const WinogradVec a2 = hn::Set(d, kA * kA);
        const WinogradVec b2 = hn::Set(d, kB * kB);
        const WinogradVec both = hn::Set(d, kA * kA * kB * kB);
        const WinogradVec sum = hn::Set(d, kA * kA + kB * kB);
        v[0] = hn::NegMulAdd(sum, x[2], hn::MulAdd(both, x[0], x[4]));
        v[5] = hn::NegMulAdd(sum, x[3], hn::MulAdd(both, x[1], x[5]));
        const WinogradVec a = hn::Set(d, kA);
        const WinogradVec evenA = hn::NegMulAdd(b2, x[2], x[4]);
        const WinogradVec oddA = hn::NegMulAdd(b2, x[1], x[3]);
        v[1] = hn::MulAdd(a, oddA, evenA);
        v[2] = hn::NegMulAdd(a, oddA, evenA);
        const WinogradVec b = hn::Set(d, kB);
        const WinogradVec evenB = hn::NegMulAdd(a2, x[2], x[4]);
        const WinogradVec oddB = hn::NegMulAdd(a2, x[1], x[3]);
        v[3] = hn::MulAdd(b, oddB, evenB);
        v[4] = hn::NegMulAdd(b, oddB, evenB);
    }
    static HWY_INLINE void Backward(WinogradTag d, const WinogradVec (&m)[6], WinogradVec (&y)[4]) {
        const WinogradVec sumA = hn::Add(m[1], m[2]);
        const WinogradVec sumB = hn::Add(m[3], m[4]);
        const WinogradVec differenceA = hn::Sub(m[1], m[2]);
        const WinogradVec differenceB = hn::Sub(m[3], m[4]);
        y[0] = hn::Add(hn::Add(m[0], sumA), sumB);
        y[1] = hn::MulAdd(hn::Set(d, kB), differenceB, hn::Mul(hn::Set(d, kA), differenceA));
        y[2] = hn::MulAdd(hn::Set(d, kB * kB), sumB, hn::Mul(hn::Set(d, kA * kA), sumA));
        y[3] =
            hn::MulAdd(hn::Set(d, kB * kB * kB), differenceB, hn::MulAdd(hn::Set(d, kA * kA * kA), differenceA, m[5]));
    }
};

// Channels that do not fill a vector are read and written one by one: not every instruction set has masks.
template <bool kWhole>
HWY_INLINE WinogradVec LoadChannels(WinogradTag d, const float* from, int64_t channels) {
    if (kWhole || channels >= static_cast<int64_t>(hn::Lanes(d))) {
        return hn::LoadU(d, from);
    }
    HWY_ALIGN float some[HWY_MAX_BYTES / sizeof(float)] = {};
    std::copy(from, from + channels, some);
    return hn::Load(d, some);
}
template <bool kWhole>
HWY_INLINE void StoreChannels(WinogradVec value, WinogradTag d, float* to, int64_t channels) {
    if (kWhole || channels >= static_cast<int64_t>(hn::Lanes(d))) {
        hn::StoreU(value, d, to);
        return;
    }
    HWY_ALIGN float some[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(value, d, some);
    std::copy(some, some + channels, to);
}

// Of at most kTilesAtOnce tiles.
template <int kResults, bool kWhole>
void InputOf(const WinogradInput& p, int64_t firstTile, int64_t tiles) {
    constexpr int kSize = kResults + 2;
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN float columns[kSize][(kTilesAtOnce * kResults + 2) * HWY_MAX_BYTES / sizeof(float)];
    HWY_ALIGN float nothing[HWY_MAX_BYTES / sizeof(float)] = {};
    const float* rows[kSize];
    int64_t steps[kSize];
    const int64_t begin = p.first + firstTile * kResults;
    for (int r = 0; r < kSize; ++r) {
        steps[r] = p.rows[r] != nullptr ? p.pixel : 0;
        rows[r] = p.rows[r] != nullptr ? p.rows[r] + begin * p.pixel : nothing;
    }
    WinogradVec x[kSize];
    WinogradVec v[kSize];
    const int64_t count = tiles * kResults + 2;
    for (int64_t c = 0; c < count; ++c) {
        if (begin + c < 0 || begin + c >= p.width) {
            for (int r = 0; r < kSize; ++r) {
                hn::StoreU(hn::Zero(d), d, columns[r] + c * lanes);
            }
            continue;
        }
        HWY_UNROLL(6)
        for (int r = 0; r < kSize; ++r) {
            x[r] = LoadChannels<kWhole>(d, rows[r] + c * steps[r], p.channels);
        }
        Transform<kResults>::Forward(d, x, v);
        HWY_UNROLL(6)
        for (int r = 0; r < kSize; ++r) {
            hn::StoreU(v[r], d, columns[r] + c * lanes);
        }
    }
    for (int64_t t = 0; t < tiles; ++t) {
        float* const to = p.v + (firstTile + t) * p.tile;
        for (int r = 0; r < kSize; ++r) {
            const float* const at = columns[r] + t * kResults * lanes;
            HWY_UNROLL(6)
            for (int c = 0; c < kSize; ++c) {
                x[c] = hn::LoadU(d, at + c * lanes);
            }
            Transform<kResults>::Forward(d, x, v);
            HWY_UNROLL(6)
            for (int c = 0; c < kSize; ++c) {
                hn::StoreU(v[c], d, to + (r * kSize + c) * p.element);
            }
        }
    }
}

template <int kResults>
void Input(const WinogradInput& p) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(WinogradTag()));
    for (int64_t t = 0; t < p.tiles; t += kTilesAtOnce) {
        const int64_t tiles = std::min(kTilesAtOnce, p.tiles - t);
        if (p.channels >= lanes) {
            InputOf<kResults, true>(p, t, tiles);
        } else {
            InputOf<kResults, false>(p, t, tiles);
        }
    }
}

template <int kResults>
void Weights(const WinogradTaps& p) {
    constexpr int kSize = kResults + 2;
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t c = 0; c < p.channels; ++c) {
        for (int64_t k = 0; k < p.columns; k += lanes) {
            const float* const taps = p.taps + c * 9 * p.columns + k;
            float* const u = p.u + c * p.columns + k;
            WinogradVec columns[3][kSize];
            HWY_UNROLL(3)
            for (int t = 0; t < 3; ++t) {
                const WinogradVec g[3] = {hn::LoadU(d, taps + t * p.columns), hn::LoadU(d, taps + (3 + t) * p.columns),
                                          hn::LoadU(d, taps + (6 + t) * p.columns)};
                Transform<kResults>::Weights(d, g, columns[t]);
            }
            HWY_UNROLL(6)
            for (int r = 0; r < kSize; ++r) {
                const WinogradVec g[3] = {columns[0][r], columns[1][r], columns[2][r]};
                WinogradVec w[kSize];
                Transform<kResults>::Weights(d, g, w);
                HWY_UNROLL(6)
                for (int e = 0; e < kSize; ++e) {
                    hn::StoreU(w[e], d, u + (r * kSize + e) * p.element);
                }
            }
        }
    }
}

// Results of a tile that are in the image; other than kWhole, some of them may be outside.
template <int kResults, bool kWhole>
HWY_INLINE void OutputOf(const WinogradOutput& p, int64_t t) {
    constexpr int kSize = kResults + 2;
    const WinogradTag d;
    const float* const m = p.m + t * p.tile;
    WinogradVec columns[kResults][kSize];
    HWY_UNROLL(6)
    for (int c = 0; c < kSize; ++c) {
        WinogradVec x[kSize];
        WinogradVec y[kResults];
        HWY_UNROLL(6)
        for (int r = 0; r < kSize; ++r) {
            x[r] = hn::LoadU(d, m + (r * kSize + c) * p.element);
        }
        Transform<kResults>::Backward(d, x, y);
        HWY_UNROLL(4)
        for (int r = 0; r < kResults; ++r) {
            columns[r][c] = y[r];
        }
    }
    const WinogradVec start = p.start != nullptr ? hn::LoadU(d, p.start) : hn::Zero(d);
    const WinogradVec low = hn::Set(d, p.low);
    const WinogradVec high = hn::Set(d, p.high);
    const int64_t lines = kWhole ? kResults : std::min<int64_t>(kResults, p.lines);
    const int64_t count = kWhole ? kResults : std::min<int64_t>(kResults, p.columns - t * kResults);
    WinogradVec above[kResults]; // results of the line before
    HWY_UNROLL(4)
    for (int r = 0; r < kResults; ++r) {
        if (!kWhole && r >= lines) {
            break;
        }
        WinogradVec y[kResults];
        Transform<kResults>::Backward(d, columns[r], y);
        const int64_t at = r * p.line + t * kResults * p.pixel;
        const bool isPair = r % 2 == 1 && p.largest != nullptr;
        HWY_UNROLL(4)
        for (int c = 0; c < kResults; ++c) {
            if (!kWhole && c >= count) {
                break;
            }
            WinogradVec result = hn::Add(y[c], start);
            if (p.other != nullptr) {
                result = hn::Add(result, LoadChannels<kWhole>(d, p.other + at + c * p.pixel, p.channels));
            }
            // The second operand is what remains of something that is no number.
            result = hn::Min(high, hn::Max(low, result));
            if (p.y != nullptr) {
                StoreChannels<kWhole>(result, d, p.y + at + c * p.pixel, p.channels);
            }
            y[c] = result;
            if (isPair && c % 2 == 1) {
                const WinogradVec largest = hn::Max(hn::Max(above[c - 1], above[c]), hn::Max(y[c - 1], y[c]));
                const int64_t to = r / 2 * p.largestLine + (t * kResults + c) / 2 * p.pixel;
                StoreChannels<kWhole>(largest, d, p.largest + to, p.channels);
            }
        }
        HWY_UNROLL(4)
        for (int c = 0; c < kResults; ++c) {
            above[c] = y[c];
        }
    }
}

template <int kResults>
void Output(const WinogradOutput& p) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(WinogradTag()));
    const bool isWhole = p.lines >= kResults && p.channels >= lanes;
    const int64_t whole = isWhole ? p.columns / kResults : 0;
    for (int64_t t = 0; t < whole; ++t) {
        OutputOf<kResults, true>(p, t);
    }
    for (int64_t t = whole; t * kResults < p.columns; ++t) {
        OutputOf<kResults, false>(p, t);
    }
}

const WinogradTile& Tile2() {
    static const WinogradTile tile{2, Weights<2>, Input<2>, Output<2>};
    return tile;
}
const WinogradTile& Tile4() {
    static const WinogradTile tile{4, Weights<4>, Input<4>, Output<4>};
    return tile;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Tile2);
HWY_EXPORT(Tile4);
const WinogradTile& winogradTile(int64_t results) {
    return results == 2 ? HWY_DYNAMIC_DISPATCH(Tile2)() : HWY_DYNAMIC_DISPATCH(Tile4)();
}

} // namespace tenon::cpu
#endif
