// The innermost product with packed weights, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/packed_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/panels-inl.h"

#include <algorithm>
#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

constexpr int64_t kFetched = 64; // bytes of a line
constexpr int kThinVectors = kPanelVectors > 2 ? kPanelVectors / 4 : 1;

// Where the instruction set stores a part of a vector without touching what is behind.
#undef TENON_MASKED_STORES
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define TENON_MASKED_STORES 1
#else
#define TENON_MASKED_STORES 0
#endif
constexpr bool kWritesParts = TENON_MASKED_STORES == 1;

// Where a vector is so long that half of one is worth saving, and there are registers for that: tiles of one vector of columns or of one and a half.
#undef TENON_LONG_VECTORS
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define TENON_LONG_VECTORS 1
#else
#define TENON_LONG_VECTORS 0
#endif

template <int kRows, int kVectors>
HWY_INLINE void AddOuterProduct(Tag d, const float* a, int64_t aRow, const float* b, Vec (&sums)[kRows][kVectors]) {
    const size_t lanes = hn::Lanes(d);
    Vec columns[kVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
        columns[v] = hn::LoadU(d, b + static_cast<size_t>(v) * lanes);
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        const Vec x = hn::Set(d, a[r * aRow]);
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            sums[r][v] = hn::MulAdd(x, columns[v], sums[r][v]);
        }
    }
}

// The elements of vector `v` among the first `columns`.
HWY_INLINE hn::Mask<Tag> PartOf(Tag d, int64_t columns, int v) {
    const int64_t before = v * static_cast<int64_t>(hn::Lanes(d));
    return hn::FirstN(d, static_cast<size_t>(std::max<int64_t>(0, columns - before)));
}

// One tile. kPlain: a and c lie row by row. Each has its registers for itself: inlined in a loop over tiles sums would have to be kept in memory.
template <int kRows, int kVectors, bool kPlain>
HWY_NOINLINE void RunPackedOf(const float* from, float* to, const char* next, const PackedProduct& p) {
    const Tag d;
    const size_t lanes = hn::Lanes(d);
    const int64_t columns = p.bRow;
    const int64_t cRow = p.cRow;
    const int64_t cVector = !kPlain && p.cVector != 0 ? p.cVector : static_cast<int64_t>(lanes);
    Vec sums[kRows][kVectors];
    const bool isPart = kWritesParts && p.columns != 0;
    // Unrolled, so that sums never are in memory.
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
        if (isPart && p.continues) {
            const auto mask = PartOf(d, p.columns, v);
            HWY_UNROLL(16)
            for (int r = 0; r < kRows; ++r) {
                sums[r][v] = hn::MaskedLoad(mask, d, to + r * cRow + v * cVector);
            }
            continue;
        }
        const size_t at = static_cast<size_t>(v) * lanes;
        const Vec start = !p.continues && p.start != nullptr ? hn::LoadU(d, p.start + at) : hn::Zero(d);
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            sums[r][v] = p.continues ? hn::LoadU(d, to + r * cRow + v * cVector) : start;
        }
    }
    if (!p.continues && !p.isNear) {
        // What is written is fetched while sums are made, instead of stopping the next tile.
        constexpr int kAtOnce = kPlain && !kHasManyRegisters ? kVectors : 1; // neighbours share a line
        for (int r = 0; r < kRows; ++r) {
            for (int v = 0; v < kVectors; v += kAtOnce) {
                __builtin_prefetch(to + r * cRow + v * cVector, 1, 3);
            }
        }
    }
    const float* b = p.b;
    const int64_t aRow = p.aRow;
    const char* const nextEnd = p.nextEnd;
    const int64_t fetched = p.lines * kFetched;
    const auto add = [&](const float* a, int64_t count) HWY_ATTR {
        if constexpr (!kHasManyRegisters) {
            // The compiler mixes more steps than two, and has no registers for that.
            HWY_UNROLL(2)
            for (int64_t k = 0; k < count; ++k) {
                if (next < nextEnd) {
                    __builtin_prefetch(next, 0, 2);
                    next += fetched / 4;
                }
                AddOuterProduct<kRows, kVectors>(d, a + k, aRow, b, sums);
                b += columns;
            }
            return;
        }
        int64_t k = 0;
        for (; k + 4 <= count; k += 4) {
            if (next < nextEnd) {
                for (int64_t line = 0; line < fetched; line += kFetched) {
                    __builtin_prefetch(next + line, 0, 2); // into the second-level cache: the first has no room
                }
                next += fetched;
            }
            HWY_UNROLL(4)
            for (int i = 0; i < 4; ++i) {
                AddOuterProduct<kRows, kVectors>(d, a + k + i, aRow, b + i * columns, sums);
            }
            b += 4 * columns;
        }
        for (; k < count; ++k) {
            AddOuterProduct<kRows, kVectors>(d, a + k, aRow, b, sums);
            b += columns;
        }
    };
    if constexpr (kPlain) {
        add(from, p.depth);
    } else {
        const int64_t depth = p.aDepth != 0 ? p.aDepth : p.depth;
        for (int64_t done = 0; done < p.depth; done += depth, from += p.aBlock) {
            add(from, std::min(depth, p.depth - done));
        }
    }
    if (isPart) {
        const Vec low = hn::Set(d, p.isCut ? p.low : -std::numeric_limits<float>::infinity());
        const Vec high = hn::Set(d, p.isCut ? p.high : std::numeric_limits<float>::infinity());
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            const auto mask = PartOf(d, p.columns, v);
            HWY_UNROLL(16)
            for (int r = 0; r < kRows; ++r) {
                hn::BlendedStore(CutTo(low, high, sums[r][v]), mask, d, to + r * cRow + v * cVector);
            }
        }
        return;
    }
    WriteRows(d, sums, p.isCut, p.low, p.high, to, cRow, cVector);
}

