// How bytes stand for real numbers, read from a quantize or dequantize node.
//
// Who uses it: kernels of the cpu backend over bytes. What it must not know: what they compute.
#pragma once

#include "backends/cpu/simd/bytes.h"
#include "tenon/module/graph_view.hpp"

#include <optional>

namespace tenon::cpu {

inline bool isByte(TnDataType type) { return type == TN_I8 || type == TN_U8; }

// Of a node between f32 and `bytes`, with one shown constant as scale and one or none as zero point.
inline std::optional<ByteScale> byteScaleOf(const module::NodeView& node, TnDataType bytes) {
    const auto scale = node.input(1).data<float>();
    if (!isByte(bytes) || node.input(1).dtype() != TN_F32 || scale.size() != 1 || !(scale[0] > 1e-30F)) {
        return std::nullopt;
    }
    ByteScale result{scale[0], 0, bytes == TN_I8};
    if (node.inputCount() > 2 && node.hasInput(2)) {
        const auto zero = node.input(2).bytes();
        if (zero.size() != 1) {
            return std::nullopt;
        }
        const auto byte = static_cast<uint8_t>(zero[0]);
        result.zero = result.isSigned ? static_cast<int8_t>(byte) : byte;
    }
    return result;
}

} // namespace tenon::cpu
