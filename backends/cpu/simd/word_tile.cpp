// Products of words with packed bytes, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/word_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/word_tile.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kStepWords = WordProduct::kColumns * 4;

#if HWY_TARGET == HWY_SCALAR

constexpr int kTileRows = 1;

template <int kRows, class Weight>
void Accumulate(const int16_t* a, int64_t aRow, const Weight* b, int64_t steps, int32_t* to) {
    for (int64_t i = 0; i < kRows * WordProduct::kColumns; ++i) {
        uint32_t sum = 0;
        for (int64_t k = 0; k < steps * 4; ++k) {
            const int64_t at = (k / 4 * WordProduct::kColumns + i % WordProduct::kColumns) * 4 + k % 4;
            sum += static_cast<uint32_t>(a[i / WordProduct::kColumns * aRow + k] * b[at]);
        }
        to[2 * i] = static_cast<int32_t>(sum);
        to[2 * i + 1] = 0;
    }
}

template <class Byte>
void PackSteps(const Byte* from, int64_t row, int64_t steps, const int16_t* zeros, int16_t* to) {
    for (int64_t i = 0; i < steps * kStepWords; ++i) {
        const int64_t column = i % kStepWords / 4;
        to[i] = static_cast<int16_t>(from[(i / kStepWords * 4 + i % 4) * row + column] - zeros[column]);
    }
}

template <class Byte>
void AddFewRows(int64_t rows, const FewRows& p) {
    const Byte* const b = reinterpret_cast<const Byte*>(p.b);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t n = 0; n < p.columns; ++n) {
            uint32_t sum = 0;
            for (int64_t k = 0; k < p.depth; ++k) {
                sum += static_cast<uint32_t>(p.a[r * p.aRow + k] * b[k * p.bRow + n]);
            }
            p.c[r * p.cRow + n] = static_cast<int32_t>(sum);
        }
    }
}

#else

// A step of the depth has four words of each column: one to four vectors.
using Words = hn::CappedTag<int16_t, kStepWords>;
using Sums = hn::RepartitionToWide<Words>;
using SumsVec = hn::Vec<Sums>;
constexpr int kWordLanes = static_cast<int>(hn::MaxLanes(Words()));
constexpr int kStepVectors = static_cast<int>(kStepWords) / kWordLanes;
// As many as leave registers for a step, a row's words and their product.
constexpr int kTileRows = kStepVectors == 1 ? 12 : kStepVectors == 2 ? 6 : 2;

// sums += a * b, of pairs of neighbours; `others`: part of the sums of targets that add others than neighbours.
template <class D>
HWY_INLINE void AddProducts(D d, hn::Vec<hn::RepartitionToNarrow<D>> a, hn::Vec<hn::RepartitionToNarrow<D>> b,
                            hn::Vec<D>& sums, hn::Vec<D>& others) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !HWY_COMPILER_MSVC
    // From intrinsics GCC 12 multiplies all rows before it adds, and keeps each sum twice, once in memory.
    hn::Vec<D> product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sums.raw), "=&v"(product.raw) : "v"(a.raw), "v"(b.raw));
    (void)d;
    (void)others;
#else
    sums = hn::ReorderWidenMulAccumulate(d, a, b, sums, others);
#endif
}

HWY_INLINE hn::Vec<Words> LoadColumns(const int8_t* b) {
    return hn::PromoteTo(Words(), hn::LoadU(hn::Rebind<int8_t, Words>(), b));
}
HWY_INLINE hn::Vec<Words> LoadColumns(const int16_t* b) { return hn::LoadU(Words(), b); }

