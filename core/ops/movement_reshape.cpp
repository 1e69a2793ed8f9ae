// reshape, flatten, squeeze, unsqueeze, transpose, expand, tile: the whole tensor in another shape.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

#include <algorithm>

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;
using support::Result;

namespace {

// Contents stay in their order when only the shape changes.
void keepContents(InferContext& context, const Extents& dims) {
    const ExtentMath math(context.pool());
    if (smallDims(math, dims)) {
        setContents(context, 0, smallTensor(context, 0));
    }
}

Status setReshaped(InferContext& context, Extents dims) {
    keepContents(context, dims);
    context.setOutput(0, tensorOf(context.input(0).type.dtype, std::move(dims)));
    return support::okStatus();
}

// An output of known rank whose extents only the data decides.
Status setUnbacked(InferContext& context, std::optional<int64_t> rank, const char* hint) {
    if (!rank || *rank > TN_MAX_DIMS) {
        context.setOutput(0, unranked(context.input(0).type.dtype));
        return support::okStatus();
    }
    Extents dims;
    for (int64_t i = 0; i < *rank; ++i) {
        dims.push_back(context.unbacked(hint));
    }
    context.setOutput(0, tensorOf(context.input(0).type.dtype, std::move(dims)));
    return support::okStatus();
}

Status needGiven(const InferContext& context, size_t input, const char* attribute) {
    if (isGiven(context, input, attribute)) {
        return support::okStatus();
    }
    return invalidArgument("needs the attribute '", attribute, "' or operand ", input);
}

Extents without(const Extents& dims, size_t index) {
    Extents rest = dims;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(index));
    return rest;
}

Result<DimExpr> missingExtent(const ExtentMath& math, const TensorType& x, const Extents& others,
                              const Extents& shape) {
    if (!x.ranked) {
        return DimExpr{};
    }
    const auto fail = [&](const char* why) {
        return invalidArgument("cannot reshape ", math.text(x.dims), " to ", math.text(shape), ": ", why);
    };
    if (std::any_of(others.begin(), others.end(), [&](DimExpr e) { return math.is(e, 0); })) {
        return fail("beside an extent of 0 any value would do for -1");
    }
    if (math.indivisibleSurely(x.dims, others)) {
        return fail("the number of elements is no multiple of the other extents");
    }
    return math.quotient(x.dims, others);
}

Status inferReshape(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    TN_RETURN_IF_ERROR(needGiven(context, 1, "shape"));
    const TensorType& x = context.input(0).type;
    const auto shape = context.integers(1, "shape");
    if (!shape) {
        return setUnbacked(context, listLength(context, 1, "shape"), "reshaped");
    }
    if (shape->size() > TN_MAX_DIMS) {
        return support::unsupported("attribute 'shape' has ", counted(shape->size(), "entry", "entries"), "; at most ",
                                    TN_MAX_DIMS, " dimensions are supported");
    }
    const ExtentMath math(context.pool());
    const bool zeroCopies = context.attributes().intOr("allow_zero", 0) == 0;
    Extents dims = *shape;
    std::optional<size_t> missing;
    std::vector<size_t> maybeMissing; // elements of a shape tensor, which may turn out to be -1
    for (size_t i = 0; i < dims.size(); ++i) {
        const auto known = math.value(dims[i]);
        const DimExpr copied = i < x.dims.size() ? x.dims[i] : DimExpr{};
        if (known == -1) {
            if (missing) {
                return invalidArgument("cannot reshape ", textOf(math, x), " to ", math.text(*shape),
                                       ": only one extent may be -1");
            }
            missing = i;
        } else if (known && *known < 0) {
            return invalidArgument("attribute 'shape'[", i, "] is ", *known, ", but must be at least -1");
        } else if (known == 0 && zeroCopies) {
            if (x.ranked && i >= x.dims.size()) {
                return invalidArgument("attribute 'shape'[", i,
                                       "] is 0, which copies an extent of the input, but operand 0 has only ",
                                       counted(x.dims.size(), "dimension", "dimensions"), ": ", math.text(x.dims));
            }
            dims[i] = copied;
        } else if (!known && math.dependsOnElements(dims[i])) {
            if (math.bounds(dims[i]).min < 0) {
                maybeMissing.push_back(i);
            }
            if (zeroCopies && copied.valid()) {
                dims[i] = math.select(math.equal(dims[i], math.constant(0)), copied, dims[i]);
            }
        }
    }
    if (missing) {
        TN_ASSIGN_OR_RETURN(dims[*missing], missingExtent(math, x, without(dims, *missing), *shape));
        return setReshaped(context, std::move(dims));
    }
    const Extents others = dims;
    for (const size_t i : maybeMissing) {
        const DimExpr rest = x.ranked ? math.quotient(x.dims, without(others, i)) : DimExpr{};
        dims[i] = math.select(math.equal((*shape)[i], math.constant(-1)), rest, dims[i]);
    }
    if (x.ranked && maybeMissing.empty() && math.productsDifferSurely(x.dims, dims)) {
        return invalidArgument("cannot reshape ", math.text(x.dims), " to ", math.text(*shape),
                               ": the numbers of elements differ");
    }
    return setReshaped(context, std::move(dims));
}

