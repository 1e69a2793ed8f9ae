// Between the public API's types and the core's: element types, dimensions, permutations.
// Used by every implementation class here.
#pragma once

#include "core/ir/data_type.h"
#include "core/ir/tensor_format.h"
#include "core/ir/tensor_type.h"
#include "tenon/dims.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

// Nothing for a value that is no element type.
std::optional<ir::DataType> toIr(nvinfer1::DataType type) noexcept;
nvinfer1::DataType toPublic(ir::DataType type) noexcept;
// "kFLOAT": for messages.
std::string nameOf(nvinfer1::DataType type);

nvinfer1::Dims invalidDims() noexcept;
nvinfer1::Dims unknownRank() noexcept;
// -1 where an extent is no constant. More extents than Dims holds: unknown rank.
nvinfer1::Dims toDims(const ir::TensorType& type, const ir::ExprPool& pool) noexcept;
nvinfer1::Dims toDims(const std::vector<int64_t>& extents) noexcept;
// Precondition: 0 <= nbDims <= MAX_DIMS.
std::vector<int64_t> toVector(const nvinfer1::Dims& dims);
bool isValid(const nvinfer1::Dims& dims) noexcept; // nbDims within range
// "[1, 3, -1]"
std::string textOf(const nvinfer1::Dims& dims);

// The product, or -1 when an extent is negative or it overflows.
int64_t volume(const std::vector<int64_t>& extents) noexcept;
int64_t volume(const nvinfer1::Dims& dims) noexcept;
// Bytes of `count` elements, sub-byte types packed.
int64_t bytesOf(ir::DataType type, int64_t count) noexcept;

} // namespace tenon::api
