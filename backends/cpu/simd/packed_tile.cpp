// The innermost product with packed weights, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/packed_tile.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/panels-inl.h"

#include <algorithm>

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
    if (p.isCut) {
        Cut(d, p.low, p.high, sums);
    }
    if (isPart) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            const auto mask = PartOf(d, p.columns, v);
            HWY_UNROLL(16)
            for (int r = 0; r < kRows; ++r) {
                hn::BlendedStore(sums[r][v], mask, d, to + r * cRow + v * cVector);
            }
        }
        return;
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            hn::StoreU(sums[r][v], d, to + r * cRow + v * cVector);
        }
    }
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
    const int64_t cRow = p.cRow;
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
    if (p.isCut) {
        Cut(d, p.low, p.high, sums);
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
            hn::StoreU(sums[r][v], d, c + v * lanes);
        }
        c += cRow;
    }
}

bool IsPlain(const PackedProduct& p) { return p.aDepth == 0 && p.cVector == 0; }

template <int kRows, int kVectors, bool kPlain>
void RunRows(int64_t rows, const float* a, float* c, const char* next, const PackedProduct& product) {
    if (rows == kRows) {
        RunPackedOf<kRows, kVectors, kPlain>(a, c, next, product);
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
        RunPackedOf<kRows, kVectors, kPlain>(a, c, next, p);
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

const PackedTiles& Packed() {
    const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
    static const PackedTiles tiles{{kWideRows, kPanelVectors * lanes, RunPackedUpTo<kWideRows, kPanelVectors>,
                                    RunPackedAll<kWideRows, kPanelVectors>},
                                   {kNarrowRows, kPanelVectors / 2 * lanes,
                                    RunPackedUpTo<kNarrowRows, kPanelVectors / 2>,
                                    RunPackedAll<kNarrowRows, kPanelVectors / 2>},
                                   {kNarrowRows, kThinVectors * lanes, RunPackedUpTo<kNarrowRows, kThinVectors>,
                                    RunPackedAll<kNarrowRows, kThinVectors>},
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
