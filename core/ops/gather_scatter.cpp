// gather*, scatter*: elements picked and replaced by index.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;

namespace {

// Constant indices within [-extent, extent), where both are known.
Status checkIndices(const InferContext& context, const ExtentMath& math, size_t input, DimExpr extent) {
    const auto indices = context.contentsOf(input);
    const auto limit = math.value(extent);
    for (size_t i = 0; indices && limit && i < indices->size(); ++i) {
        const auto index = math.value((*indices)[i]);
        if (index && (*index < -*limit || *index >= *limit)) {
            return invalidArgument("index ", *index, " (operand ", input, ", element ", i,
                                   ") is out of range for an extent of ", *limit);
        }
    }
    return support::okStatus();
}

void gatherContents(InferContext& context, const Extents& dims, size_t axis) {
    const ExtentMath math(context.pool());
    const auto data = smallTensor(context, 0);
    const auto indices = smallTensor(context, 1);
    const auto to = smallDims(math, dims);
    if (!data || !indices || !to) {
        return;
    }
    const size_t indexRank = indices->dims.size();
    setContents(context, 0, generate(*to, [&](const std::vector<int64_t>& coordinate) {
                    const auto begin = coordinate.begin() + static_cast<std::ptrdiff_t>(axis);
                    const auto end = begin + static_cast<std::ptrdiff_t>(indexRank);
                    const auto index = math.value(elementAt(*indices, {begin, end}));
                    if (!index) {
                        return DimExpr{};
                    }
                    std::vector<int64_t> from(coordinate.begin(), begin);
                    from.push_back(*index < 0 ? *index + data->dims[axis] : *index);
                    from.insert(from.end(), end, coordinate.end());
                    return elementAt(*data, from);
                }));
}

Status inferGather(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 0, 1, TN_MAX_DIMS));
    const TensorType& data = context.input(0).type;
    const TensorType& indices = context.input(1).type;
    if (!data.ranked || !indices.ranked) {
        context.setOutput(0, unranked(data.dtype));
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", 0), data.rank()));
    const ExtentMath math(context.pool());
    TN_RETURN_IF_ERROR(checkIndices(context, math, 1, data.dims[static_cast<size_t>(axis)]));
    Extents dims = data.dims;
    dims.erase(dims.begin() + axis);
    dims.insert(dims.begin() + axis, indices.dims.begin(), indices.dims.end());
    gatherContents(context, dims, static_cast<size_t>(axis));
    context.setOutput(0, tensorOf(data.dtype, std::move(dims)));
    return support::okStatus();
}

// Equal ranks of data and indices, and indices no larger than data beside the axis.
Status checkElementwise(const InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 0, 1, TN_MAX_DIMS));
    const TensorType& data = context.input(0).type;
    const TensorType& indices = context.input(1).type;
    const ExtentMath math(context.pool());
    const int64_t rank = data.ranked ? data.rank() : indices.rank();
    if (rank < 0) {
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t axis, normalAxis(context.attributes().intOr("axis", 0), rank));
    if (!data.ranked || !indices.ranked) {
        return support::okStatus();
    }
    if (indices.rank() != data.rank()) {
        return invalidArgument("operands 0 and 1 must have as many dimensions as each other, but are ",
                               math.text(data.dims), " and ", math.text(indices.dims));
    }
    for (size_t i = 0; i < data.dims.size(); ++i) {
        if (static_cast<int64_t>(i) != axis && math.bounds(math.sub(data.dims[i], indices.dims[i])).max < 0) {
            return invalidArgument("the indices (operand 1) of shape ", math.text(indices.dims),
                                   " reach beyond the data (operand 0) of shape ", math.text(data.dims), " in dim ", i);
        }
    }
    return checkIndices(context, math, 1, data.dims[static_cast<size_t>(axis)]);
}

Status inferGatherElements(InferContext& context) {
    TN_RETURN_IF_ERROR(checkElementwise(context));
    TensorType type = context.input(1).type;
    type.dtype = context.input(0).type.dtype;
    context.setOutput(0, type);
    return support::okStatus();
}

// The dimensions of data that an index tuple leaves over, and its length; nothing when a rank or the length is not
// known.
support::Result<std::optional<int64_t>> tupleLength(const InferContext& context, int64_t batch) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 0, 1, TN_MAX_DIMS));
    TN_RETURN_IF_ERROR(needRank(context, 1, batch + 1, TN_MAX_DIMS));
    const TensorType& data = context.input(0).type;
    const TensorType& indices = context.input(1).type;
    if (!data.ranked || !indices.ranked) {
        return std::optional<int64_t>();
    }
    const auto length = ExtentMath(context.pool()).value(indices.dims.back());
    if (batch >= data.rank()) {
        return invalidArgument("attribute 'batch_dims' is ", batch, ", but must be less than the ", data.rank(),
                               " dimensions of operand 0");
    }
    if (length && (*length < 1 || batch + *length > data.rank())) {
        return invalidArgument("the last extent of the indices (operand 1) is ", *length, ", but must be within [1, ",
                               data.rank() - batch, "]");
    }
    return length;
}

