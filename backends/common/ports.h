// Which port of a task a value of its body is.
// Used by every backend that reads bodies.
#pragma once

#include <cstdint>
#include <span>

namespace tenon::kernels {

// Place of `value` among a body's inputs or outputs; -1: it is none of them, or left out.
inline int32_t portOf(std::span<const int32_t> ports, int32_t value) noexcept {
    for (size_t i = 0; i < ports.size(); ++i) {
        if (ports[i] == value) {
            return static_cast<int32_t>(i);
        }
    }
    return -1;
}

} // namespace tenon::kernels
