// Rules that several op families share: element type checks, axes, broadcasting, unification of extents, and the texts
// of their errors. Used by core/ops/<family>.cpp inside inference. Errors here do not name the op; the registry puts
// its name in front.
#pragma once

#include "core/ops/extent_math.h"
#include "core/ops/infer_context.h"
#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <string>
#include <string_view>
#include <vector>

namespace tenon::ops {

using Extents = std::vector<ir::DimExpr>;
using support::Status;

enum class TypeClass : uint8_t {
    kAny,
    kFloat, // f64, f32, f16, bf16
    kInteger,
    kNumber, // kFloat or kInteger
    kNumberOrBool,
    kBool,
    kIndex, // i32, i64
};

bool belongsTo(ir::DataType type, TypeClass wanted);
Status needType(const InferContext& context, size_t input, TypeClass wanted);
// Equal element types of two inputs.
Status needSameType(const InferContext& context, size_t first, size_t second);
// Rank within [low, high]; nothing to say where the rank is unknown.
Status needRank(const InferContext& context, size_t input, int64_t low, int64_t high);
// "1 entry", "2 entries".
template <class Int>
std::string counted(Int count, std::string_view one, std::string_view many) {
    return support::cat(count, " ", count == 1 ? one : many);
}
// "[2, N, ?]", or "unknown rank".
std::string textOf(const ExtentMath& math, const ir::TensorType& type);

inline ir::TensorType tensorOf(ir::DataType dtype, Extents dims) {
    ir::TensorType type;
    type.dtype = dtype;
    type.dims = std::move(dims);
    return type;
}
inline ir::TensorType unranked(ir::DataType dtype) {
    ir::TensorType type;
    type.dtype = dtype;
    type.ranked = false;
    return type;
}

// An axis in [-rank, rank) as one in [0, rank).
support::Result<int64_t> normalAxis(int64_t axis, int64_t rank, std::string_view name = "axis");
// Several, each at most once; the order is kept.
support::Result<std::vector<int64_t>> normalAxes(const std::vector<int64_t>& axes, int64_t rank,
                                                 std::string_view name = "axes");
// The integers of an attribute or operand when all are constants; nothing when some are not known.
std::optional<std::vector<int64_t>> constantIntegers(const InferContext& context, size_t input,
                                                     std::string_view attribute);
// Whether an operand or its attribute is there at all.
bool isGiven(const InferContext& context, size_t input, std::string_view attribute);
// The length of an operand that lists integers: of its attribute, or the extent of its rank-1 input (1 for a scalar).
std::optional<int64_t> listLength(const InferContext& context, size_t input, std::string_view attribute);

// The extent of two dimensions that must be equal: the more precise of the two. `what` completes "<what>: 3 and 4".
support::Result<ir::DimExpr> unify(const ExtentMath& math, ir::DimExpr a, ir::DimExpr b, std::string_view what);
// The extent of two dimensions that broadcast, or an error.
support::Result<ir::DimExpr> broadcastExtent(const ExtentMath& math, ir::DimExpr a, ir::DimExpr b);
// numpy's broadcasting of the shapes of the inputs; unranked if one of them is. The dtype is that of the first.
support::Result<ir::TensorType> broadcastInputs(const InferContext& context, const std::vector<size_t>& inputs);
// Error unless input `small` broadcasts to the shape of input `large` without changing it.
Status needBroadcastsTo(const InferContext& context, size_t small, size_t large);
// Every extent of `to` and `from` unified; ranks must be equal.
support::Result<Extents> unifyShapes(const ExtentMath& math, const Extents& a, const Extents& b, std::string_view what);

} // namespace tenon::ops
