// Vector loops over rows of floats: the inner loops of softmax, normalisation and reduction.
//
// Who uses it: the row-wise ops of the cpu backend. The functions exist once per instruction set. Sums are kept in several partial sums whose number depends
// on the instruction set alone, so that results do not depend on threads. What it must not know: tensors, ops.
#pragma once

#include "tenon/module/abi.h"

#include <cstdint>

namespace tenon::cpu {

struct RowTable {
    float (*max)(const float* x, int64_t count); // -inf for none; NaN where there is one
    float (*min)(const float* x, int64_t count);
    float (*sum)(const float* x, int64_t count);
    float (*sumOfSquares)(const float* x, float center, int64_t count); // of x - center
    // About the mean, which is corrected by what the sum's rounding left of it: rows of equal elements have none.
    float (*variance)(const float* x, int64_t count, float* mean);
    float (*sumOfAbs)(const float* x, int64_t count);
    float (*product)(const float* x, int64_t count);
    float (*dot)(const float* x, const float* y, int64_t count);
    // to = exp(x - top), for x <= top; returns the sum. `to` may be x.
    float (*expMinus)(const float* x, float top, float* to, int64_t count);
    void (*scale)(const float* x, float factor, float* to, int64_t count);
    void (*shift)(const float* x, float offset, float* to, int64_t count);
    void (*add)(const float* x, const float* y, float* to, int64_t count); // `to` may be x or y
    // to = (x - mean) * factor * scale + bias; scale and bias may be null.
    void (*normalize)(const float* x, float mean, float factor, const float* scale, const float* bias, float* to,
                      int64_t count);
    // to = x / (bias + factor * squares)^power
    void (*divideByPower)(const float* x, const float* squares, float factor, float bias, float power, float* to,
                          int64_t count);
    // Column-wise: one value per position of a row.
    void (*maxInto)(float* into, const float* x, int64_t count);
    void (*minInto)(float* into, const float* x, int64_t count);
    void (*addInto)(float* into, const float* x, int64_t count);
    void (*addScaledInto)(float* into, const float* x, float factor, int64_t count);
    void (*multiplyInto)(float* into, const float* x, int64_t count);
    void (*addSquaresInto)(float* into, const float* x, int64_t count);
    void (*addAbsInto)(float* into, const float* x, int64_t count);
    void (*expMinusColumns)(const float* x, const float* top, float* to, float* sums,
                            int64_t count); // sums += exp(x - top)
    void (*multiplyColumns)(const float* x, const float* factors, float* to, int64_t count);
    void (*subtractColumns)(const float* x, const float* offsets, float* to, int64_t count);
};

const RowTable& rowTable();

// Deals a row out into `stride` rows of every stride-th element, `phase` apart, so that a strided window slides over
// neighbours.
void dealRow(const float* x, int64_t count, int64_t stride, int64_t phase, float* to);

// Elements of f32, f16 or bf16 as floats: the tensor's own memory where it holds floats, else converted into `scratch`.
const float* readRow(TnDataType type, const void* tensor, int64_t first, int64_t count, float* scratch);
// Where to write a row of floats: the tensor's memory, or `scratch`, from which finishRow converts.
float* targetRow(TnDataType type, void* tensor, int64_t first, float* scratch);
void finishRow(TnDataType type, void* tensor, int64_t first, int64_t count, const float* row);

} // namespace tenon::cpu
