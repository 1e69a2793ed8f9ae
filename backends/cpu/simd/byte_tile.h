// The innermost product of bytes with packed weights, down to the bytes of the result.
//
// Who uses it: byte_product.cpp. There is one for processors that add four products of bytes in one instruction (AVX-512 VNNI). What it must not
// know: ops, tensors, layouts.
#pragma once

#include "backends/cpu/simd/byte_result.h"

#include <cstdint>

namespace tenon::cpu {

// Rows of a times a panel of `kColumns` columns, four of the depth at a time. The panel has [steps][kColumns][4] signed bytes.
struct ByteProduct : ByteResult {
    static constexpr int64_t kColumns = 64;
    static constexpr int64_t kMostDepth = 65536; // 255 * 128 * 65536 < 2^31

    const uint8_t* a = nullptr;
    int64_t aRow = 0;
    const int8_t* b = nullptr;
    int64_t steps = 0;
    const int32_t* start = nullptr; // what each column's sums begin with
    bool isSigned = false;          // a: its bytes count as 128 more
    // Where weights have zero points: sum of (a - za)(b - zb) = sum of (a - za) b - zb times the row's sum of (a - za).
    const int32_t* zeros = nullptr;   // of each column; null: none
    const int32_t* rowSums = nullptr; // of each row
};

struct ByteTile {
    void (*run)(int64_t rows, const ByteProduct& product);
    // The sum of each of a panel's columns.
    void (*sums)(const int8_t* b, int64_t steps, int32_t* to);
    // The sum of each row's bytes less `zero`.
    void (*rowSums)(int64_t rows, const ByteProduct& product, int32_t zero, int32_t* to);
};

// Null where the processor has no such instruction.
const ByteTile* byteTile();

} // namespace tenon::cpu