Status inferFlatten(InferContext& context) {
    const TensorType& x = context.input(0).type;
    const ExtentMath math(context.pool());
    if (!x.ranked) {
        context.setOutput(0, tensorOf(x.dtype, Extents(2)));
        return support::okStatus();
    }
    const int64_t axis = context.attributes().intOr("axis", 1);
    if (axis < -x.rank() || axis > x.rank()) {
        return invalidArgument("axis ", axis, " is out of range: it must be within [", -x.rank(), ", ", x.rank(), "]");
    }
    const auto middle = x.dims.begin() + (axis < 0 ? axis + x.rank() : axis);
    return setReshaped(context, {math.product({x.dims.begin(), middle}), math.product({middle, x.dims.end()})});
}

Status inferSqueeze(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    std::vector<bool> drop(x.dims.size(), false);
    if (isGiven(context, 1, "axes")) {
        const auto axes = constantIntegers(context, 1, "axes");
        if (!axes) {
            const auto count = listLength(context, 1, "axes");
            return setUnbacked(context, count && *count <= x.rank() ? std::optional(x.rank() - *count) : std::nullopt,
                               "squeezed");
        }
        TN_ASSIGN_OR_RETURN(const auto normal, normalAxes(*axes, x.rank()));
        for (const int64_t axis : normal) {
            const DimExpr extent = x.dims[static_cast<size_t>(axis)];
            if (math.differSurely(extent, math.constant(1))) {
                return invalidArgument("dim ", axis, " of ", math.text(x.dims), " has extent ", math.text(extent),
                                       "; only an extent of 1 can be dropped");
            }
            drop[static_cast<size_t>(axis)] = true;
        }
    } else {
        for (size_t i = 0; i < x.dims.size(); ++i) {
            drop[i] = math.is(x.dims[i], 1);
            if (!drop[i] && !math.differSurely(x.dims[i], math.constant(1))) {
                return support::unsupported("without 'axes' the extents of operand 0 must be known, but dim ", i,
                                            " of ", math.text(x.dims), " may or may not be 1; give 'axes'");
            }
        }
    }
    Extents dims;
    for (size_t i = 0; i < x.dims.size(); ++i) {
        if (!drop[i]) {
            dims.push_back(x.dims[i]);
        }
    }
    return setReshaped(context, std::move(dims));
}

Status inferUnsqueeze(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    TN_RETURN_IF_ERROR(needGiven(context, 1, "axes"));
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const auto axes = constantIntegers(context, 1, "axes");
    if (!axes) {
        const auto count = listLength(context, 1, "axes");
        return setUnbacked(context, count ? std::optional(x.rank() + *count) : std::nullopt, "unsqueezed");
    }
    const int64_t rank = x.rank() + static_cast<int64_t>(axes->size());
    if (rank > TN_MAX_DIMS) {
        return support::unsupported("the output would have ", rank, " dimensions; at most ", TN_MAX_DIMS,
                                    " are supported");
    }
    TN_ASSIGN_OR_RETURN(auto normal, normalAxes(*axes, rank));
    std::sort(normal.begin(), normal.end());
    Extents dims = x.dims;
    for (const int64_t axis : normal) {
        dims.insert(dims.begin() + axis, context.pool().constant(1));
    }
    return setReshaped(context, std::move(dims));
}