// Sums of small depth, where finding out what there is to do would take a good part of the time.
constexpr int64_t kShallow = 64;

bool IsShallow(const PackedProduct& p) {
    return p.depth <= kShallow && !p.continues && p.columns == 0 &&
           p.bRow == kPanelVectors * static_cast<int64_t>(hn::Lanes(Tag()));
}

template <int kRows, int kVectors>
HWY_NOINLINE void RunShallow(const float* a, float* c, const PackedProduct& p) {
    const Tag d;
    constexpr int kSteps = 2;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int64_t aRow = p.aRow;
    const float* b = p.b;
    Vec sums[kRows][kVectors];
    const float* const start = p.start;
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
        const Vec first = start != nullptr ? hn::LoadU(d, start + v * lanes) : hn::Zero(d);
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            sums[r][v] = first;
        }
    }
    const float* const end = a + p.depth;
    for (const float* const pairs = end - p.depth % kSteps; a != pairs; a += kSteps) {
        HWY_UNROLL(2)
        for (int k = 0; k < kSteps; ++k) {
            AddOuterProduct<kRows, kVectors>(d, a + k, aRow, b + k * kPanelVectors * lanes, sums);
            HWY_FENCE; // the compiler would mix steps, and has no registers for that
        }
        b += kSteps * kPanelVectors * lanes;
    }
    if (a != end) {
        AddOuterProduct<kRows, kVectors>(d, a, aRow, b, sums);
    }
    WriteRows(d, sums, p.isCut, p.low, p.high, c, p.cRow, lanes);
}

bool IsPlain(const PackedProduct& p) { return p.aDepth == 0 && p.cVector == 0; }

