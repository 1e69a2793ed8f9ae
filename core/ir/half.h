// Conversions between float and the narrow floating-point formats, by bits.
// Used by constants, folding, tests and host code that meets such tensors. Knows no tensor.
//
// Narrowing rounds to nearest, ties to even. Values above the largest finite number become infinity where the format has one; f8e4m3, f4e2m1
// and f8e8m0 have none: `saturate` decides between the largest number and NaN for the 8-bit formats, f4e2m1 always saturates.
#pragma once

#include <cstdint>

namespace tenon::ir {

float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);

float bfloat16ToFloat(uint16_t bits);
uint16_t floatToBfloat16(float value);

// E4M3 without infinities (ONNX FLOAT8E4M3FN), E5M2 with them, E8M0 a bare power of two.
float f8e4m3ToFloat(uint8_t bits);
uint8_t floatToF8e4m3(float value, bool saturate = true);
float f8e5m2ToFloat(uint8_t bits);
uint8_t floatToF8e5m2(float value, bool saturate = true);
float f8e8m0ToFloat(uint8_t bits);
uint8_t floatToF8e8m0(float value);

// In the low four bits.
float f4e2m1ToFloat(uint8_t bits);
uint8_t floatToF4e2m1(float value);

} // namespace tenon::ir
