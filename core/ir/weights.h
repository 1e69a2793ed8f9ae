// Constant tensors: bytes with a type, shared and immutable.
// Used by const nodes, folding and plans. Equal bytes may be shared; identity (which layer's which role, which weight name) is kept beside
// them and never shared, so that a later refit finds what to replace.
#pragma once

#include "core/ir/data_type.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tenon::ir {

struct Constant {
    DataType dtype = DataType::kF32;
    std::vector<int64_t> dims;
    std::shared_ptr<const void> owner; // keeps `data` alive: a buffer, a mapped file, a caller's promise
    const std::byte* data = nullptr;   // linear; elements() elements
    int64_t bytes = 0;
    std::string weightsName; // identity of a source constant; empty: derived or anonymous

    int64_t elements() const;
    // Reads element i of an integer or bool constant. Precondition: 0 <= i < elements().
    int64_t integerAt(int64_t i) const;
    // Any numeric type, widened (f16, bf16 and the 8-bit floats included).
    double numberAt(int64_t i) const;
};
using ConstantPtr = std::shared_ptr<const Constant>;

// Copies. `bytes` must hold the elements of dims.
ConstantPtr makeConstant(DataType dtype, std::vector<int64_t> dims, const void* bytes);
ConstantPtr makeConstantI64(std::vector<int64_t> dims, const std::vector<int64_t>& values);
ConstantPtr makeConstantF32(std::vector<int64_t> dims, const std::vector<float>& values);
// Takes over: `data` stays valid while `owner` lives.
ConstantPtr adoptConstant(DataType dtype, std::vector<int64_t> dims, std::shared_ptr<const void> owner,
                          const void* data);

} // namespace tenon::ir