#if TENON_LONG_VECTORS
// One vector of columns, where loads of single elements of a would take as long as all multiplications: two steps of the depth at once, whose sums lie side by
// side, each in half of the columns, and are added at the end.
template <int kRows>
HWY_NOINLINE void RunTwoSteps(const float* a, float* c, const char* next, const PackedProduct& p) {
    const Tag d;
    const hn::Repartition<double, Tag> pairs;
    const int64_t aRow = p.aRow;
    const int64_t bRow = p.bRow;
    Vec sums[kRows][2];
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        sums[r][0] = hn::Zero(d);
        sums[r][1] = hn::Zero(d);
    }
    const float* b = p.b;
    const float* const end = a + p.depth;
    for (const float* const last = end - p.depth % 2; a != last; a += 2, b += 2 * bRow) {
        if (next < p.nextEnd) {
            __builtin_prefetch(next, 0, 2);
            __builtin_prefetch(next + p.lines * kFetched / 4, 0, 2);
            next += p.lines * kFetched / 2;
        }
        const Vec first = hn::LoadU(d, b);
        const Vec second = hn::LoadU(d, b + bRow);
        const Vec lower = hn::InterleaveLower(d, first, second);
        const Vec upper = hn::InterleaveUpper(d, first, second);
        HWY_UNROLL(16)
        for (int r = 0; r < kRows; ++r) {
            double both;
            std::memcpy(&both, a + r * aRow, sizeof both);
            const Vec x = hn::BitCast(d, hn::Set(pairs, both));
            sums[r][0] = hn::MulAdd(x, lower, sums[r][0]);
            sums[r][1] = hn::MulAdd(x, upper, sums[r][1]);
        }
        HWY_FENCE; // the compiler would mix steps, and has no registers for that
    }
    // Of each four columns two are in the lower sums.
    alignas(64) static constexpr int32_t kOrder[] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    const auto columns = hn::SetTableIndices(d, kOrder);
    const auto mask = PartOf(d, p.columns != 0 ? p.columns : static_cast<int64_t>(hn::Lanes(d)), 0);
    const Vec start = !p.continues && p.start != nullptr ? hn::LoadU(d, p.start) : hn::Zero(d);
    const Vec rest = a != end ? hn::LoadU(d, b) : hn::Zero(d);
    const Vec low = hn::Set(d, p.isCut ? p.low : -std::numeric_limits<float>::infinity());
    const Vec high = hn::Set(d, p.isCut ? p.high : std::numeric_limits<float>::infinity());
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        const Vec even = hn::ConcatEven(d, sums[r][1], sums[r][0]);
        const Vec odd = hn::ConcatOdd(d, sums[r][1], sums[r][0]);
        Vec sum = hn::TableLookupLanes(hn::Add(even, odd), columns);
        if (a != end) {
            sum = hn::MulAdd(hn::Set(d, a[r * aRow]), rest, sum);
        }
        sum = hn::Add(sum, p.continues ? hn::MaskedLoad(mask, d, c) : start);
        hn::BlendedStore(CutTo(low, high, sum), mask, d, c);
        c += p.cRow;
        HWY_FENCE;
    }
}
#endif

template <int kRows, int kVectors, bool kPlain>
HWY_INLINE void RunTile(const float* a, float* c, const char* next, const PackedProduct& p) {
#if TENON_LONG_VECTORS
    if constexpr (kPlain && kVectors == 1) {
        RunTwoSteps<kRows>(a, c, next, p);
        return;
    }
#endif
    RunPackedOf<kRows, kVectors, kPlain>(a, c, next, p);
}

template <int kRows, int kVectors, bool kPlain>
void RunRows(int64_t rows, const float* a, float* c, const char* next, const PackedProduct& product) {
    if (rows == kRows) {
        RunTile<kRows, kVectors, kPlain>(a, c, next, product);
    } else if constexpr (kRows > 1) {
        RunRows<kRows - 1, kVectors, kPlain>(rows, a, c, next, product);
    }
}

template <int kRows, int kVectors>
void RunPackedUpTo(int64_t rows, const PackedProduct& product) {
    const auto run = IsPlain(product) ? RunRows<kRows, kVectors, true> : RunRows<kRows, kVectors, false>;
    run(rows, product.a, product.c, product.next, product);
}

template <int kRows, int kVectors>
void RunShallowRows(int64_t rows, const float* a, float* c, const PackedProduct& p) {
    if (rows == kRows) {
        RunShallow<kRows, kVectors>(a, c, p);
    } else if constexpr (kRows > 1) {
        RunShallowRows<kRows - 1, kVectors>(rows, a, c, p);
    }
}