// To two neighbouring sums for each column. Not inlined, so that it has the registers for itself: in a loop over tiles sums would be kept in memory.
template <int kRows, class Weight>
HWY_NOINLINE void Accumulate(const int16_t* a, int64_t aRow, const Weight* b, int64_t steps, int32_t* to) {
    const Words words;
    const Sums d;
    const hn::Repartition<int64_t, Words> fours;
    SumsVec sums[kRows][kStepVectors];
    SumsVec others[kRows][kStepVectors];
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < kStepVectors; ++v) {
            sums[r][v] = others[r][v] = hn::Zero(d);
        }
    }
    for (int64_t k = steps; k > 0; --k, a += 4, b += kStepWords) {
        hn::Vec<Words> columns[kStepVectors];
        HWY_UNROLL(4)
        for (int v = 0; v < kStepVectors; ++v) {
            columns[v] = LoadColumns(b + v * kWordLanes);
        }
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            int64_t four;
            std::memcpy(&four, a + r * aRow, sizeof four);
            const hn::Vec<Words> x = hn::BitCast(words, hn::Set(fours, four));
            HWY_UNROLL(4)
            for (int v = 0; v < kStepVectors; ++v) {
                AddProducts(d, x, columns[v], sums[r][v], others[r][v]);
            }
        }
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < kStepVectors; ++v) {
            hn::Store(hn::RearrangeToOddPlusEven(sums[r][v], others[r][v]), d,
                      to + (r * kStepWords + v * kWordLanes) / 2);
        }
    }
}

template <class Byte>
HWY_INLINE void PackSteps(const Byte* from, int64_t row, int64_t steps, const int16_t* zeros, int16_t* to) {
    const hn::FixedTag<int16_t, WordProduct::kColumns> d;
    const hn::Repartition<int32_t, decltype(d)> pairs;
    const hn::Rebind<Byte, decltype(d)> narrow;
    const auto less = hn::LoadU(d, zeros);
    for (int64_t step = 0; step < steps; ++step, from += 4 * row, to += kStepWords) {
        const auto a = hn::Sub(hn::PromoteTo(d, hn::LoadU(narrow, from)), less);
        const auto b = hn::Sub(hn::PromoteTo(d, hn::LoadU(narrow, from + row)), less);
        const auto c = hn::Sub(hn::PromoteTo(d, hn::LoadU(narrow, from + 2 * row)), less);
        const auto e = hn::Sub(hn::PromoteTo(d, hn::LoadU(narrow, from + 3 * row)), less);
        const auto lowAb = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
        const auto highAb = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
        const auto lowCe = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
        const auto highCe = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, lowAb, lowCe)), d, to);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, lowAb, lowCe)), d, to + 8);
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, highAb, highCe)), d, to + 16);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, highAb, highCe)), d, to + 24);
    }
}

// Two rows of the matrix lie next to each other in pairs, those of columns 0 to 3 and 8 to 11 in the first vector and the others in the second, where
// vectors have two blocks: sums are in that order until all are there.
using Neighbours = hn::CappedTag<int16_t, FewRows::kAtOnce>;
using NeighbourSums = hn::RepartitionToWide<Neighbours>;
constexpr int64_t kNeighbours = static_cast<int64_t>(hn::MaxLanes(Neighbours()));
constexpr int64_t kHalf = kNeighbours / 2;
// Of the depth: rows of the matrix may lie a power of two apart, and then no more of them fit the first-level cache at a time.
constexpr int64_t kFewAtOnce = 8;

