#include "backends/cpu/simd/window_tile.h"

#include "backends/cpu/simd/brain-inl.h"
#include "backends/cpu/simd/brain_tile.h"
#include "backends/cpu/simd/tile_shapes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>

#endif

namespace tenon::cpu {

int64_t WindowTile::step(int64_t depth) {
    // Steps of less than half a register leave most of the machine unused.
    for (int64_t step = 32; step >= 16; step -= 2) {
        if (depth % step == 0) {
            return step;
        }
    }
    return 0;
}

#if defined(__x86_64__)

namespace {

constexpr int64_t kRow = WindowProduct::kColumns * 4; // bytes of a row of a panel, or of scratch
// Channels that all taps are multiplied with before the next ones: those of neighbouring positions then stay in the first-level cache.
constexpr int64_t kStretch = 256;

TENON_BRAIN_INLINE __m512 widened(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// Finishes the sums of a tile that lie in scratch, a few rows at a time: those of matrix registers while these are at work on the next tile.
class Writer {
public:
    TENON_BRAIN_INLINE explicit Writer(const WindowProduct& product)
        : mProduct(product), mMask(~__mmask32{0} >> (WindowProduct::kColumns - product.columns)),
          mLow(_mm512_set1_ps(product.low)), mHigh(_mm512_set1_ps(product.high)),
          mStart0(_mm512_loadu_ps(product.start)), mStart1(_mm512_loadu_ps(product.start + kLanes)) {}

    // `where`: as of the product, of these rows.
    TENON_BRAIN_INLINE void begin(float* scratch, const int32_t* where, int64_t rows) {
        if (mProduct.function != nullptr) {
            for (float* row = scratch; row != scratch + rows * WindowProduct::kColumns;
                 row += WindowProduct::kColumns) {
                _mm512_storeu_ps(row, _mm512_add_ps(_mm512_loadu_ps(row), mStart0));
                _mm512_storeu_ps(row + kLanes, _mm512_add_ps(_mm512_loadu_ps(row + kLanes), mStart1));
            }
            mProduct.function(mProduct.context, scratch, rows * WindowProduct::kColumns);
        }
        mScratch = scratch;
        mWhere = where;
        mEnd = mWhere + rows;
    }

    TENON_BRAIN_INLINE void write(int64_t rows) {
        for (; rows > 0 && mWhere != mEnd; --rows, ++mWhere, mScratch += WindowProduct::kColumns) {
            if (*mWhere >= 0) {
                writeRow(*mWhere * mProduct.cPixel);
            }
        }
    }

    // Rows that will be written next are fetched for that: a panel's part of each is a line of the cache, and no processor foresees the next one. Not those that
    // would meet in one or two sets of the first-level cache.
    TENON_BRAIN_INLINE void announce(const int32_t* where, int64_t rows) {
        mAhead = where;
        mAheadEnd = where + (mProduct.cPixel % kMeeting != 0 ? rows : 0);
    }

    TENON_BRAIN_INLINE void fetch(int64_t rows) {
        for (; rows > 0 && mAhead != mAheadEnd; --rows, ++mAhead) {
            if (*mAhead >= 0) {
                const int64_t at = *mAhead * mProduct.cPixel;
                __builtin_prefetch(mProduct.c + at, 1);
                if (mProduct.sum != nullptr && mProduct.sum != mProduct.c) {
                    __builtin_prefetch(mProduct.sum + at, 0);
                }
            }
        }
    }

private:
    static constexpr int64_t kLanes = 16;
    static constexpr int64_t kMeeting = 1024; // elements: 2 KiB

    TENON_BRAIN_INLINE void writeRow(int64_t at) {
        __m512 left = _mm512_loadu_ps(mScratch);
        __m512 right = _mm512_loadu_ps(mScratch + kLanes);
        if (mProduct.function == nullptr) {
            left = _mm512_add_ps(left, mStart0);
            right = _mm512_add_ps(right, mStart1);
        }
        if (mProduct.sum != nullptr) {
            const __m512i more = _mm512_maskz_loadu_epi16(mMask, mProduct.sum + at);
            left = _mm512_add_ps(left, widened(_mm512_castsi512_si256(more)));
            right = _mm512_add_ps(right, widened(_mm512_extracti64x4_epi64(more, 1)));
        }
        // In this order what is no number stays so.
        left = _mm512_min_ps(mHigh, _mm512_max_ps(mLow, left));
        right = _mm512_min_ps(mHigh, _mm512_max_ps(mLow, right));
        const __m512bh both = _mm512_cvtne2ps_pbh(right, left);
        __m512i bits;
        std::memcpy(&bits, &both, sizeof bits);
        _mm512_mask_storeu_epi16(mProduct.c + at, mMask, bits);
    }

    const WindowProduct& mProduct;
    __mmask32 mMask;
    __m512 mLow;
    __m512 mHigh;
    __m512 mStart0;
    __m512 mStart1;
    const float* mScratch = nullptr;
    const int32_t* mWhere = nullptr;
    const int32_t* mEnd = nullptr;
    const int32_t* mAhead = nullptr;
    const int32_t* mAheadEnd = nullptr;
};

// --- Matrix registers ---

// Registers 0 to 3 are sums, 4 and 5 positions, 6 and 7 columns.
TENON_MATRIX void beginMatrix(int64_t step) {
    TileShapes shapes;
    for (int i = 0; i < 8; ++i) {
        const bool isPositions = i == 4 || i == 5;
        shapes.rowBytes[i] = static_cast<uint16_t>(isPositions ? step * 2 : 64);
        shapes.rows[i] = static_cast<uint8_t>(i < 6 ? 16 : step / 2);
    }
    // GCC 12's intrinsic says that eight bytes are read.
    asm volatile("ldtilecfg %0" : : "m"(shapes));
}

TENON_MATRIX void endMatrix() { _tile_release(); }

// What is fetched for the next product while this one runs.
struct Fetched {
    const char* at = nullptr;
    int64_t lines = 0; // at each step, or stretch of a tap
};

// Sums of sixteen or thirty-two positions and columns, to scratch.
template <bool kTwoRows, bool kTwoColumns>
TENON_MATRIX_INLINE void sumTile(const WindowProduct& p, int64_t first, int64_t step, float* scratch, Fetched& next,
                                 Writer& before, int64_t rowsAtStep) {
    _tile_zero(0);
    if constexpr (kTwoColumns) {
        _tile_zero(1);
    }
    if constexpr (kTwoRows) {
        _tile_zero(2);
    }
    if constexpr (kTwoRows && kTwoColumns) {
        _tile_zero(3);
    }
    const int64_t stride = p.aPixel * 2;
    const int64_t stretch = kStretch / step * step;
    for (int64_t begin = 0; begin < p.depth; begin += stretch) {
        const int64_t end = std::min(p.depth, begin + stretch);
        for (int64_t tap = 0; tap < p.tapCount; ++tap) {
            const auto* a = reinterpret_cast<const char*>(p.a + first * p.aPixel + p.taps[tap] + begin);
            const auto* b = reinterpret_cast<const char*>(p.b + (tap * p.depth + begin) * WindowProduct::kColumns);
            for (int64_t k = begin; k < end; k += step) {
                _tile_loadd(6, b, kRow);
                _tile_loadd(4, a, stride);
                _tile_dpbf16ps(0, 4, 6);
                if constexpr (kTwoColumns) {
                    _tile_loadd(7, b + 64, kRow);
                    _tile_dpbf16ps(1, 4, 7);
                }
                if constexpr (kTwoRows) {
                    _tile_loadd(5, a + 16 * stride, stride);
                    _tile_dpbf16ps(2, 5, 6);
                }
                if constexpr (kTwoRows && kTwoColumns) {
                    _tile_dpbf16ps(3, 5, 7);
                }
                before.write(rowsAtStep);
                before.fetch(rowsAtStep);
                for (int64_t line = 0; line < next.lines; ++line) {
                    _mm_prefetch(next.at + line * 64, _MM_HINT_T1);
                }
                next.at += next.lines * 64;
                a += step * 2;
                b += step / 2 * kRow;
            }
        }
    }
    _tile_stored(0, scratch, kRow);
    if constexpr (kTwoColumns) {
        _tile_stored(1, scratch + 16, kRow);
    }
    if constexpr (kTwoRows) {
        _tile_stored(2, scratch + 16 * WindowProduct::kColumns, kRow);
    }
    if constexpr (kTwoRows && kTwoColumns) {
        _tile_stored(3, scratch + 16 * WindowProduct::kColumns + 16, kRow);
    }
}

template <bool kTwoColumns>
TENON_MATRIX void runColumns(const WindowProduct& p, int64_t step, float* scratch) {
    const int64_t blocks = (p.positions + WindowProduct::kRows - 1) / WindowProduct::kRows;
    const int64_t steps = p.tapCount * (p.depth / step); // of a block
    const int64_t rowsAtStep = (WindowProduct::kRows + steps - 1) / steps;
    const int64_t lines = (p.nextBytes + 63) / 64;
    const int64_t linesAtStep = (lines + blocks * steps - 1) / (blocks * steps);
    Fetched next{p.next, 0};
    Writer writer(p);
    for (int64_t first = 0; first < p.positions; first += WindowProduct::kRows) {
        const int64_t rows = std::min(WindowProduct::kRows, p.positions - first);
        const int64_t left = lines - (next.at - p.next) / 64;
        next.lines = std::min(linesAtStep, left / steps);
        writer.announce(p.where + first, rows);
        float* const half = scratch + first % (2 * WindowProduct::kRows) * WindowProduct::kColumns;
        if (rows > 16) {
            sumTile<true, kTwoColumns>(p, first, step, half, next, writer, rowsAtStep);
        } else {
            sumTile<false, kTwoColumns>(p, first, step, half, next, writer, rowsAtStep);
        }
        writer.begin(half, p.where + first, rows);
    }
    writer.write(WindowProduct::kRows);
}

TENON_MATRIX void runMatrix(const WindowProduct& p, int64_t step, float* scratch) {
    if (p.positions == 0) {
        return;
    }
    p.columns > 16 ? runColumns<true>(p, step, scratch) : runColumns<false>(p, step, scratch);
}

// --- Vectors: as many positions as leave registers for weights and a pair of channels ---

constexpr int kMostPositions = 12;

// Positions that have results: the pixels of these, and elements from `a` on.
struct Block {
    int32_t where[kMostPositions];
    int64_t offsets[kMostPositions];
};

// Sums of a block, to scratch.
template <int kCount>
TENON_BRAIN void sumBlock(const WindowProduct& p, const Block& block, float* scratch, Fetched& next) {
    __m512 sums[kCount][2];
#pragma GCC unroll 12
    for (int i = 0; i < kCount; ++i) {
        sums[i][0] = _mm512_setzero_ps();
        sums[i][1] = _mm512_setzero_ps();
    }
    int64_t offsets[kCount];
    std::copy(block.offsets, block.offsets + kCount, offsets);
    for (int64_t begin = 0; begin < p.depth; begin += kStretch) {
        const int64_t end = std::min(p.depth, begin + kStretch);
        for (int64_t tap = 0; tap < p.tapCount; ++tap) {
            const uint16_t* a = p.a + p.taps[tap] + begin;
            const uint16_t* b = p.b + (tap * p.depth + begin) * WindowProduct::kColumns;
            for (int64_t line = 0; line < next.lines; ++line, next.at += 64) {
                _mm_prefetch(next.at, _MM_HINT_T1);
            }
            for (int64_t k = begin; k < end; k += 2, a += 2, b += 2 * WindowProduct::kColumns) {
                const __m512i left = _mm512_loadu_si512(b);
                const __m512i right = _mm512_loadu_si512(b + WindowProduct::kColumns);
#pragma GCC unroll 12
                for (int i = 0; i < kCount; ++i) {
                    int32_t two;
                    std::memcpy(&two, a + offsets[i], sizeof two);
                    const __m512i pair = _mm512_set1_epi32(two);
                    addPairs(sums[i][0], pair, left);
                    addPairs(sums[i][1], pair, right);
                }
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < kCount; ++i) {
        _mm512_storeu_ps(scratch + i * WindowProduct::kColumns, sums[i][0]);
        _mm512_storeu_ps(scratch + i * WindowProduct::kColumns + 16, sums[i][1]);
    }
}

using SumBlock = void (*)(const WindowProduct&, const Block&, float*, Fetched&);

template <int... kCounts>
constexpr std::array<SumBlock, sizeof...(kCounts)> sumsOf(std::integer_sequence<int, kCounts...>) {
    return {sumBlock<kCounts + 1>...};
}

// Positions without a result are left out, and the others dealt out evenly.
TENON_BRAIN void runVectors(const WindowProduct& p, int64_t, float* scratch) {
    static constexpr auto kSums = sumsOf(std::make_integer_sequence<int, kMostPositions>());
    const int64_t results = std::count_if(p.where, p.where + p.positions, [](int32_t each) { return each >= 0; });
    const int64_t blocks = (results + kMostPositions - 1) / kMostPositions;
    const int64_t stops = p.tapCount * ((p.depth + kStretch - 1) / kStretch); // of a block, where lines are fetched
    const int64_t lines = (p.nextBytes + 63) / 64;
    int64_t fetched = 0;
    Writer writer(p);
    int64_t position = 0;
    int64_t left = results;
    for (int64_t i = blocks; i > 0; --i) {
        const int64_t count = (left + i - 1) / i;
        Block block;
        for (int64_t found = 0; found < count; ++position) {
            if (p.where[position] >= 0) {
                block.where[found] = p.where[position];
                block.offsets[found++] = position * p.aPixel;
            }
        }
        left -= count;
        const int64_t wanted = lines * (blocks - i + 1) / blocks;
        Fetched next{p.next + fetched * 64, (wanted - fetched) / stops};
        writer.announce(block.where, count);
        writer.fetch(count);
        kSums[static_cast<size_t>(count - 1)](p, block, scratch, next);
        fetched = (next.at - p.next) / 64;
        writer.begin(scratch, block.where, count);
        writer.write(count);
    }
}

TENON_BRAIN void copy(const char* from, int64_t fromNext, char* to, int64_t toNext, int64_t bytes, int64_t count) {
    if (fromNext == bytes && toNext == bytes) {
        std::memcpy(to, from, static_cast<size_t>(bytes * count));
        return;
    }
    const int64_t whole = bytes / 64 * 64;
    const __mmask64 rest = bytes == whole ? 0 : ~__mmask64{0} >> (64 - (bytes - whole));
    for (int64_t i = 0; i < count; ++i, from += fromNext, to += toNext) {
        for (int64_t at = 0; at < whole; at += 64) {
            _mm512_storeu_si512(to + at, _mm512_loadu_si512(from + at));
        }
        if (rest != 0) {
            _mm512_mask_storeu_epi8(to + whole, rest, _mm512_maskz_loadu_epi8(rest, from + whole));
        }
    }
}

TENON_BRAIN void interleave(const float* const (&planes)[4], int64_t count, uint16_t* to) {
    // Words of 16 pixels, those of the first two planes and then of the others, in the order of the first eight pixels; the others' are eight further.
    alignas(64) uint16_t order[32];
    for (uint16_t i = 0; i < 32; ++i) {
        order[i] = static_cast<uint16_t>(i % 4 * 16 + i / 4);
    }
    const __m512i first = _mm512_load_si512(order);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(8));
    for (int64_t i = 0; i < count; i += 16) {
        const int64_t pixels = std::min<int64_t>(16, count - i);
        const auto some = static_cast<__mmask16>(0xFFFFU >> (16 - pixels));
        __m512 values[4];
        for (int plane = 0; plane < 4; ++plane) {
            values[plane] =
                planes[plane] != nullptr ? _mm512_maskz_loadu_ps(some, planes[plane] + i) : _mm512_setzero_ps();
        }
        const __m512bh pairs[2] = {_mm512_cvtne2ps_pbh(values[1], values[0]),
                                   _mm512_cvtne2ps_pbh(values[3], values[2])};
        __m512i words[2];
        std::memcpy(words, pairs, sizeof words);
        const auto written = pixels == 16 ? ~__mmask64{0} : (__mmask64{1} << (pixels * 4)) - 1;
        _mm512_mask_storeu_epi16(to + i * 4, static_cast<__mmask32>(written),
                                 _mm512_permutex2var_epi16(words[0], first, words[1]));
        _mm512_mask_storeu_epi16(to + i * 4 + 32, static_cast<__mmask32>(written >> 32),
                                 _mm512_permutex2var_epi16(words[0], second, words[1]));
    }
}

} // namespace

const WindowTile* matrixWindowTile() {
    static const WindowTile tile{256, beginMatrix, endMatrix, runMatrix, copy, interleave};
    return matrixBrainTile() != nullptr ? &tile : nullptr;
}

const WindowTile* vectorWindowTile() {
    static const WindowTile tile{32, [](int64_t) {}, [] {}, runVectors, copy, interleave};
    return vectorBrainTile() != nullptr ? &tile : nullptr;
}

#else

const WindowTile* matrixWindowTile() { return nullptr; }
const WindowTile* vectorWindowTile() { return nullptr; }

#endif

const WindowTile* windowTile() { return matrixWindowTile() != nullptr ? matrixWindowTile() : vectorWindowTile(); }

} // namespace tenon::cpu
