// The inner loops of attention, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/attention_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/attention_tile.h"
#include "backends/cpu/simd/math-inl.h"

#include <limits>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

// As many rows as leave registers for the operands: 32 registers with AVX-512 and on ARM, 16 elsewhere.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_ARCH_ARM_A64
constexpr int kNarrowRows = 12;
constexpr int kWideRows = 6;
constexpr int kWideVectors = 4;
#else
constexpr int kNarrowRows = 6;
constexpr int kWideRows = 6;
constexpr int kWideVectors = 2;
#endif
constexpr int kNarrowVectors = 2;

template <int kRows, int kVectors>
void ProductOf(const TileProduct& t) {
    const FloatTag d;
    const size_t lanes = hn::Lanes(d);
    FloatVec sums[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
            sums[r][v] = hn::Zero(d);
        }
    }
    const float* a = t.a;
    const float* b = t.b;
    for (int64_t k = 0; k < t.depth; ++k) {
        FloatVec columns[kVectors];
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            columns[v] = hn::LoadU(d, b + static_cast<size_t>(v) * lanes);
        }
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            const FloatVec x = hn::Set(d, a[r * t.aRow]);
            HWY_UNROLL(4)
            for (int v = 0; v < kVectors; ++v) {
                sums[r][v] = hn::MulAdd(x, columns[v], sums[r][v]);
            }
        }
        a += t.aDepth;
        b += t.bDepth;
    }
    for (int r = 0; r < kRows; ++r) {
        const FloatVec factor = hn::Set(d, t.factors != nullptr ? t.factors[r] : 1.0F);
        for (int v = 0; v < kVectors; ++v) {
            hn::StoreU(hn::Mul(sums[r][v], factor), d,
                       t.c + r * t.cRow + static_cast<int64_t>(static_cast<size_t>(v) * lanes));
        }
    }
}

template <int kRows, int kVectors>
void ProductUpTo(int64_t rows, const TileProduct& tile) {
    if (rows == kRows) {
        ProductOf<kRows, kVectors>(tile);
    } else if constexpr (kRows > 1) {
        ProductUpTo<kRows - 1, kVectors>(rows, tile);
    }
}

// A vector of columns of key j, scaled and masked; `first` is its first column.
HWY_INLINE FloatVec MaskedScores(FloatTag d, const ScoreBlock& block, int64_t j, int64_t columns, int64_t first) {
    FloatVec s = hn::Mul(hn::LoadU(d, block.scores + j * columns + first), hn::Set(d, block.scale));
    if (block.offsets != nullptr) {
        const float* offset = block.offsets + j * block.offsetKey;
        const FloatVec v = block.offsetPerQuery ? hn::LoadU(d, offset + first) : hn::Set(d, *offset);
        s = block.replaces ? hn::IfThenElse(hn::Eq(v, v), v, s) : hn::Add(s, v);
    }
    if (j >= block.firstHidden) {
        // Column c sees key j where j < firstHidden + c.
        const FloatVec column = hn::Iota(d, static_cast<float>(first));
        const auto sees = hn::Gt(column, hn::Set(d, static_cast<float>(j - block.firstHidden)));
        s = hn::IfThenElse(sees, s, hn::Set(d, -std::numeric_limits<float>::infinity()));
    }
    return s;
}

void Softmax(const ScoreBlock& block, float* factors) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int64_t columns = block.columns;
    for (int64_t first = 0; first < columns; first += lanes) {
        FloatVec top = hn::Set(d, -std::numeric_limits<float>::infinity());
        for (int64_t j = 0; j < block.keys; ++j) {
            const FloatVec s = MaskedScores(d, block, j, columns, first);
            hn::StoreU(s, d, block.scores + j * columns + first);
            top = hn::Max(top, s);
        }
        FloatVec sum = hn::Zero(d);
        for (int64_t j = 0; j < block.keys; ++j) {
            float* const at = block.scores + j * columns + first;
            const FloatVec p = ExpNegative(d, hn::Sub(hn::LoadU(d, at), top));
            hn::StoreU(p, d, at);
            sum = hn::Add(sum, p);
        }
        // The sum over no keys is zero, and so is what it weighs.
        hn::StoreU(block.keys == 0 ? sum : hn::Div(hn::Set(d, 1.0F), sum), d, factors + first);
    }
}

float SoftmaxRow(const ScoreRow& row) {
    const FloatTag d;
    const hn::RebindToUnsigned<FloatTag> du;
    const hn::Rebind<uint16_t, FloatTag> narrow;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const FloatVec scale = hn::Set(d, row.scale);
    const FloatVec lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
    FloatVec top = lowest;
    for (int64_t j = 0; j < row.keys; j += lanes) {
        FloatVec s = hn::Mul(hn::LoadU(d, row.scores + j), scale);
        if (row.offsets != nullptr) {
            const FloatVec v = hn::LoadU(d, row.offsets + j);
            s = row.replaces ? hn::IfThenElse(hn::Eq(v, v), v, s) : hn::Add(s, v);
        }
        if (j + lanes > row.keys) {
            s = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(row.keys - j)), s, lowest);
        }
        hn::StoreU(s, d, row.scores + j);
        top = hn::Max(top, s);
    }
    top = hn::MaxOfLanes(d, top);
    FloatVec sum = hn::Zero(d);
    int64_t j = 0;
    for (; j < row.keys; j += lanes) {
        const FloatVec p = ExpNegative(d, hn::Sub(hn::LoadU(d, row.scores + j), top));
        sum = hn::Add(sum, p);
        // To the nearest, ties to even: no number is large enough to overflow.
        const auto bits = hn::BitCast(du, p);
        const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
        const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff))));
        hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(hn::RebindToSigned<FloatTag>(), rounded)), narrow, row.weights + j);
    }
    for (; j < row.padded; j += lanes) {
        hn::StoreU(hn::Zero(narrow), narrow, row.weights + j);
    }
    return row.keys == 0 ? 0.0F : 1.0F / hn::GetLane(hn::SumOfLanes(d, sum));
}

const AttentionTable& Attention() {
    const auto lanes = static_cast<int64_t>(hn::Lanes(FloatTag()));
    static const AttentionTable table{{kNarrowVectors * lanes, kNarrowRows, ProductUpTo<kNarrowRows, kNarrowVectors>},
                                      {kWideVectors * lanes, kWideRows, ProductUpTo<kWideRows, kWideVectors>},
                                      Softmax,
                                      SoftmaxRow};
    return table;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Attention);
const AttentionTable& attentionTable() { return HWY_DYNAMIC_DISPATCH(Attention)(); }

} // namespace tenon::cpu
#endif