// Adds `count` rows of the matrix from `b` on, or kCount of them, to the sums of kNeighbours columns.
template <int kRows, int64_t kCount, class Byte>
HWY_INLINE void AddNeighbours(const int16_t* a, int64_t aRow, const Byte* b, int64_t bRow, int64_t count, int32_t* c,
                              int64_t cRow) {
    const Neighbours words;
    const NeighbourSums d;
    const hn::Rebind<Byte, Neighbours> bytes;
    hn::Vec<NeighbourSums> sums[kRows][2];
    hn::Vec<NeighbourSums> others[kRows][2];
    HWY_UNROLL(4)
    for (int r = 0; r < kRows; ++r) {
        sums[r][0] = sums[r][1] = others[r][0] = others[r][1] = hn::Zero(d);
    }
    const int64_t rows = kCount > 0 ? kCount : count;
    HWY_UNROLL(4)
    for (int64_t k = 0; k < rows; k += 2, b += 2 * bRow) {
        const auto even = hn::PromoteTo(words, hn::LoadU(bytes, b));
        const auto odd = hn::PromoteTo(words, hn::LoadU(bytes, kCount > 0 || k + 1 < rows ? b + bRow : b));
        const auto low = hn::InterleaveLower(words, even, odd);
        const auto high = hn::InterleaveUpper(words, even, odd);
        HWY_UNROLL(4)
        for (int r = 0; r < kRows; ++r) {
            int32_t two;
            std::memcpy(&two, a + r * aRow + k, sizeof two);
            const hn::Vec<Neighbours> x = hn::BitCast(words, hn::Set(d, two));
            AddProducts(d, x, low, sums[r][0], others[r][0]);
            AddProducts(d, x, high, sums[r][1], others[r][1]);
        }
    }
    HWY_UNROLL(4)
    for (int r = 0; r < kRows; ++r) {
        for (int half = 0; half < 2; ++half) {
            int32_t* const to = c + r * cRow + half * kHalf;
            const auto added = hn::RearrangeToOddPlusEven(sums[r][half], others[r][half]);
            hn::StoreU(hn::Add(hn::LoadU(d, to), added), d, to);
        }
    }
}

// To the order of the columns.
HWY_INLINE void OrderNeighbours(int32_t* c) {
    const NeighbourSums d;
    if constexpr (kHalf > 4) {
        const auto first = hn::LoadU(d, c);
        const auto second = hn::LoadU(d, c + kHalf);
        hn::StoreU(hn::ConcatLowerLower(d, second, first), d, c);
        hn::StoreU(hn::ConcatUpperUpper(d, second, first), d, c + kHalf);
    }
}

template <int kRows, class Byte>
void AddRowsAtOnce(const FewRows& p, const int16_t* a, int32_t* c) {
    constexpr int64_t kLine = 64;
    constexpr int64_t kParts = kLine / kNeighbours;
    const int64_t aRow = p.aRow;
    const int64_t bRow = p.bRow;
    const int64_t cRow = p.cRow;
    const auto* b = reinterpret_cast<const Byte*>(p.b);
    const int64_t whole = p.columns / kNeighbours * kNeighbours;
    const int64_t left = p.columns - whole;
    // Sums of the last columns, where they do not fill a vector: it begins with some that were there before.
    int32_t last[kRows * kNeighbours] = {};
    for (int r = 0; r < kRows; ++r) {
        std::fill_n(c + r * cRow, whole, 0);
    }
    const int64_t depth = p.depth;
    for (int64_t first = 0; first < depth; first += kFewAtOnce, b += kFewAtOnce * bRow) {
        const int64_t count = std::min(kFewAtOnce, depth - first);
        // Of the next rows what lies below these columns, a few lines at a time: many at once would stop what is being added.
        const int64_t next = std::min(2 * kFewAtOnce, depth - first);
        for (int64_t n = 0; n < whole; n += kNeighbours) {
            for (int64_t k = kFewAtOnce + n / kNeighbours % kParts; k < next; k += kParts) {
                __builtin_prefetch(b + k * bRow + n / kLine * kLine, 0, 2);
            }
            if (count == kFewAtOnce) {
                AddNeighbours<kRows, kFewAtOnce>(a + first, aRow, b + n, bRow, count, c + n, cRow);
            } else {
                AddNeighbours<kRows, 0>(a + first, aRow, b + n, bRow, count, c + n, cRow);
            }
        }
        if (left > 0) {
            AddNeighbours<kRows, 0>(a + first, aRow, b + p.columns - kNeighbours, bRow, count, last, kNeighbours);
        }
    }
    for (int r = 0; r < kRows; ++r) {
        for (int64_t n = 0; n < whole; n += kNeighbours) {
            OrderNeighbours(c + r * cRow + n);
        }
        if (left > 0) {
            OrderNeighbours(last + r * kNeighbours);
            std::copy_n(last + (r + 1) * kNeighbours - left, left, c + r * cRow + whole);
        }
    }
}

