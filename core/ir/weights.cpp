#include "core/ir/weights.h"

#include "core/ir/half.h"
#include "core/support/checked.h"

#include <cassert>
#include <cstring>

namespace tenon::ir {

namespace {

template <class T>
T load(const std::byte* data, int64_t i) {
    T value; // constants adopted from files need not be aligned
    std::memcpy(&value, data + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
}

// Types below 8 bits are packed, low bits first.
uint8_t loadNibble(const std::byte* data, int64_t i) {
    const auto byte = static_cast<uint8_t>(data[i / 2]);
    return static_cast<uint8_t>((i % 2 == 0 ? byte : byte >> 4) & 0xf);
}

int64_t bytesFor(DataType dtype, const std::vector<int64_t>& dims) {
    const auto elements = support::checkedProduct(dims);
    const auto bits = elements ? support::checkedMul(*elements, bitsOf(dtype)) : std::nullopt;
    return bits ? (*bits / 8) + (*bits % 8 != 0 ? 1 : 0) : -1;
}

} // namespace

int64_t Constant::elements() const {
    const auto count = support::checkedProduct(dims);
    return count ? *count : 0;
}

int64_t Constant::integerAt(int64_t i) const {
    assert(i >= 0 && i < elements());
    switch (dtype) {
    case DataType::kI8:
        return load<int8_t>(data, i);
    case DataType::kU8:
        return load<uint8_t>(data, i);
    case DataType::kI16:
        return load<int16_t>(data, i);
    case DataType::kU16:
        return load<uint16_t>(data, i);
    case DataType::kI32:
        return load<int32_t>(data, i);
    case DataType::kU32:
        return load<uint32_t>(data, i);
    case DataType::kI64:
        return load<int64_t>(data, i);
    case DataType::kU64:
        return static_cast<int64_t>(load<uint64_t>(data, i));
    case DataType::kBool:
        return load<uint8_t>(data, i) != 0 ? 1 : 0;
    case DataType::kI4: {
        const uint8_t nibble = loadNibble(data, i);
        return nibble >= 8 ? static_cast<int64_t>(nibble) - 16 : nibble;
    }
    case DataType::kU4:
        return loadNibble(data, i);
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kF64:
    case DataType::kF8E4M3:
    case DataType::kF8E5M2:
    case DataType::kF8E8M0:
    case DataType::kF4E2M1:
    case DataType::kString:
        break;
    }
    assert(false && "integerAt of a constant that is not of an integer type");
    return 0;
}

double Constant::numberAt(int64_t i) const {
    assert(i >= 0 && i < elements());
    switch (dtype) {
    case DataType::kF32:
        return load<float>(data, i);
    case DataType::kF16:
        return halfToFloat(load<uint16_t>(data, i));
    case DataType::kBF16:
        return bfloat16ToFloat(load<uint16_t>(data, i));
    case DataType::kF64:
        return load<double>(data, i);
    case DataType::kF8E4M3:
        return f8e4m3ToFloat(load<uint8_t>(data, i));
    case DataType::kF8E5M2:
        return f8e5m2ToFloat(load<uint8_t>(data, i));
    case DataType::kF8E8M0:
        return f8e8m0ToFloat(load<uint8_t>(data, i));
    case DataType::kF4E2M1:
        return f4e2m1ToFloat(loadNibble(data, i));
    case DataType::kU64:
        return static_cast<double>(load<uint64_t>(data, i));
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kI16:
    case DataType::kU16:
    case DataType::kI32:
    case DataType::kU32:
    case DataType::kI64:
    case DataType::kBool:
    case DataType::kI4:
    case DataType::kU4:
        return static_cast<double>(integerAt(i));
    case DataType::kString:
        break;
    }
    return 0;
}

ConstantPtr adoptConstant(DataType dtype, std::vector<int64_t> dims, std::shared_ptr<const void> owner,
                          const void* data) {
    auto constant = std::make_shared<Constant>();
    constant->dtype = dtype;
    constant->bytes = bytesFor(dtype, dims);
    assert(constant->bytes >= 0);
    constant->dims = std::move(dims);
    constant->owner = std::move(owner);
    constant->data = static_cast<const std::byte*>(data);
    return constant;
}

ConstantPtr makeConstant(DataType dtype, std::vector<int64_t> dims, const void* bytes) {
    const int64_t size = bytesFor(dtype, dims);
    assert(size >= 0);
    // Never an empty buffer, so that `data` is never null.
    auto buffer = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(size > 0 ? size : 1));
    if (size > 0) {
        std::memcpy(buffer->data(), bytes, static_cast<size_t>(size));
    }
    const void* const data = buffer->data();
    return adoptConstant(dtype, std::move(dims), std::move(buffer), data);
}

ConstantPtr makeConstantI64(std::vector<int64_t> dims, const std::vector<int64_t>& values) {
    assert(support::checkedProduct(dims) == static_cast<int64_t>(values.size()));
    return makeConstant(DataType::kI64, std::move(dims), values.data());
}

ConstantPtr makeConstantF32(std::vector<int64_t> dims, const std::vector<float>& values) {
    assert(support::checkedProduct(dims) == static_cast<int64_t>(values.size()));
    return makeConstant(DataType::kF32, std::move(dims), values.data());
}

} // namespace tenon::ir