Status inferGatherNd(InferContext& context) {
    const int64_t batch = context.attributes().intOr("batch_dims", 0);
    TN_ASSIGN_OR_RETURN(const auto length, tupleLength(context, batch));
    const TensorType& data = context.input(0).type;
    const TensorType& indices = context.input(1).type;
    if (!length) {
        context.setOutput(0, unranked(data.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    Extents dims(indices.dims.begin(), indices.dims.end() - 1);
    for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
        TN_ASSIGN_OR_RETURN(dims[i], unify(math, data.dims[i], dims[i],
                                           support::cat("batch dimension ", i, " of operands 0 and 1 differs")));
    }
    dims.insert(dims.end(), data.dims.begin() + batch + *length, data.dims.end());
    context.setOutput(0, tensorOf(data.dtype, std::move(dims)));
    return support::okStatus();
}

Status checkUpdates(const InferContext& context) {
    TN_RETURN_IF_ERROR(needSameType(context, 0, 2));
    if (context.attributes().stringOr("reduction", "none") != "none") {
        TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumberOrBool));
    }
    return support::okStatus();
}

Status checkUpdateShape(const InferContext& context, const Extents& wanted) {
    const TensorType& updates = context.input(2).type;
    if (!updates.ranked) {
        return support::okStatus();
    }
    return unifyShapes(ExtentMath(context.pool()), updates.dims, wanted,
                       "the updates (operand 2) have not the shape that data and indices give")
        .status();
}

Status inferScatterElements(InferContext& context) {
    TN_RETURN_IF_ERROR(checkElementwise(context));
    TN_RETURN_IF_ERROR(checkUpdates(context));
    if (context.input(1).type.ranked) {
        TN_RETURN_IF_ERROR(checkUpdateShape(context, context.input(1).type.dims));
    }
    context.setOutput(0, context.input(0).type);
    return support::okStatus();
}

Status inferScatterNd(InferContext& context) {
    TN_ASSIGN_OR_RETURN(const auto length, tupleLength(context, 0));
    TN_RETURN_IF_ERROR(checkUpdates(context));
    const TensorType& data = context.input(0).type;
    const TensorType& indices = context.input(1).type;
    if (length) {
        Extents wanted(indices.dims.begin(), indices.dims.end() - 1);
        wanted.insert(wanted.end(), data.dims.begin() + *length, data.dims.end());
        TN_RETURN_IF_ERROR(checkUpdateShape(context, wanted));
    }
    context.setOutput(0, data);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> gather_scatterOps() {
    const std::vector<std::string> reductions{"none", "add", "mul", "max", "min"};
    const char* reductionDoc =
        "how an update meets the element: replaces it (of several the last one), or is added, multiplied, ...";
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("gather", "y[a..., i..., b...] = data[a..., indices[i...], b...], the index at dimension "
                                      "axis. Negative indices count from the end.")
                      .input("data")
                      .input("indices", "i32 or i64")
                      .integer("axis", 0, "")
                      .build(inferGather));
    ops.push_back(
        OpBuilder("gather_elements",
                  "y[i...] = data[i... with indices[i...] at dimension axis]. Negative indices count from the end.")
            .input("data")
            .input("indices", "i32 or i64")
            .integer("axis", 0, "")
            .build(inferGatherElements));
    ops.push_back(OpBuilder("gather_nd", "y[b..., i..., d...] = data[b..., indices[b..., i..., :], d...]: each tuple "
                                         "along the last dimension of indices names a part of data. "
                                         "Negative indices count from the end.")
                      .input("data")
                      .input("indices", "i32 or i64")
                      .integer("batch_dims", 0, "leading dimensions that both share", {0, TN_MAX_DIMS})
                      .build(inferGatherNd));
    ops.push_back(OpBuilder("scatter_elements", "data with data[i... with indices[i...] at dimension axis] replaced by "
                                                "updates[i...]. Negative indices count from the end.")
                      .input("data")
                      .input("indices", "i32 or i64")
                      .input("updates", "of the shape of indices")
                      .integer("axis", 0, "")
                      .text("reduction", "none", reductions, reductionDoc)
                      .build(inferScatterElements));
    ops.push_back(OpBuilder("scatter_nd", "data with data[indices[i..., :], d...] replaced by updates[i..., d...]. "
                                          "Negative indices count from the end.")
                      .input("data")
                      .input("indices", "i32 or i64")
                      .input("updates", "[i..., d...]")
                      .text("reduction", "none", reductions, reductionDoc)
                      .build(inferScatterNd));
    return ops;
}

} // namespace tenon::ops