Status inferTranspose(InferContext& context) {
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    std::vector<int64_t> perm = context.attributes().intsOr("perm", {});
    if (!context.attributes().has("perm")) {
        for (int64_t i = x.rank(); i-- > 0;) {
            perm.push_back(i);
        }
    }
    if (static_cast<int64_t>(perm.size()) != x.rank()) {
        return invalidArgument("attribute 'perm' has ", counted(perm.size(), "entry", "entries"),
                               ", but operand 0 has ", counted(x.rank(), "dimension", "dimensions"));
    }
    TN_ASSIGN_OR_RETURN(perm, normalAxes(perm, x.rank(), "perm"));
    Extents dims;
    for (const int64_t from : perm) {
        dims.push_back(x.dims[static_cast<size_t>(from)]);
    }
    if (const auto small = smallTensor(context, 0)) {
        const ExtentMath math(context.pool());
        setContents(context, 0, generate(*smallDims(math, dims), [&](const std::vector<int64_t>& to) {
                        std::vector<int64_t> from(to.size());
                        for (size_t i = 0; i < to.size(); ++i) {
                            from[static_cast<size_t>(perm[i])] = to[i];
                        }
                        return elementAt(*small, from);
                    }));
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

// Contents that repeat: the element at a coordinate is that of the input at the coordinate modulo the input's extents.
void repeatContents(InferContext& context, const Extents& dims) {
    const auto small = smallTensor(context, 0);
    const auto to = smallDims(ExtentMath(context.pool()), dims);
    if (!small || !to) {
        return;
    }
    setContents(context, 0, generate(*to, [&](const std::vector<int64_t>& coordinate) {
                    std::vector<int64_t> from(coordinate.end() - static_cast<std::ptrdiff_t>(small->dims.size()),
                                              coordinate.end());
                    for (size_t i = 0; i < from.size(); ++i) {
                        from[i] %= small->dims[i]; // not 0: then the output is empty as well
                    }
                    return elementAt(*small, from);
                }));
}

Status inferExpand(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    TN_RETURN_IF_ERROR(needGiven(context, 1, "shape"));
    const TensorType& x = context.input(0).type;
    const auto shape = context.integers(1, "shape");
    if (!x.ranked || !shape) {
        const auto length = listLength(context, 1, "shape");
        return setUnbacked(context,
                           x.ranked && length ? std::optional(std::max<int64_t>(*length, x.rank())) : std::nullopt,
                           "expanded");
    }
    const ExtentMath math(context.pool());
    Extents dims = x.dims;
    Extents to = *shape;
    const size_t rank = std::max(dims.size(), to.size());
    dims.insert(dims.begin(), rank - dims.size(), math.constant(1));
    to.insert(to.begin(), rank - to.size(), math.constant(1));
    for (size_t i = 0; i < rank; ++i) {
        if (math.bounds(to[i]).max < 0) {
            return invalidArgument("attribute 'shape' has the negative extent ", math.text(to[i]), ": ",
                                   math.text(*shape));
        }
        auto extent = broadcastExtent(math, dims[i], to[i]);
        if (!extent.ok()) {
            return invalidArgument("cannot expand ", math.text(x.dims), " to ", math.text(*shape), ": ",
                                   extent.status().message());
        }
        dims[i] = *extent;
    }
    repeatContents(context, dims);
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

Status inferTile(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 0, 1));
    TN_RETURN_IF_ERROR(needGiven(context, 1, "repeats"));
    const TensorType& x = context.input(0).type;
    const auto repeats = context.integers(1, "repeats");
    if (!x.ranked || !repeats) {
        return setUnbacked(context, x.ranked ? std::optional<int64_t>(x.rank()) : listLength(context, 1, "repeats"),
                           "tiled");
    }
    const ExtentMath math(context.pool());
    if (repeats->size() != x.dims.size()) {
        return invalidArgument("attribute 'repeats' has ", counted(repeats->size(), "entry", "entries"),
                               ", but operand 0 has ", counted(x.dims.size(), "dimension", "dimensions"));
    }
    Extents dims;
    for (size_t i = 0; i < x.dims.size(); ++i) {
        if (math.bounds((*repeats)[i]).max < 0) {
            return invalidArgument("attribute 'repeats'[", i, "] is ", math.text((*repeats)[i]),
                                   ", but must be at least 0");
        }
        dims.push_back(math.mul(x.dims[i], (*repeats)[i]));
    }
    repeatContents(context, dims);
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> movement_reshapeOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("expand", "Repeats extents of 1 so that x has the shape that it and `shape` broadcast to.")
                      .input("x")
                      .shapeOperand("shape", AttributeKind::kDims, "an extent of 1 keeps that of x")
                      .build(inferExpand));
    ops.push_back(
        OpBuilder("flatten", "x as a matrix: the dimensions before axis are the rows, the others the columns.")
            .input("x")
            .integer("axis", 1, "within [-rank, rank]")
            .view()
            .build(inferFlatten));
    ops.push_back(
        OpBuilder("reshape", "The elements of x, row-major, in another shape.")
            .input("x")
            .shapeOperand(
                "shape", AttributeKind::kDims,
                "one extent may be -1: what is left; a constant or element 0 copies the extent of x unless allow_zero")
            .flag("allow_zero", false, "1: an extent of 0 is 0")
            .view()
            .build(inferReshape));
    ops.push_back(OpBuilder("squeeze", "x without dimensions of extent 1.")
                      .input("x")
                      .shapeOperand("axes", AttributeKind::kInts, "which; absent: all of them")
                      .view()
                      .build(inferSqueeze));
    ops.push_back(OpBuilder("tile", "Repeats x along each dimension: y[i...] = x[i mod extent...].")
                      .input("x")
                      .shapeOperand("repeats", AttributeKind::kDims, "how often, one per dimension")
                      .build(inferTile));
    ops.push_back(OpBuilder("transpose", "Dimension i of y is dimension perm[i] of x.")
                      .input("x")
                      .integers("perm", "absent: reversed")
                      .build(inferTranspose));
    ops.push_back(OpBuilder("unsqueeze", "x with dimensions of extent 1 inserted.")
                      .input("x")
                      .shapeOperand("axes", AttributeKind::kInts, "where they are in y")
                      .view()
                      .build(inferUnsqueeze));
    return ops;
}

} // namespace tenon::ops
