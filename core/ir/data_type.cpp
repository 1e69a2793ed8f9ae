#include "core/ir/data_type.h"

#include <array>

namespace tenon::ir {

namespace {

enum class Family : uint8_t { kFloat, kInteger, kOther };

struct DataTypeInfo {
    std::string_view name;
    int32_t bits;
    Family family;
};

// By enumerator value.
constexpr std::array<DataTypeInfo, kDataTypeCount> kInfo{{
    {"f32", 32, Family::kFloat},   {"f16", 16, Family::kFloat},   {"bf16", 16, Family::kFloat},
    {"f64", 64, Family::kFloat},   {"i8", 8, Family::kInteger},   {"u8", 8, Family::kInteger},
    {"i16", 16, Family::kInteger}, {"u16", 16, Family::kInteger}, {"i32", 32, Family::kInteger},
    {"u32", 32, Family::kInteger}, {"i64", 64, Family::kInteger}, {"u64", 64, Family::kInteger},
    {"bool", 8, Family::kOther},   {"f8e4m3", 8, Family::kFloat}, {"f8e5m2", 8, Family::kFloat},
    {"f8e8m0", 8, Family::kFloat}, {"f4e2m1", 4, Family::kFloat}, {"i4", 4, Family::kInteger},
    {"u4", 4, Family::kInteger},   {"string", 0, Family::kOther},
}};

constexpr DataTypeInfo kUnknown{"unknown", 0, Family::kOther};

// Numbers may come from a plan or a module, so an unknown one must not read past the table.
const DataTypeInfo& infoOf(DataType type) {
    const auto index = static_cast<uint32_t>(type);
    return index < kInfo.size() ? kInfo[index] : kUnknown;
}

} // namespace

int32_t bitsOf(DataType type) { return infoOf(type).bits; }

bool isFloat(DataType type) { return infoOf(type).family == Family::kFloat; }

bool isInteger(DataType type) { return infoOf(type).family == Family::kInteger; }

std::string_view nameOf(DataType type) { return infoOf(type).name; }

std::optional<DataType> dataTypeOf(std::string_view name) {
    for (size_t i = 0; i < kInfo.size(); ++i) {
        if (kInfo[i].name == name) {
            return static_cast<DataType>(i);
        }
    }
    return std::nullopt;
}

} // namespace tenon::ir
