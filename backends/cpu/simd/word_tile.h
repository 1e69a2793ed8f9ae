// The innermost products of words of 16 bits with packed bytes, down to the bytes of the result, or with packed words: exact on every processor, as bytes
// times bytes is only where an instruction adds four of their products (byte_tile.h).
//
// Who uses it: byte_convolution.cpp, ops/integer_products.cpp. The functions exist once per instruction set. What it must not know: ops, tensors, layouts.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// Rows of a times a panel of `kColumns` columns, four of the depth at a time: byte = sum * factor + shift, cut to [low, high], which a byte holds, and
// rounded. The panel has [steps][kColumns][4] signed bytes. |a| is 255 at most, and no sum has more than kMostDepth products.
struct WordProduct {
    static constexpr int64_t kColumns = 8;
    static constexpr int64_t kMostDepth = 65536; // 255 * 128 * 65536 < 2^31

    const int16_t* a = nullptr;
    int64_t aRow = 0;
    const int8_t* b = nullptr;
    int64_t steps = 0;
    // For each column of the panel.
    const float* factor = nullptr;
    const float* shift = nullptr;
    float low = 0;
    float high = 0;
    uint8_t* c = nullptr;
    int64_t cRow = 0;
    int64_t columns = kColumns; // that are written
    bool isSignedResult = false;
};

// The same with a panel of words, down to sums that wrap, as i32 does: [rows][kColumns] of them. All words are within 255 of zero.
struct WordSums {
    const int16_t* a = nullptr;
    int64_t aRow = 0;
    const int16_t* b = nullptr;
    int64_t steps = 0;
    int32_t* c = nullptr;
};

struct WordTile {
    void (*run)(int64_t rows, const WordProduct& product);
    void (*sums)(int64_t rows, const WordSums& product);
    // Steps of a panel of words from rows of bytes `row` apart, one of the depth each, less the columns' zero points.
    void (*pack)(const uint8_t* from, int64_t row, int64_t steps, bool isSigned, const int16_t* zeros, int16_t* to);
    // Pixels of bytes, signed or not, less `zero`, to pixels of `pixel` words, a multiple of four; zeros behind the channels.
    void (*widen)(const uint8_t* from, int64_t pixels, int64_t channels, int64_t pixel, bool isSigned, int16_t zero,
                  int16_t* to);
};

const WordTile& wordTile();

} // namespace tenon::cpu