template <class Byte>
void AddFewRows(int64_t rows, const FewRows& p) {
    const int16_t* a = p.a;
    int32_t* c = p.c;
    for (; rows >= 4; rows -= 4, a += 4 * p.aRow, c += 4 * p.cRow) {
        AddRowsAtOnce<4, Byte>(p, a, c);
    }
    switch (rows) {
    case 3:
        return AddRowsAtOnce<3, Byte>(p, a, c);
    case 2:
        return AddRowsAtOnce<2, Byte>(p, a, c);
    case 1:
        return AddRowsAtOnce<1, Byte>(p, a, c);
    default:
        return;
    }
}

#endif

using Column = hn::CappedTag<int32_t, WordProduct::kColumns>;
using Real = hn::Rebind<float, Column>;
constexpr int64_t kColumnLanes = static_cast<int64_t>(hn::MaxLanes(Column()));
constexpr int64_t kColumnVectors = WordProduct::kColumns / kColumnLanes;

// What is the same for all rows of a tile.
struct Finish {
    explicit HWY_INLINE Finish(const WordProduct& p) : low(hn::Set(Real(), p.low)), high(hn::Set(Real(), p.high)) {
        for (int64_t v = 0; v < kColumnVectors; ++v) {
            factor[v] = hn::LoadU(Real(), p.factor + v * kColumnLanes);
            shift[v] = hn::LoadU(Real(), p.shift + v * kColumnLanes);
        }
    }

    // To as many bytes; two neighbours in `sums` are of one column.
    template <class Byte>
    HWY_INLINE void Write(const int32_t* sums, Byte* to) const {
        const Column d;
        const hn::Rebind<Byte, Column> narrow;
        for (int64_t v = 0; v < kColumnVectors; ++v) {
            hn::Vec<Column> first;
            hn::Vec<Column> second;
            hn::LoadInterleaved2(d, sums + 2 * v * kColumnLanes, first, second);
            const auto number = hn::MulAdd(hn::ConvertTo(Real(), hn::Add(first, second)), factor[v], shift[v]);
            const auto whole = hn::NearestInt(hn::Max(low, hn::Min(high, number)));
            hn::StoreU(hn::DemoteTo(narrow, whole), narrow, to + v * kColumnLanes);
        }
    }

    hn::Vec<Real> low;
    hn::Vec<Real> high;
    hn::Vec<Real> factor[kColumnVectors];
    hn::Vec<Real> shift[kColumnVectors];
};

template <class Byte>
HWY_INLINE void WriteRows(const WordProduct& p, int rows, const int32_t* sums) {
    const Finish finish(p);
    auto* c = reinterpret_cast<Byte*>(p.c);
    const int64_t cRow = p.cRow;
    const int64_t columns = p.columns;
    for (int r = 0; r < rows; ++r, c += cRow, sums += kStepWords / 2) {
        if (columns == WordProduct::kColumns) {
            finish.Write(sums, c);
        } else {
            Byte bytes[WordProduct::kColumns];
            finish.Write(sums, bytes);
            std::memcpy(c, bytes, static_cast<size_t>(columns));
        }
    }
}

template <int kRows>
void RunRows(int64_t rows, WordProduct p) {
    for (; rows >= kRows; rows -= kRows) {
        HWY_ALIGN int32_t all[kRows * kStepWords / 2];
        Accumulate<kRows>(p.a, p.aRow, p.b, p.steps, all);
        p.isSignedResult ? WriteRows<int8_t>(p, kRows, all) : WriteRows<uint8_t>(p, kRows, all);
        p.a += kRows * p.aRow;
        p.c += kRows * p.cRow;
    }
    if constexpr (kRows > 1) {
        if (rows > 0) {
            RunRows<kRows / 2>(rows, p);
        }
    }
}

