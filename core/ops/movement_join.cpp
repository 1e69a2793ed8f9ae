// concat, split.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;

namespace {

void concatContents(InferContext& context, const Extents& dims, size_t axis) {
    const auto to = smallDims(ExtentMath(context.pool()), dims);
    if (!to) {
        return;
    }
    std::vector<SmallTensor> parts;
    for (size_t i = 0; i < context.inputCount(); ++i) {
        auto part = smallTensor(context, i);
        if (!part) {
            return;
        }
        parts.push_back(std::move(*part));
    }
    setContents(context, 0, generate(*to, [&](std::vector<int64_t> coordinate) {
                    size_t part = 0;
                    while (coordinate[axis] >= parts[part].dims[axis]) {
                        coordinate[axis] -= parts[part].dims[axis];
                        ++part;
                    }
                    return elementAt(parts[part], coordinate);
                }));
}

Status inferConcat(InferContext& context) {
    const ExtentMath math(context.pool());
    const TensorType* known = nullptr; // the first operand of known rank
    size_t first = 0;
    bool allRanked = true;
    for (size_t i = 0; i < context.inputCount(); ++i) {
        TN_RETURN_IF_ERROR(needSameType(context, 0, i));
        TN_RETURN_IF_ERROR(needRank(context, i, 1, TN_MAX_DIMS));
        const TensorType& type = context.input(i).type;
        allRanked = allRanked && type.ranked;
        if (type.ranked && known == nullptr) {
            known = &type;
            first = i;
        } else if (type.ranked && type.rank() != known->rank()) {
            return invalidArgument("operands ", first, " and ", i,
                                   " must have as many dimensions as each other, but are ", math.text(known->dims),
                                   " and ", math.text(type.dims));
        }
    }
    if (known == nullptr) {
        context.setOutput(0, unranked(context.input(0).type.dtype));
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t normal, normalAxis(context.attributes().intOr("axis", 0), known->rank()));
    const auto axis = static_cast<size_t>(normal);
    Extents dims = known->dims;
    for (size_t i = first + 1; i < context.inputCount(); ++i) {
        const TensorType& type = context.input(i).type;
        if (!type.ranked) {
            continue;
        }
        for (size_t d = 0; d < dims.size(); ++d) {
            if (d == axis) {
                dims[d] = math.add(dims[d], type.dims[d]);
                continue;
            }
            auto extent = unify(math, dims[d], type.dims[d], "");
            if (!extent.ok()) {
                return invalidArgument("operands ", first, " and ", i, " may differ in dim ", axis, " only, but dim ",
                                       d, " is ", math.text(dims[d]), " and ", math.text(type.dims[d]), ": ",
                                       math.text(known->dims), " and ", math.text(type.dims));
            }
            dims[d] = *extent;
        }
    }
    if (!allRanked) {
        dims[axis] = DimExpr{};
    }
    concatContents(context, dims, axis);
    context.setOutput(0, tensorOf(context.input(0).type.dtype, std::move(dims)));
    return support::okStatus();
}

void splitContents(InferContext& context, size_t output, const Extents& dims, size_t axis, int64_t offset) {
    const auto small = smallTensor(context, 0);
    const auto to = smallDims(ExtentMath(context.pool()), dims);
    // Beside symbolic sizes, known ones may add up to more than there is.
    if (small && to && offset + (*to)[axis] <= small->dims[axis]) {
        setContents(context, output, generate(*to, [&](std::vector<int64_t> coordinate) {
                        coordinate[axis] += offset;
                        return elementAt(*small, coordinate);
                    }));
    }
}

Status inferSplit(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 1, 1));
    const TensorType& x = context.input(0).type;
    const size_t count = context.outputCount();
    const ExtentMath math(context.pool());
    const auto sizes = context.integers(1, "sizes");
    const bool given = isGiven(context, 1, "sizes");
    if (sizes && sizes->size() != count) {
        return invalidArgument("attribute 'sizes' has ", counted(sizes->size(), "entry", "entries"), " for ",
                               counted(count, "output", "outputs"));
    }
    if (!x.ranked) {
        for (size_t i = 0; i < count; ++i) {
            context.setOutput(i, unranked(x.dtype));
        }
        return support::okStatus();
    }
    TN_ASSIGN_OR_RETURN(const int64_t normal, normalAxis(context.attributes().intOr("axis", 0), x.rank()));
    const auto axis = static_cast<size_t>(normal);
    const DimExpr extent = x.dims[axis];
    Extents parts;
    if (sizes) {
        parts = *sizes;
        DimExpr total = math.constant(0);
        for (size_t i = 0; i < count; ++i) {
            if (math.bounds(parts[i]).max < 0) {
                return invalidArgument("attribute 'sizes'[", i, "] is ", math.text(parts[i]),
                                       ", but must be at least 0");
            }
            total = math.add(total, parts[i]);
        }
        if (math.differSurely(total, extent)) {
            return invalidArgument("the sizes ", math.text(parts), " add up to ", math.text(total), ", but dim ", axis,
                                   " of operand 0 has extent ", math.text(extent));
        }
    } else if (given) {
        for (size_t i = 0; i < count; ++i) {
            parts.push_back(context.unbacked("part"));
        }
    } else {
        const auto pieces = static_cast<int64_t>(count);
        const DimExpr most = math.ceilDiv(extent, pieces);
        const DimExpr last = math.sub(extent, math.mul(most, pieces - 1));
        parts.assign(count, most);
        parts.back() = last;
        if (math.bounds(last).max < 0) {
            return invalidArgument("dim ", axis, " of operand 0 has extent ", math.text(extent), ", too few for ",
                                   count, " outputs");
        }
    }
    int64_t offset = 0;
    bool known = true;
    for (size_t i = 0; i < count; ++i) {
        Extents dims = x.dims;
        dims[axis] = parts[i];
        const auto size = math.value(parts[i]);
        known = known && size && *size <= INT32_MAX && offset <= INT32_MAX;
        if (known) {
            splitContents(context, i, dims, axis, offset);
            offset += *size;
        }
        context.setOutput(i, tensorOf(x.dtype, std::move(dims)));
    }
    return support::okStatus();
}

} // namespace

std::vector<OpDef> movement_joinOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("concat", "The operands one after the other along axis. Their other extents are equal.")
                      .variadicInput("x", "of one type and number of dimensions")
                      .requiredInteger("axis", "")
                      .build(inferConcat));
    ops.push_back(
        OpBuilder("split", "x cut along axis into as many outputs as the node has.")
            .input("x")
            .integer("axis", 0, "")
            .shapeOperand("sizes", AttributeKind::kDims,
                          "extents of the outputs along axis; absent: equal ones, rounded up, the last one smaller")
            .outputs(1, INT32_MAX)
            .build(inferSplit));
    return ops;
}

} // namespace tenon::ops
