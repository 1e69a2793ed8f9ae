#include "core/ir/half.h"

#include <bit>
#include <cmath>
#include <limits>

namespace tenon::ir {

namespace {

// A sign, `kExponentBits` and `kMantissaBits`, with the usual bias and subnormals.
template <int kExponentBits, int kMantissaBits>
struct SmallFloat {
    static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
    static constexpr uint32_t kMantissaMask = (1u << kMantissaBits) - 1;
    static constexpr uint32_t kExponentMask = (1u << kExponentBits) - 1;

    static float widen(uint32_t bits) {
        const bool negative = ((bits >> (kExponentBits + kMantissaBits)) & 1u) != 0;
        const auto exponent = static_cast<int>((bits >> kMantissaBits) & kExponentMask);
        const uint32_t mantissa = bits & kMantissaMask;
        const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), 1 - kBias - kMantissaBits)
                                              : std::ldexp(static_cast<float>(mantissa | (kMantissaMask + 1)),
                                                           exponent - kBias - kMantissaBits);
        return negative ? -magnitude : magnitude;
    }

    // Bits without the sign of a finite, non-negative value; the exponent field may run over its largest value, which the caller checks.
    static uint32_t narrow(float magnitude) {
        if (magnitude == 0.0F) {
            return 0;
        }
        int exponent = 0;
        std::frexp(magnitude, &exponent); // magnitude = m * 2^exponent, m in [0.5, 1)
        int biased = exponent - 1 + kBias;
        if (biased < 1) {
            biased = 1; // subnormal: the unit is that of the smallest normal exponent
        }
        // In units of the last place; exact, because scaling by a power of two is.
        const double scaled = std::ldexp(static_cast<double>(magnitude), kMantissaBits + kBias - biased);
        const auto rounded = static_cast<uint32_t>(std::nearbyint(scaled));
        // `rounded` has the hidden bit when normal; a carry out of the mantissa lands in the exponent as it should.
        return (static_cast<uint32_t>(biased - 1) << kMantissaBits) + rounded;
    }
};

using F16 = SmallFloat<5, 10>;
using E4M3 = SmallFloat<4, 3>;
using E5M2 = SmallFloat<5, 2>;
using E2M1 = SmallFloat<2, 1>;

} // namespace

float halfToFloat(uint16_t bits) {
    if ((bits & 0x7c00u) == 0x7c00u) {
        // Infinity or NaN: keep the payload.
        return std::bit_cast<float>(((bits & 0x8000u) << 16) | 0x7f800000u | ((bits & 0x3ffu) << 13));
    }
    return F16::widen(bits);
}

uint16_t floatToHalf(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    if (std::isnan(value)) {
        return static_cast<uint16_t>(sign | 0x7e00u | ((bits >> 13) & 0x3ffu));
    }
    if (std::isinf(value)) {
        return static_cast<uint16_t>(sign | 0x7c00u);
    }
    const float magnitude = std::fabs(value);
    if (magnitude >= 65536.0F) {
        return static_cast<uint16_t>(sign | 0x7c00u);
    }
    return static_cast<uint16_t>(sign | F16::narrow(magnitude)); // may carry into infinity
}

float bfloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t floatToBfloat16(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) {
        return static_cast<uint16_t>((bits >> 16) | 0x40u);
    }
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float f8e4m3ToFloat(uint8_t bits) {
    if ((bits & 0x7fu) == 0x7fu) {
        return std::copysign(std::numeric_limits<float>::quiet_NaN(), (bits & 0x80u) != 0 ? -1.0F : 1.0F);
    }
    return E4M3::widen(bits);
}

uint8_t floatToF8e4m3(float value, bool saturate) {
    const uint8_t sign = std::signbit(value) ? 0x80 : 0;
    if (std::isnan(value)) {
        return sign | 0x7f;
    }
    const float magnitude = std::fabs(value);
    const uint32_t bits = magnitude < 1024.0F ? E4M3::narrow(magnitude) : 0x7fu;
    if (bits >= 0x7fu) {
        return static_cast<uint8_t>(sign | (saturate ? 0x7e : 0x7f)); // 448 or NaN
    }
    return static_cast<uint8_t>(sign | bits);
}

float f8e5m2ToFloat(uint8_t bits) { return halfToFloat(static_cast<uint16_t>(bits << 8)); }

uint8_t floatToF8e5m2(float value, bool saturate) {
    const uint8_t sign = std::signbit(value) ? 0x80 : 0;
    if (std::isnan(value)) {
        return sign | 0x7f;
    }
    const float magnitude = std::fabs(value);
    const uint32_t bits = magnitude < 131072.0F ? E5M2::narrow(magnitude) : 0x7cu;
    if (bits >= 0x7cu) {
        return static_cast<uint8_t>(sign | (saturate ? 0x7b : 0x7c)); // 57344 or infinity
    }
    return static_cast<uint8_t>(sign | bits);
}

float f8e8m0ToFloat(uint8_t bits) {
    return bits == 0xff ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, static_cast<int>(bits) - 127);
}

uint8_t floatToF8e8m0(float value) {
    if (std::isnan(value) || value < 0.0F) {
        return 0xff;
    }
    if (std::isinf(value)) {
        return 0xfe;
    }
    if (value == 0.0F) {
        return 0;
    }
    int exponent = 0;
    const float mantissa = std::frexp(value, &exponent); // in [0.5, 1)
    // The nearer power of two; 1.5 * 2^k is the tie and goes up.
    const int power = mantissa >= 0.75F ? exponent : exponent - 1;
    const int biased = power + 127;
    return static_cast<uint8_t>(biased < 0 ? 0 : biased > 254 ? 254 : biased);
}

float f4e2m1ToFloat(uint8_t bits) { return E2M1::widen(bits & 0xfu); }

uint8_t floatToF4e2m1(float value) {
    const uint8_t sign = std::signbit(value) ? 0x8 : 0;
    if (std::isnan(value)) {
        return 0x7; // no NaN in the format: the largest number, as saturating casts do
    }
    const float magnitude = std::fabs(value);
    const uint32_t bits = magnitude < 8.0F ? E2M1::narrow(magnitude) : 0x7u;
    return static_cast<uint8_t>(sign | (bits > 0x7u ? 0x7u : bits));
}

} // namespace tenon::ir
