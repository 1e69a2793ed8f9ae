// The innermost products of words of 16 bits with packed bytes, down to the bytes of the result, or with packed words: exact on every processor, as bytes
// times bytes is only where an instruction adds four of their products (byte_tile.h).
//
// Who uses it: byte_convolution.cpp, ops/integer_products.cpp. The functions exist once per instruction set. What it must not know: ops, tensors, layouts.
#pragma once

#include "backends/cpu/simd/byte_result.h"

#include <algorithm>
#include <cstdint>

namespace tenon::cpu {

// Rows of a times a panel of `kColumns` columns, kStep of the depth at a time. The panel has [steps][kColumns][kStep] signed bytes. |a| is 255 at most, and
// no sum has more than kMostDepth products.
struct WordProduct : ByteResult {
    static constexpr int64_t kColumns = 8;
    static constexpr int64_t kStep = 4;
    static constexpr int64_t kMostDepth = 65536; // 255 * 128 * 65536 < 2^31

    const int16_t* a = nullptr;
    int64_t aRow = 0;
    const int8_t* b = nullptr;
    int64_t steps = 0;
};

// The same with a panel of words, down to sums that wrap, as i32 does: [rows][kColumns] of them. All words are within 255 of zero.
struct WordSums {
    const int16_t* a = nullptr;
    int64_t aRow = 0;
    const int16_t* b = nullptr;
    int64_t steps = 0;
    int32_t* c = nullptr;
};

// Few rows of a times a matrix of bytes as it lies, down to sums that wrap: c[r * cRow + n] = sum over k of a[r * aRow + k] * b[k * bRow + n], n over
// `columns`. All words are within 255 of zero; kAtOnce columns lie before the last one's end, in each row of b.
struct FewRows {
    static constexpr int64_t kAtOnce = 16;

    const int16_t* a = nullptr;
    int64_t aRow = 0; // has a word behind an odd depth, a zero
    const uint8_t* b = nullptr;
    int64_t bRow = 0;
    bool isSigned = false; // b
    int64_t depth = 0;
    int32_t* c = nullptr;
    int64_t cRow = 0;
    int64_t columns = 0;
};

// How many rows of words a thread gathers at a time: as many as share the second-level cache with panels, but at least kFewest.
struct WordRows {
    static constexpr int64_t kFewest = 12; // a multiple of all tiles' rows, so that none is left but at the end
    static constexpr int64_t kMost = 96;
    static constexpr int64_t kBytes = 160 * 1024;

    static int64_t atOnce(int64_t words) {
        return std::clamp(kBytes / (2 * std::max<int64_t>(words, 1)) / kFewest * kFewest, kFewest, kMost);
    }
    // What holds them; no less for longer rows, of which there are fewer.
    static int64_t bytesAtOnce(int64_t words) {
        return std::max(std::min(kBytes, kMost * words * 2), kFewest * words * 2);
    }
};

struct WordTile {
    void (*run)(int64_t rows, const WordProduct& product);
    void (*sums)(int64_t rows, const WordSums& product);
    void (*fewRows)(int64_t rows, const FewRows& product);
    // Steps of a panel of words from rows of bytes `row` apart, one of the depth each, less the columns' zero points.
    void (*pack)(const uint8_t* from, int64_t row, int64_t steps, bool isSigned, const int16_t* zeros, int16_t* to);
    // Pixels of bytes, signed or not, less `zero`, to pixels of `pixel` words; zeros behind the channels, to which a multiple of four fills them up.
    void (*widen)(const uint8_t* from, int64_t pixels, int64_t channels, int64_t pixel, bool isSigned, int16_t zero,
                  int16_t* to);
};

const WordTile& wordTile();

} // namespace tenon::cpu
