// Element types and layouts for module code: making formats, comparing them, sizes and offsets.
// Used by providers (ports of tactics) and kernels (addressing). Works on abi.h's TnFormat; knows no library.
#pragma once

#include "tenon/module/result.hpp"

#include <initializer_list>
#include <span>

namespace tenon::module {

/// Bits of one element; 0 for strings and unknown types.
constexpr int32_t bitsOf(TnDataType type) noexcept {
    switch (type) {
    case TN_F32:
    case TN_I32:
    case TN_U32:
        return 32;
    case TN_F16:
    case TN_BF16:
    case TN_I16:
    case TN_U16:
        return 16;
    case TN_F64:
    case TN_I64:
    case TN_U64:
        return 64;
    case TN_I8:
    case TN_U8:
    case TN_BOOL:
    case TN_F8E4M3:
    case TN_F8E5M2:
    case TN_F8E8M0:
        return 8;
    case TN_F4E2M1:
    case TN_I4:
    case TN_U4:
        return 4;
    default: // an int32_t from the other side: any number may come
        return 0;
    }
}

constexpr bool isFloat(TnDataType type) noexcept {
    return type == TN_F32 || type == TN_F16 || type == TN_BF16 || type == TN_F64 ||
           (type >= TN_F8E4M3 && type <= TN_F4E2M1);
}
/// Signed and unsigned integers; bool is not one.
constexpr bool isInteger(TnDataType type) noexcept {
    return (type >= TN_I8 && type <= TN_U64) || type == TN_I4 || type == TN_U4;
}

/// "f32", "bf16", "i64", "bool", ...; "?" for an unknown number.
constexpr std::string_view nameOf(TnDataType type) noexcept {
    constexpr std::array<std::string_view, TN_DATA_TYPE_COUNT> kNames = {
        "f32", "f16", "bf16", "f64",    "i8",     "u8",     "i16",    "u16", "i32", "u32",
        "i64", "u64", "bool", "f8e4m3", "f8e5m2", "f8e8m0", "f4e2m1", "i4",  "u4",  "string"};
    return type >= 0 && type < TN_DATA_TYPE_COUNT ? kNames[static_cast<size_t>(type)] : std::string_view("?");
}

/// Row-major. A rank outside 0..TN_MAX_DIMS (unknown ranks too) is taken as 0.
inline TnFormat linearFormat(int32_t rank) noexcept {
    TnFormat format{};
    format.rank = rank < 0 || rank > TN_MAX_DIMS ? 0 : rank;
    for (int32_t i = 0; i < format.rank; ++i) {
        format.order[i] = i;
    }
    return format;
}

/// Logical dimensions from outermost to innermost: {0, 2, 3, 1} is NHWC. Precondition: a permutation of 0..size-1.
inline TnFormat permutedFormat(std::span<const int32_t> order) noexcept {
    TnFormat format = linearFormat(static_cast<int32_t>(order.size()));
    for (int32_t i = 0; i < format.rank; ++i) {
        format.order[i] = order[static_cast<size_t>(i)];
    }
    return format;
}
inline TnFormat permutedFormat(std::initializer_list<int32_t> order) noexcept {
    return permutedFormat(std::span<const int32_t>(order.begin(), order.size()));
}

/// N, spatial..., C. Linear below rank 3.
inline TnFormat channelsLastFormat(int32_t rank) noexcept {
    TnFormat format = linearFormat(rank);
    if (format.rank >= 3) {
        for (int32_t i = 1; i + 1 < format.rank; ++i) {
            format.order[i] = i + 1;
        }
        format.order[format.rank - 1] = 1;
    }
    return format;
}

/// Row-major with inner blocks, outermost first: `blockedFormat(4, {{1, 16}})` is nChw16c. At most TN_MAX_BLOCKS.
inline TnFormat blockedFormat(int32_t rank, std::initializer_list<TnBlock> blocks, bool tailZero = false) noexcept {
    TnFormat format = linearFormat(rank);
    for (const TnBlock& block : blocks) {
        if (format.block_count < TN_MAX_BLOCKS) {
            format.blocks[format.block_count++] = block;
        }
    }
    format.tail_zero = tailZero ? 1 : 0;
    return format;
}

/// A layout that only its provider understands; legal on constants and between that provider's kernels.
inline TnFormat opaqueFormat(int32_t rank, std::string_view provider, uint64_t id, uint64_t version,
                             int64_t bytes) noexcept {
    TnFormat format = linearFormat(rank);
    const size_t size =
        provider.size() < sizeof(format.opaque_provider) ? provider.size() : sizeof(format.opaque_provider) - 1;
    for (size_t i = 0; i < size; ++i) {
        format.opaque_provider[i] = provider[i];
    }
    format.opaque_id = id;
    format.opaque_version = version;
    format.opaque_bytes = bytes;
    return format;
}

inline bool isOpaque(const TnFormat& format) noexcept { return format.opaque_provider[0] != '\0'; }

/// All fields; unused entries do not count.
inline bool equal(const TnFormat& a, const TnFormat& b) noexcept {
    if (a.rank != b.rank || a.block_count != b.block_count || a.outer_pitch != b.outer_pitch ||
        a.tail_zero != b.tail_zero || a.alignment != b.alignment || a.opaque_id != b.opaque_id ||
        a.opaque_version != b.opaque_version || a.opaque_bytes != b.opaque_bytes) {
        return false;
    }
    for (int32_t i = 0; i < a.rank && i < TN_MAX_DIMS; ++i) {
        if (a.order[i] != b.order[i]) {
            return false;
        }
    }
    for (int32_t i = 0; i < a.block_count && i < TN_MAX_BLOCKS; ++i) {
        if (a.blocks[i].dim != b.blocks[i].dim || a.blocks[i].size != b.blocks[i].size) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(a.opaque_provider); ++i) {
        if (a.opaque_provider[i] != b.opaque_provider[i]) {
            return false;
        }
        if (a.opaque_provider[i] == '\0') {
            break;
        }
    }
    return true;
}
inline bool equal(const TnPortFormat& a, const TnPortFormat& b) noexcept {
    return a.dtype == b.dtype && a.placement == b.placement && equal(a.format, b.format);
}

/// Row-major without blocks, pitch or opacity.
inline bool isLinear(const TnFormat& format) noexcept {
    if (format.block_count != 0 || format.outer_pitch != 0 || isOpaque(format)) {
        return false;
    }
    for (int32_t i = 0; i < format.rank; ++i) {
        if (format.order[i] != i) {
            return false;
        }
    }
    return true;
}

/// How many elements of `dim` the blocks hold together; 1 without a block on it.
inline int64_t blockOf(const TnFormat& format, int32_t dim) noexcept {
    int64_t size = 1;
    for (int32_t i = 0; i < format.block_count; ++i) {
        if (format.blocks[i].dim == dim) {
            size *= format.blocks[i].size;
        }
    }
    return size;
}

/// Elements that a buffer of these extents holds, padding included; -1 when that does not fit. Structural formats only.
inline int64_t paddedElements(const TnFormat& format, const int64_t* dims) noexcept {
    int64_t elements = 1;
    bool empty = false;
    bool overflow = false;
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        const int64_t block = blockOf(format, dim);
        const int64_t outer = dims[dim] / block + (dims[dim] % block != 0 ? 1 : 0);
        empty = empty || outer == 0;
        if (i == 0 && format.outer_pitch > 0) {
            return empty ? 0 : (__builtin_mul_overflow(outer, format.outer_pitch, &elements) ? -1 : elements);
        }
        overflow = overflow || __builtin_mul_overflow(elements, outer, &elements) ||
                   __builtin_mul_overflow(elements, block, &elements);
    }
    return empty ? 0 : (overflow ? -1 : elements);
}

