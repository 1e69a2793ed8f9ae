// Element types: sizes, names, and exact scalar conversions of the 16-bit and 8-bit floats.
//
// Who uses it: every kernel of the host backends and their tests.
// What it must not know: tensors, layouts, core headers.
#pragma once

#include "tenon/module/format.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

namespace tenon::kernels {

using module::bitsOf;
using module::Code;
using module::nameOf;

// 0 for types below one byte and for strings.
constexpr int bytesOf(TnDataType type) { return bitsOf(type) / 8; }

using TypeMask = uint32_t;
constexpr TypeMask maskOf(TnDataType type) { return TypeMask{1} << type; }
inline constexpr TypeMask kFloats = maskOf(TN_F32) | maskOf(TN_F16) | maskOf(TN_BF16) | maskOf(TN_F64);
inline constexpr TypeMask kSignedInts = maskOf(TN_I8) | maskOf(TN_I16) | maskOf(TN_I32) | maskOf(TN_I64);
inline constexpr TypeMask kUnsignedInts = maskOf(TN_U8) | maskOf(TN_U16) | maskOf(TN_U32) | maskOf(TN_U64);
inline constexpr TypeMask kInts = kSignedInts | kUnsignedInts;
inline constexpr TypeMask kNumeric = kFloats | kInts;
inline constexpr TypeMask kBool = maskOf(TN_BOOL);
inline constexpr TypeMask kWholeBytes = kNumeric | kBool | maskOf(TN_F8E4M3) | maskOf(TN_F8E5M2) | maskOf(TN_F8E8M0);
constexpr bool contains(TypeMask mask, TnDataType type) {
    return type >= 0 && type < TN_DATA_TYPE_COUNT && (mask & maskOf(type)) != 0;
}
std::string namesOf(TypeMask mask); // "f32, f16, i64"

// Storage types of the 16-bit floats: bits only, so that no arithmetic happens in them by accident.
struct Half {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

// Rounds a double once, to nearest even, into a binary format of `exponentBits` and `mantissaBits`, IEEE style with
// subnormals, infinities and quiet NaNs. One rounding from the wide type, so that a result never rounds twice.
template <int exponentBits, int mantissaBits>
constexpr uint32_t roundToFormat(double value) {
    constexpr int bias = (1 << (exponentBits - 1)) - 1;
    constexpr uint32_t infinity = ((1U << exponentBits) - 1U) << mantissaBits;
    const uint64_t bits = std::bit_cast<uint64_t>(value);
    const uint32_t sign = static_cast<uint32_t>(bits >> 63) << (exponentBits + mantissaBits);
    const int exponent = static_cast<int>((bits >> 52) & 0x7FF);
    uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
    if (exponent == 0x7FF) {
        return sign | infinity | (mantissa != 0 ? 1U << (mantissaBits - 1) : 0U);
    }
    if (exponent == 0) {
        return sign; // subnormal doubles are far below half of the smallest value of the target
    }
    mantissa |= uint64_t{1} << 52;
    int target = exponent - 1023 + bias;
    int shift = 52 - mantissaBits;
    if (target < 1) {
        shift += 1 - target;
        target = 0;
    }
    if (shift > 54) {
        return sign;
    }
    const uint64_t half = uint64_t{1} << (shift - 1);
    const uint64_t rest = mantissa & ((uint64_t{1} << shift) - 1);
    uint64_t rounded = mantissa >> shift;
    if (rest > half || (rest == half && (rounded & 1) != 0)) {
        ++rounded;
    }
    // The implicit bit adds one to the exponent field, and so does a carry out of the mantissa.
    const uint64_t encoded = target == 0 ? rounded : rounded + (static_cast<uint64_t>(target - 1) << mantissaBits);
    return encoded >= infinity ? sign | infinity : sign | static_cast<uint32_t>(encoded);
}

template <int exponentBits, int mantissaBits>
inline double expandFromFormat(uint32_t bits) {
    constexpr int bias = (1 << (exponentBits - 1)) - 1;
    constexpr uint32_t maximum = (1U << exponentBits) - 1U;
    const bool negative = ((bits >> (exponentBits + mantissaBits)) & 1U) != 0;
    const uint32_t exponent = (bits >> mantissaBits) & maximum;
    const uint32_t mantissa = bits & ((1U << mantissaBits) - 1U);
    double value = 0;
    if (exponent == maximum) {
        value = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    } else if (exponent == 0) {
        value = std::ldexp(static_cast<double>(mantissa), 1 - bias - mantissaBits);
    } else {
        value = std::ldexp(static_cast<double>(mantissa | (1U << mantissaBits)),
                           static_cast<int>(exponent) - bias - mantissaBits);
    }
    return negative ? -value : value;
}

inline float floatOf(BFloat16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
inline float floatOf(Half value) {
    const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000U) << 16;
    const uint32_t magnitude = value.bits & 0x7FFFU;
    if (magnitude >= 0x7C00U) {
        return std::bit_cast<float>(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13));
    }
    if (magnitude < 0x400U) {
        const float scaled = static_cast<float>(magnitude) * 0x1p-24F;
        return sign != 0 ? -scaled : scaled;
    }
    return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
}
inline Half halfOf(double value) { return Half{static_cast<uint16_t>(roundToFormat<5, 10>(value))}; }
inline BFloat16 bfloat16Of(double value) { return BFloat16{static_cast<uint16_t>(roundToFormat<8, 7>(value))}; }

// What float kernels of the reference compute in.
inline double widen(float value) { return static_cast<double>(value); }
inline double widen(double value) { return value; }
inline double widen(Half value) { return static_cast<double>(floatOf(value)); }
inline double widen(BFloat16 value) { return static_cast<double>(floatOf(value)); }
inline void narrow(double value, float& to) { to = static_cast<float>(value); }
inline void narrow(double value, double& to) { to = value; }
inline void narrow(double value, Half& to) { to = halfOf(value); }
inline void narrow(double value, BFloat16& to) { to = bfloat16Of(value); }

// 8-bit floats of ONNX: e4m3 without infinities (0x7F is NaN, largest 448), e5m2 IEEE style, e8m0 powers of two.
double floatOfF8E4M3(uint8_t bits);
double floatOfF8E5M2(uint8_t bits);
double floatOfF8E8M0(uint8_t bits);
// `saturate`: what is too large becomes the largest finite value; otherwise NaN (e4m3) or infinity (e5m2).
uint8_t f8E4M3Of(double value, bool saturate);
uint8_t f8E5M2Of(double value, bool saturate);
uint8_t f8E8M0Of(double value);

template <class T>
struct TypeTag {
    using Type = T;
};

// Calls f(TypeTag<T>) for a float type; `type` must be one of kFloats.
template <class F>
decltype(auto) dispatchFloat(TnDataType type, F&& f) {
    switch (type) {
    case TN_F64:
        return f(TypeTag<double>{});
    case TN_F16:
        return f(TypeTag<Half>{});
    case TN_BF16:
        return f(TypeTag<BFloat16>{});
    default:
        return f(TypeTag<float>{});
    }
}

// Calls f(TypeTag<T>) for an integer type or bool (as uint8_t); `type` must be one of kInts | kBool.
template <class F>
decltype(auto) dispatchInt(TnDataType type, F&& f) {
    switch (type) {
    case TN_I8:
        return f(TypeTag<int8_t>{});
    case TN_I16:
        return f(TypeTag<int16_t>{});
    case TN_U16:
        return f(TypeTag<uint16_t>{});
    case TN_I32:
        return f(TypeTag<int32_t>{});
    case TN_U32:
        return f(TypeTag<uint32_t>{});
    case TN_I64:
        return f(TypeTag<int64_t>{});
    case TN_U64:
        return f(TypeTag<uint64_t>{});
    default:
        return f(TypeTag<uint8_t>{});
    }
}

template <class F>
decltype(auto) dispatchNumeric(TnDataType type, F&& f) {
    if (contains(kFloats, type)) {
        return dispatchFloat(type, f);
    }
    return dispatchInt(type, f);
}

} // namespace tenon::kernels
