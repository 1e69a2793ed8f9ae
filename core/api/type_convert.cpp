#include "core/api/type_convert.h"

#include "core/support/text.h"

namespace tenon::api {

using PublicType = nvinfer1::DataType;
using IrType = ir::DataType;

namespace {

struct TypePair {
    PublicType publicType;
    IrType irType;
    const char* name;
};

constexpr TypePair kTypes[] = {
    {PublicType::kFLOAT, IrType::kF32, "kFLOAT"},
    {PublicType::kHALF, IrType::kF16, "kHALF"},
    {PublicType::kINT8, IrType::kI8, "kINT8"},
    {PublicType::kINT32, IrType::kI32, "kINT32"},
    {PublicType::kBOOL, IrType::kBool, "kBOOL"},
    {PublicType::kUINT8, IrType::kU8, "kUINT8"},
    {PublicType::kFP8, IrType::kF8E4M3, "kFP8"},
    {PublicType::kBF16, IrType::kBF16, "kBF16"},
    {PublicType::kINT64, IrType::kI64, "kINT64"},
    {PublicType::kINT4, IrType::kI4, "kINT4"},
    {PublicType::kFP4, IrType::kF4E2M1, "kFP4"},
    {PublicType::kE8M0, IrType::kF8E8M0, "kE8M0"},
    {tenon::element_type::kDOUBLE, IrType::kF64, "kDOUBLE"},
    {tenon::element_type::kINT16, IrType::kI16, "kINT16"},
    {tenon::element_type::kUINT16, IrType::kU16, "kUINT16"},
    {tenon::element_type::kUINT32, IrType::kU32, "kUINT32"},
    {tenon::element_type::kUINT64, IrType::kU64, "kUINT64"},
    {tenon::element_type::kFP8_E5M2, IrType::kF8E5M2, "kFP8_E5M2"},
    {tenon::element_type::kUINT4, IrType::kU4, "kUINT4"},
    {tenon::element_type::kSTRING, IrType::kString, "kSTRING"},
};

} // namespace

std::optional<IrType> toIr(PublicType type) noexcept {
    for (const TypePair& pair : kTypes) {
        if (pair.publicType == type) {
            return pair.irType;
        }
    }
    return std::nullopt;
}

PublicType toPublic(IrType type) noexcept {
    for (const TypePair& pair : kTypes) {
        if (pair.irType == type) {
            return pair.publicType;
        }
    }
    return PublicType::kFLOAT;
}

std::string nameOf(PublicType type) {
    for (const TypePair& pair : kTypes) {
        if (pair.publicType == type) {
            return pair.name;
        }
    }
    return support::cat("DataType(", static_cast<int32_t>(type), ")");
}

nvinfer1::Dims invalidDims() noexcept { return nvinfer1::Dims{-1, {}}; }

nvinfer1::Dims unknownRank() noexcept {
    nvinfer1::Dims dims{-1, {}};
    for (int64_t& d : dims.d) {
        d = -1;
    }
    return dims;
}

nvinfer1::Dims toDims(const ir::TensorType& type, const ir::ExprPool& pool) noexcept {
    if (!type.ranked || type.dims.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
        return unknownRank();
    }
    nvinfer1::Dims dims{static_cast<int32_t>(type.dims.size()), {}};
    for (size_t i = 0; i < type.dims.size(); ++i) {
        const ir::DimExpr extent = type.dims[i];
        dims.d[i] = extent.valid() && pool.isConstant(extent) ? pool.constantValue(extent) : -1;
    }
    return dims;
}

nvinfer1::Dims toDims(const std::vector<int64_t>& extents) noexcept {
    if (extents.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
        return unknownRank();
    }
    nvinfer1::Dims dims{static_cast<int32_t>(extents.size()), {}};
    for (size_t i = 0; i < extents.size(); ++i) {
        dims.d[i] = extents[i];
    }
    return dims;
}

std::vector<int64_t> toVector(const nvinfer1::Dims& dims) { return {dims.d, dims.d + dims.nbDims}; }

bool isValid(const nvinfer1::Dims& dims) noexcept {
    return dims.nbDims >= 0 && dims.nbDims <= nvinfer1::Dims::MAX_DIMS;
}

std::string textOf(const nvinfer1::Dims& dims) {
    if (!isValid(dims)) {
        return support::cat("(", dims.nbDims, " dimensions)");
    }
    std::string text = "[";
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        text += support::cat(i == 0 ? "" : ", ", dims.d[i]);
    }
    return text + "]";
}

int64_t volume(const std::vector<int64_t>& extents) noexcept {
    int64_t product = 1;
    for (const int64_t extent : extents) {
        if (extent < 0 || __builtin_mul_overflow(product, extent, &product)) {
            return -1;
        }
    }
    return product;
}

int64_t volume(const nvinfer1::Dims& dims) noexcept {
    int64_t product = isValid(dims) ? 1 : -1;
    for (int32_t i = 0; i < dims.nbDims && product >= 0; ++i) {
        if (dims.d[i] < 0 || __builtin_mul_overflow(product, dims.d[i], &product)) {
            return -1;
        }
    }
    return product;
}

int64_t bytesOf(IrType type, int64_t count) noexcept {
    int64_t bits = 0;
    if (count < 0 || __builtin_mul_overflow(count, static_cast<int64_t>(ir::bitsOf(type)), &bits)) {
        return -1;
    }
    return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

} // namespace tenon::api