/// Bytes of a buffer of these extents, padding included; -1 when that does not fit.
inline int64_t bytesOf(const TnFormat& format, TnDataType type, const int64_t* dims) noexcept {
    if (isOpaque(format)) {
        return format.opaque_bytes;
    }
    const int64_t elements = paddedElements(format, dims);
    int64_t bits = 0;
    if (elements < 0 || __builtin_mul_overflow(elements, int64_t{bitsOf(type)}, &bits)) {
        return -1;
    }
    return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

/// Distance in elements between neighbours along each logical dimension, for formats without blocks.
inline void stridesOf(const TnFormat& format, const int64_t* dims, int64_t* strides) noexcept {
    int64_t stride = 1;
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        strides[dim] = i == 0 && format.outer_pitch > 0 ? format.outer_pitch : stride;
        stride *= dims[dim];
    }
}

/// Element offset of a coordinate. Structural formats only; the caller keeps the coordinate inside the extents.
inline int64_t offsetOf(const TnFormat& format, const int64_t* dims, const int64_t* coordinate) noexcept {
    int64_t rest[TN_MAX_DIMS];
    int64_t extent[TN_MAX_DIMS];
    for (int32_t i = 0; i < format.rank; ++i) {
        rest[i] = coordinate[i];
        extent[i] = dims[i];
    }
    int64_t offset = 0;
    int64_t stride = 1;
    for (int32_t i = format.block_count - 1; i >= 0; --i) {
        const TnBlock& block = format.blocks[i];
        offset += rest[block.dim] % block.size * stride;
        rest[block.dim] /= block.size;
        extent[block.dim] = (extent[block.dim] + block.size - 1) / block.size;
        stride *= block.size;
    }
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        offset += rest[dim] * (i == 0 && format.outer_pitch > 0 ? format.outer_pitch : stride);
        stride *= extent[dim];
    }
    return offset;
}

/// A port that is linear in `placement`.
inline TnPortFormat linearPort(TnDataType dtype, int32_t rank, TnPlacement placement = TN_PLACEMENT_HOST) noexcept {
    return {dtype, placement, linearFormat(rank)};
}

/// "linear", "order(0,2,3,1)", "order(0,1,2,3) block(1:16)", for names and reasons.
inline std::string describe(const TnFormat& format) {
    if (isOpaque(format)) {
        return text("opaque(", &format.opaque_provider[0], ":", format.opaque_id, ":", format.opaque_version, ")");
    }
    if (isLinear(format)) {
        return "linear";
    }
    std::string out = "order(";
    for (int32_t i = 0; i < format.rank; ++i) {
        out += text(i == 0 ? "" : ",", format.order[i]);
    }
    out += ")";
    for (int32_t i = 0; i < format.block_count; ++i) {
        out += text(i == 0 ? " block(" : ",", format.blocks[i].dim, ":", format.blocks[i].size);
    }
    out += format.block_count > 0 ? ")" : "";
    return format.outer_pitch > 0 ? text(out, " pitch(", format.outer_pitch, ")") : out;
}

} // namespace tenon::module