// Any number of rows, a tile after the other.
template <int kRows, int kVectors, bool kPlain>
void RunTiles(int64_t rows, const PackedProduct& p) {
    const float* a = p.a;
    float* c = p.c;
    // With one vector loads bound a tile, whatever else there is to do.
    if (kPlain && kVectors > 1 && IsShallow(p)) {
        for (int64_t tiles = (rows + kRows - 1) / kRows; tiles > 0; --tiles) {
            const int64_t some = (rows + tiles - 1) / tiles;
            RunShallowRows<kRows, kVectors>(some, a, c, p);
            a += some * p.aRow;
            c += some * p.cRow;
            rows -= some;
        }
        return;
    }
    const char* next = p.next;
    const auto skip = [&](int64_t some) {
        a += some * p.aRow;
        c += some * p.cRow;
        next = next < p.nextEnd ? next + p.depth / 4 * p.lines * kFetched : next;
    };
    if constexpr (!kHasManyRegisters) {
        // Tiles of nearly one size: sums of one or two rows are too few to hide how long each takes.
        for (int64_t tiles = (rows + kRows - 1) / kRows; tiles > 0; --tiles) {
            const int64_t some = (rows + tiles - 1) / tiles;
            RunRows<kRows, kVectors, kPlain>(some, a, c, next, p);
            skip(some);
            rows -= some;
        }
        return;
    }
    for (; rows >= kRows; rows -= kRows) {
        RunTile<kRows, kVectors, kPlain>(a, c, next, p);
        skip(kRows);
    }
    if (rows > 0) {
        RunRows<kRows - 1, kVectors, kPlain>(rows, a, c, next, p);
    }
}

template <int kRows, int kVectors>
void RunPackedAll(int64_t rows, const PackedProduct& product) {
    const auto run = IsPlain(product) ? RunTiles<kRows, kVectors, true> : RunTiles<kRows, kVectors, false>;
    run(rows, product);
}

#if TENON_LONG_VECTORS
// A vector and a half of columns. The halves of two neighbouring rows make up a vector, so that nothing is multiplied in vain; of an odd number of rows the
// last one is its own neighbour.
template <int kPairs>
HWY_NOINLINE void RunPairs(int64_t rows, const float* a, float* c, const char* next, const PackedProduct& p) {
    const Tag d;
    const hn::Half<Tag> half;
    const size_t lanes = hn::Lanes(d);
    constexpr int kRows = 2 * kPairs;
    const int64_t aRow = p.aRow;
    const int64_t cRow = p.cRow;
    const int64_t aLast = (rows - 1) * aRow;
    const int64_t cLast = (rows - 1) * cRow;
    const auto aAt = [&](int r) HWY_ATTR { return r + 1 < kRows ? r * aRow : aLast; };
    const auto cAt = [&](int r) HWY_ATTR { return c + (r + 1 < kRows ? r * cRow : cLast); };
    const auto halves = [&](const float* low, const float* high)
                            HWY_ATTR { return hn::Combine(d, hn::LoadU(half, high), hn::LoadU(half, low)); };
    Vec sums[kRows];
    Vec shared[kPairs];
    if (p.continues) {
        HWY_UNROLL(8)
        for (int i = 0; i < kPairs; ++i) {
            sums[2 * i] = hn::LoadU(d, cAt(2 * i));
            sums[2 * i + 1] = hn::LoadU(d, cAt(2 * i + 1));
            shared[i] = halves(cAt(2 * i) + lanes, cAt(2 * i + 1) + lanes);
        }
    } else {
        const Vec first = p.start != nullptr ? hn::LoadU(d, p.start) : hn::Zero(d);
        const Vec second = p.start != nullptr ? halves(p.start + lanes, p.start + lanes) : hn::Zero(d);
        HWY_UNROLL(8)
        for (int i = 0; i < kPairs; ++i) {
            sums[2 * i] = first;
            sums[2 * i + 1] = first;
            shared[i] = second;
        }
    }
    const float* b = p.b;
    for (const float* const end = a + p.depth; a != end; ++a, b += p.bRow) {
        if (next < p.nextEnd) {
            __builtin_prefetch(next, 0, 2);
            next += p.lines * kFetched / 4;
        }
        const Vec whole = hn::LoadU(d, b);
        const Vec rest = halves(b + lanes, b + lanes);
        HWY_UNROLL(8)
        for (int i = 0; i < kPairs; ++i) {
            const Vec low = hn::Set(d, a[aAt(2 * i)]);
            const Vec high = hn::Set(d, a[aAt(2 * i + 1)]);
            sums[2 * i] = hn::MulAdd(low, whole, sums[2 * i]);
            sums[2 * i + 1] = hn::MulAdd(high, whole, sums[2 * i + 1]);
            shared[i] = hn::MulAdd(hn::ConcatUpperLower(d, high, low), rest, shared[i]);
        }
        HWY_FENCE; // the compiler would mix steps, and has no registers for that
    }
    const Vec low = hn::Set(d, p.isCut ? p.low : -std::numeric_limits<float>::infinity());
    const Vec high = hn::Set(d, p.isCut ? p.high : std::numeric_limits<float>::infinity());
    HWY_UNROLL(8)
    for (int i = 0; i < kPairs; ++i) {
        const Vec both = CutTo(low, high, shared[i]);
        hn::StoreU(CutTo(low, high, sums[2 * i]), d, cAt(2 * i));
        hn::StoreU(hn::LowerHalf(half, both), half, cAt(2 * i) + lanes);
        hn::StoreU(CutTo(low, high, sums[2 * i + 1]), d, cAt(2 * i + 1));
        hn::StoreU(hn::UpperHalf(half, both), half, cAt(2 * i + 1) + lanes);
        HWY_FENCE;
    }
}

