// Element types of tensors. The enumerators equal those of the module ABI, so that no table translates between them.
// Used by everything that holds a tensor type. Knows only the ABI's numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon::ir {

enum class DataType : int32_t {
    kF32 = 0,
    kF16 = 1,
    kBF16 = 2,
    kF64 = 3,
    kI8 = 4,
    kU8 = 5,
    kI16 = 6,
    kU16 = 7,
    kI32 = 8,
    kU32 = 9,
    kI64 = 10,
    kU64 = 11,
    kBool = 12,
    kF8E4M3 = 13,
    kF8E5M2 = 14,
    kF8E8M0 = 15,
    kF4E2M1 = 16,
    kI4 = 17,
    kU4 = 18,
    kString = 19,
};
inline constexpr int32_t kDataTypeCount = 20;

int32_t bitsOf(DataType type); // 0 for strings
bool isFloat(DataType type);
bool isInteger(DataType type);          // bool is not an integer
std::string_view nameOf(DataType type); // "f32"
std::optional<DataType> dataTypeOf(std::string_view name);

} // namespace tenon::ir
