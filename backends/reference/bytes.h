// Movement of elements whose type does not matter, only their size; and a copy between strided pictures of tensors.
// Used by the reference's movement ops. Knows no op.
#pragma once

#include "backends/common/movement.h"

#include <cstdint>

namespace tenon::reference {

using namespace tenon::kernels;

// Calls f(TypeTag<unsigned type of the element's size>). Precondition: a type of whole bytes.
template <class F>
decltype(auto) dispatchBytes(TnDataType type, F&& f) {
    switch (bytesOf(type)) {
    case 2:
        return f(TypeTag<uint16_t>{});
    case 4:
        return f(TypeTag<uint32_t>{});
    case 8:
        return f(TypeTag<uint64_t>{});
    default:
        return f(TypeTag<uint8_t>{});
    }
}

// All copies of a movement op as one kernel.
Plan planCopies(const Call& call, const Copies& copies);
// One element's bytes, in the low bytes of a word: a number converted to `type` (floats rounded, integers cut).
uint64_t elementOf(TnDataType type, double value);
// to[c] = from[sources[0][c0], sources[1][c1], ...], input 0 to output 0; where a source is -1, `fill` (see elementOf), or the element of
// input `fillInput` if that is not -1.
Plan planIndexed(const Call& call, const std::vector<Dims>& sources, uint64_t fill, int32_t fillInput);
// As many bytes as the output has, unchanged.
Plan planSameBytes(const Call& call);

} // namespace tenon::reference
