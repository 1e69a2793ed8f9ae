// What a scattered element becomes where it meets another: the reductions of the scatter ops.
//
// Who uses it: scatter kernels. What it must not know: indices, shapes.
#pragma once

#include "backends/common/elements.h"
#include "backends/common/failure.h"

#include <string_view>
#include <type_traits>

namespace tenon::kernels {

enum class Combine { kReplace, kAdd, kMultiply, kMax, kMin };

// Of the attribute `reduction`; throws a refusal for others.
inline Combine combineOf(std::string_view name) {
    if (name == "none") {
        return Combine::kReplace;
    }
    if (name == "add") {
        return Combine::kAdd;
    }
    if (name == "mul") {
        return Combine::kMultiply;
    }
    if (name == "max") {
        return Combine::kMax;
    }
    if (name == "min") {
        return Combine::kMin;
    }
    refuse("scatter with the reduction '", name, "'; supported are none, add, mul, max, min");
}

// Integers wrap around. A maximum or minimum with what is no number is none.
template <class T>
void combine(Combine how, T update, T& at) {
    if (how == Combine::kReplace) {
        at = update;
        return;
    }
    const auto apply = [how](auto a, auto b) -> decltype(a) {
        switch (how) {
        case Combine::kAdd:
            return a + b;
        case Combine::kMultiply:
            return a * b;
        case Combine::kMax:
            return a > b || a != a ? a : b;
        case Combine::kMin:
            return a < b || a != a ? a : b;
        case Combine::kReplace:
            break;
        }
        return b;
    };
    if constexpr (!std::is_integral_v<T>) {
        narrow(apply(widen(at), widen(update)), at);
    } else if (how == Combine::kAdd || how == Combine::kMultiply) {
        at = static_cast<T>(apply(static_cast<uint64_t>(at), static_cast<uint64_t>(update)));
    } else {
        at = apply(at, update);
    }
}

} // namespace tenon::kernels
