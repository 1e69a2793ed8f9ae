// Indices that are data: reading, wrapping negative ones, and the error for one outside.
//
// Who uses it: the gather and scatter families and one_hot. What it must not know: what is done at an index.
#pragma once

#include "backends/common/call.h"

namespace tenon::kernels {

inline constexpr TypeMask kIndexTypes = maskOf(TN_I32) | maskOf(TN_I64);

inline int64_t indexAt(TnDataType type, const void* indices, int64_t i) {
    return type == TN_I32 ? static_cast<const int32_t*>(indices)[i] : static_cast<const int64_t*>(indices)[i];
}

// Counts negative indices from the end; -1 for one that is outside.
inline int64_t wrapIndex(int64_t index, int64_t extent) {
    const int64_t wrapped = index < 0 ? index + extent : index;
    return wrapped >= 0 && wrapped < extent ? wrapped : -1;
}

inline Code outside(const Buffers& b, const char* op, int64_t index, int64_t extent) {
    return b.reason->invalidArgument(op, ": index ", index, " is outside an axis of ", extent, " elements");
}

// Sum over dimensions of coordinate times stride, for the i-th coordinate of `dims` in row-major order.
inline int64_t offsetAt(int64_t i, const Dims& dims, const Dims& strides) {
    int64_t offset = 0;
    for (size_t d = dims.size(); d-- > 0;) {
        offset += i % dims[d] * strides[d];
        i /= dims[d];
    }
    return offset;
}

} // namespace tenon::kernels
