// Known contents as a small tensor: constant extents and one expression per element, with the movements that exporters
// apply to shapes. Used by inference to follow extents through shape -> gather -> concat -> reshape chains. Knows no
// op.
#pragma once

#include "core/ops/extent_math.h"
#include "core/ops/infer_context.h"

#include <functional>
#include <optional>
#include <vector>

namespace tenon::ops {

struct SmallTensor {
    std::vector<int64_t> dims;
    std::vector<ir::DimExpr> elements; // row-major, all valid
};

// Types in which sums and products of extents are exact, so that contents may be followed through arithmetic: i32, i64,
// f32, f64 and bool. Narrow and unsigned ones wrap.
bool countsExactly(ir::DataType type);
// The contents of an input with its extents, when both are known.
std::optional<SmallTensor> smallTensor(const InferContext& context, size_t input);
// Extents as constants and their product, when all are constants and the product is at most kMaxContents.
std::optional<std::vector<int64_t>> smallDims(const ExtentMath& math, const std::vector<ir::DimExpr>& dims);
// A tensor of these extents whose element at a coordinate is `at(coordinate)`; nothing if one is not known.
std::optional<SmallTensor> generate(std::vector<int64_t> dims,
                                    const std::function<ir::DimExpr(const std::vector<int64_t>&)>& at);
// The element at a coordinate of the tensor's rank.
ir::DimExpr elementAt(const SmallTensor& tensor, const std::vector<int64_t>& coordinate);
// Elementwise over broadcast operands; `at` gets one element per operand. The caller has checked that they broadcast.
std::optional<SmallTensor> mapBroadcast(const std::vector<SmallTensor>& operands,
                                        const std::function<ir::DimExpr(const std::vector<ir::DimExpr>&)>& at);
// Writes the contents of output i, if there are any.
void setContents(InferContext& context, size_t output, const std::optional<SmallTensor>& tensor);

} // namespace tenon::ops
