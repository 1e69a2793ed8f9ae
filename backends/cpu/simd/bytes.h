// Rows between f32 and bytes, vector by vector.
//
// Who uses it: quantization kernels. The functions exist once per instruction set; byteRows() gives those of this machine.
// What it must not know: ops, tensors, layouts.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// a * factorA + b * factorB + shift, cut to [least, most], which a byte holds, and rounded; `zero` where that is no number.
// Each of a, b and the result is signed or not.
struct ByteSum {
    float factorA = 1;
    float factorB = 1;
    float shift = 0;
    float zero = 0;
    float least = 0;
    float most = 127;
    bool signedA = false;
    bool signedB = false;
    bool signedResult = false;
};

// How bytes stand for real numbers: (byte - zero) * scale.
struct ByteScale {
    float scale = 1;
    float zero = 0;
    bool isSigned = false;
};

struct ByteRows {
    // Smallest and largest of count numbers and of what `low` and `high` hold already.
    void (*range)(const float* x, int64_t count, float* low, float* high);
    // x / scale rounded, + zero, cut to what a byte holds.
    void (*quantize)(const float* x, int64_t count, const ByteScale& how, uint8_t* to);
    void (*dequantize)(const uint8_t* x, int64_t count, const ByteScale& how, float* to);
    void (*sum)(const ByteSum& how, const uint8_t* a, const uint8_t* b, int64_t count, uint8_t* to);
    // The same with numbers in the place of b's bytes.
    void (*sumWithRow)(const ByteSum& how, const uint8_t* a, const float* row, int64_t count, uint8_t* to);
    // Of signed or unsigned bytes; the lowest byte for none.
    int32_t (*largest)(const uint8_t* x, bool isSigned, int64_t count);
    // Of x[i] - x[0], as whole numbers: their sum and the sum of their squares.
    void (*moments)(const uint8_t* x, bool isSigned, int64_t count, int64_t* sum, int64_t* squares);
    // sums += x.
    void (*addInto)(const uint8_t* x, bool isSigned, int64_t count, int32_t* sums);
    // (the sum of so many rows of whole numbers, one `apart` elements behind the other, - zeros) * factor.
    void (*average)(const int32_t* sums, int64_t rows, int64_t apart, int64_t count, float zeros, float factor,
                    float* to);
    // One byte of each of three rows after the other.
    void (*interleave)(const uint8_t* a, const uint8_t* b, const uint8_t* c, int64_t count, uint8_t* to);
    // table[x]; `to` may be x.
    void (*lookup)(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* to);
};

const ByteRows& byteRows();

} // namespace tenon::cpu
