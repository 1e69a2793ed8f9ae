// Integer arithmetic that notices overflow. Sizes and offsets that come from a model, a plan or a user go through these.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace tenon::support {

/// a + b, or nothing when it does not fit.
constexpr std::optional<int64_t> checkedAdd(int64_t a, int64_t b) noexcept {
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional<int64_t>(sum);
}

/// a - b, or nothing when it does not fit.
constexpr std::optional<int64_t> checkedSub(int64_t a, int64_t b) noexcept {
    int64_t difference = 0;
    return __builtin_sub_overflow(a, b, &difference) ? std::nullopt : std::optional<int64_t>(difference);
}

/// a * b, or nothing when it does not fit.
constexpr std::optional<int64_t> checkedMul(int64_t a, int64_t b) noexcept {
    int64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional<int64_t>(product);
}

/// The product of all (1 for none), or nothing when it does not fit. A zero anywhere gives zero, whatever the rest.
constexpr std::optional<int64_t> checkedProduct(std::span<const int64_t> factors) noexcept {
    for (const int64_t factor : factors) {
        if (factor == 0) {
            return 0;
        }
    }
    std::optional<int64_t> product = 1;
    for (const int64_t factor : factors) {
        product = checkedMul(*product, factor);
        if (!product) {
            return std::nullopt;
        }
    }
    return product;
}

/// The smallest multiple of `alignment` that is at least `value`, or nothing when it does not fit. `value` >= 0,
/// `alignment` >= 1; no power of two needed.
constexpr std::optional<int64_t> checkedAlignUp(int64_t value, int64_t alignment) noexcept {
    const int64_t rest = value % alignment;
    return rest == 0 ? std::optional<int64_t>(value) : checkedAdd(value, alignment - rest);
}

} // namespace tenon::support