constexpr int kMostPairs = 8;

template <int kPairs>
void RunPairsUpTo(int64_t rows, const float* a, float* c, const char* next, const PackedProduct& p) {
    if ((rows + 1) / 2 == kPairs) {
        RunPairs<kPairs>(rows, a, c, next, p);
    } else if constexpr (kPairs > 1) {
        RunPairsUpTo<kPairs - 1>(rows, a, c, next, p);
    }
}

void RunPaired(int64_t rows, const PackedProduct& p) { RunPairsUpTo<kMostPairs>(rows, p.a, p.c, p.next, p); }

// In tiles of nearly one size.
void RunPairedAll(int64_t rows, const PackedProduct& p) {
    const float* a = p.a;
    float* c = p.c;
    const char* next = p.next;
    for (int64_t tiles = (rows + 2 * kMostPairs - 1) / (2 * kMostPairs); tiles > 0; --tiles) {
        const int64_t some = std::min(rows, ((rows + tiles - 1) / tiles + 1) / 2 * 2);
        RunPairsUpTo<kMostPairs>(some, a, c, next, p);
        a += some * p.aRow;
        c += some * p.cRow;
        next = next < p.nextEnd ? next + p.depth * p.lines * kFetched / 4 : next;
        rows -= some;
    }
}

PackedTile Paired() {
    return {2 * kMostPairs, static_cast<int64_t>(hn::Lanes(Tag())) / 2 * 3, RunPaired, RunPairedAll};
}
#else
PackedTile Paired() { return {}; }
#endif

const PackedTiles& Packed() {
    const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
    static const PackedTiles tiles{{kWideRows, kPanelVectors * lanes, RunPackedUpTo<kWideRows, kPanelVectors>,
                                    RunPackedAll<kWideRows, kPanelVectors>},
                                   {kNarrowRows, kPanelVectors / 2 * lanes,
                                    RunPackedUpTo<kNarrowRows, kPanelVectors / 2>,
                                    RunPackedAll<kNarrowRows, kPanelVectors / 2>},
                                   {kNarrowRows, kThinVectors * lanes, RunPackedUpTo<kNarrowRows, kThinVectors>,
                                    RunPackedAll<kNarrowRows, kThinVectors>},
                                   Paired(),
                                   kWritesParts,
                                   lanes};
    return tiles;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Packed);
const PackedTiles& packedTiles() { return HWY_DYNAMIC_DISPATCH(Packed)(); }

const PackedTile& imageTile() {
    const PackedTiles& tiles = packedTiles();
    return tiles.narrow.columns >= 16 ? tiles.narrow : tiles.wide;
}

} // namespace tenon::cpu
#endif