template <int kRows>
void SumRows(int64_t rows, WordSums p) {
    const Column d;
    for (; rows >= kRows; rows -= kRows) {
        HWY_ALIGN int32_t all[kRows * kStepWords / 2];
        Accumulate<kRows>(p.a, p.aRow, p.b, p.steps, all);
        for (int64_t i = 0; i < kRows * WordProduct::kColumns; i += kColumnLanes) {
            hn::Vec<Column> first;
            hn::Vec<Column> second;
            hn::LoadInterleaved2(d, all + 2 * i, first, second);
            hn::StoreU(hn::Add(first, second), d, p.c + i);
        }
        p.a += kRows * p.aRow;
        p.c += kRows * WordProduct::kColumns;
    }
    if constexpr (kRows > 1) {
        if (rows > 0) {
            SumRows<kRows / 2>(rows, p);
        }
    }
}

void RunWords(int64_t rows, const WordProduct& p) { RunRows<kTileRows>(rows, p); }
void SumWords(int64_t rows, const WordSums& p) { SumRows<kTileRows>(rows, p); }

void RunFewRows(int64_t rows, const FewRows& p) {
    p.isSigned ? AddFewRows<int8_t>(rows, p) : AddFewRows<uint8_t>(rows, p);
}

template <class Byte>
HWY_INLINE void WidenRow(const Byte* from, int64_t count, int16_t zero, int16_t* to) {
    const hn::ScalableTag<int16_t> d;
    const hn::Rebind<Byte, decltype(d)> narrow;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto less = hn::Set(d, zero);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(hn::Sub(hn::PromoteTo(d, hn::LoadU(narrow, from + i)), less), d, to + i);
    }
    for (; i < count; ++i) {
        to[i] = static_cast<int16_t>(from[i] - zero);
    }
}

template <class Byte>
HWY_INLINE void WidenPixels(const Byte* from, int64_t pixels, int64_t channels, int64_t pixel, int16_t zero,
                            int16_t* to) {
    if (channels == pixel) {
        WidenRow(from, pixels * channels, zero, to);
        return;
    }
    for (int64_t i = 0; i < pixels; ++i, from += channels, to += pixel) {
        if (channels < 4) { // the images that networks begin with
            for (int64_t c = 0; c < 4; ++c) {
                to[c] = c < channels ? static_cast<int16_t>(from[c] - zero) : int16_t{0};
            }
        } else {
            WidenRow(from, channels, zero, to);
            std::fill(to + channels, to + pixel, int16_t{0});
        }
    }
}

void Widen(const uint8_t* from, int64_t pixels, int64_t channels, int64_t pixel, bool isSigned, int16_t zero,
           int16_t* to) {
    if (isSigned) {
        WidenPixels(reinterpret_cast<const int8_t*>(from), pixels, channels, pixel, zero, to);
    } else {
        WidenPixels(from, pixels, channels, pixel, zero, to);
    }
}

void Pack(const uint8_t* from, int64_t row, int64_t steps, bool isSigned, const int16_t* zeros, int16_t* to) {
    if (isSigned) {
        PackSteps(reinterpret_cast<const int8_t*>(from), row, steps, zeros, to);
    } else {
        PackSteps(from, row, steps, zeros, to);
    }
}

const WordTile* TileOfTarget() {
    static constexpr WordTile kTile{RunWords, SumWords, RunFewRows, Pack, Widen};
    return &kTile;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(TileOfTarget);

const WordTile& wordTile() {
    static const WordTile* const kTile = HWY_DYNAMIC_DISPATCH(TileOfTarget)();
    return *kTile;
}

} // namespace tenon::cpu
#endif
