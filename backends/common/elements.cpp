#include "backends/common/elements.h"

#include <algorithm>

namespace tenon::kernels {

std::string namesOf(TypeMask mask) {
    std::string text;
    for (TnDataType type = 0; type < TN_DATA_TYPE_COUNT; ++type) {
        if (contains(mask, type)) {
            text += text.empty() ? "" : ", ";
            text += nameOf(type);
        }
    }
    return text;
}

double floatOfF8E4M3(uint8_t bits) {
    if ((bits & 0x7FU) == 0x7FU) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    const int exponent = (bits >> 3) & 0xF;
    const int mantissa = bits & 7;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(mantissa + 8, exponent - 10);
    return (bits & 0x80U) != 0 ? -magnitude : magnitude;
}

double floatOfF8E5M2(uint8_t bits) { return expandFromFormat<5, 2>(bits); }

double floatOfF8E8M0(uint8_t bits) {
    return bits == 0xFF ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, static_cast<int>(bits) - 127);
}

uint8_t f8E4M3Of(double value, bool saturate) {
    const uint8_t sign = std::signbit(value) ? 0x80 : 0;
    if (std::isnan(value)) {
        return sign | 0x7F;
    }
    // Rounded as if the exponent had no end; what then exceeds 448 is out of range.
    const double magnitude = std::fabs(value);
    if (std::isinf(magnitude)) {
        return sign | (saturate ? 0x7E : 0x7F);
    }
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    const int unit = std::max(exponent - 4, -9); // exponent of one unit in the last place
    const double rounded = std::ldexp(std::nearbyint(std::ldexp(magnitude, -unit)), unit);
    if (rounded > 448) {
        return sign | (saturate ? 0x7E : 0x7F);
    }
    if (rounded < 0x1p-6) {
        return sign | static_cast<uint8_t>(std::ldexp(rounded, 9));
    }
    const double fraction = std::frexp(rounded, &exponent); // in [0.5, 1)
    return static_cast<uint8_t>(sign | ((exponent - 1 + 7) << 3) | (static_cast<int>(fraction * 16) - 8));
}

uint8_t f8E5M2Of(double value, bool saturate) {
    uint32_t bits = roundToFormat<5, 2>(value);
    if (saturate && (bits & 0x7FU) == 0x7CU) {
        bits = (bits & 0x80U) | 0x7BU;
    }
    return static_cast<uint8_t>(bits);
}

uint8_t f8E8M0Of(double value) {
    if (std::isnan(value) || value < 0) {
        return 0xFF;
    }
    if (value == 0) {
        return 0;
    }
    if (std::isinf(value)) {
        return 0xFE;
    }
    // Powers of two have no mantissa: half way goes up.
    int exponent = 0;
    const double fraction = std::frexp(value, &exponent);
    const int encoded = exponent - 1 + 127 + (fraction >= 0.75 ? 1 : 0);
    return static_cast<uint8_t>(std::clamp(encoded, 0, 0xFE));
}

} // namespace tenon::kernels
