// slice, pad.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"
#include "core/support/checked.h"

#include <algorithm>

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;
using support::Result;

namespace {

// Exporters write "to the end" as the largest number of some type.
constexpr int64_t kToTheEnd = INT32_MAX;

// What is taken along one dimension: `count` elements from `start` on, `step` apart. `start` is nothing where it is not
// a constant.
struct Cut {
    DimExpr count;
    std::optional<int64_t> start;
    int64_t step = 1;
};

Cut cutConstant(const ExtentMath& math, int64_t extent, int64_t start, int64_t end, int64_t step) {
    const auto fromFront = [extent](int64_t index) { return index < 0 ? index + extent : index; };
    const int64_t low = step > 0 ? 0 : -1;
    const int64_t high = step > 0 ? extent : extent - 1;
    const int64_t first = std::clamp(fromFront(start), int64_t{0}, std::max<int64_t>(high, 0));
    const int64_t last = std::clamp(fromFront(end), low, std::max(high, low));
    const int64_t span = step > 0 ? last - first : first - last;
    // The step is at least 1 in size, and -INT64_MIN would not fit.
    const int64_t size = step > 0 ? step : -std::max(step, -INT64_MAX);
    const int64_t count = extent == 0 || span <= 0 ? 0 : (span - 1) / size + 1;
    return {math.constant(count), first, step};
}

// index, counted from the end if it is negative.
DimExpr fromFront(const ExtentMath& math, DimExpr index, DimExpr extent) {
    const DimExpr isNegative = math.less(index, math.constant(0));
    return math.select(isNegative, math.add(index, extent), index);
}

DimExpr countForward(const ExtentMath& math, DimExpr extent, DimExpr start, DimExpr end, int64_t step) {
    const DimExpr zero = math.constant(0);
    const auto startValue = math.value(start);
    const auto endValue = math.value(end);
    const bool startBehind = startValue && *startValue < 0; // counted from the end
    const bool endBehind = endValue && *endValue < 0;
    const bool toTheEnd = math.bounds(end).min >= kToTheEnd;
    DimExpr span;
    if (startBehind && toTheEnd) {
        span = math.min(math.constant(-std::max(*startValue, -INT64_MAX)), extent);
    } else if (startBehind && endBehind) {
        const int64_t most = *endValue > *startValue ? *endValue - *startValue : 0;
        span = math.min(math.constant(most), math.max(math.add(extent, *endValue), zero));
    } else if (startValue && !startBehind && endBehind) {
        span = math.sub(math.add(extent, *endValue), *startValue);
    } else {
        // A start beyond the end needs no clamping: the span is negative then.
        const DimExpr first = math.max(fromFront(math, start, extent), zero);
        const DimExpr last = toTheEnd ? extent : math.min(math.max(fromFront(math, end, extent), zero), extent);
        span = math.sub(last, first);
    }
    return math.ceilDiv(math.max(span, zero), step);
}

DimExpr countBackward(const ExtentMath& math, DimExpr extent, DimExpr start, DimExpr end, int64_t step) {
    const DimExpr zero = math.constant(0);
    const DimExpr lastIndex = math.sub(extent, 1);
    const int64_t size = -std::max(step, -INT64_MAX);
    const bool fromEnd = math.is(start, -1) || math.bounds(start).min >= kToTheEnd;
    const bool toFront = math.bounds(end).max <= -kToTheEnd;
    if (fromEnd && toFront) {
        return math.ceilDiv(extent, size);
    }
    const DimExpr first = fromEnd ? lastIndex : math.min(math.max(fromFront(math, start, extent), zero), lastIndex);
    const DimExpr last =
        toFront ? math.constant(-1) : math.min(math.max(fromFront(math, end, extent), math.constant(-1)), lastIndex);
    const DimExpr span = math.max(math.sub(first, last), zero);
    return math.min(math.ceilDiv(span, size), extent);
}

Cut cutToEnd(const ExtentMath& math, DimExpr extent, DimExpr start, DimExpr end, int64_t step) {
    const auto extentValue = math.value(extent);
    const auto startValue = math.value(start);
    const auto endValue = math.value(end);
    if (extentValue && startValue && endValue) {
        return cutConstant(math, *extentValue, *startValue, *endValue, step);
    }
    if (step > 0) {
        std::optional<int64_t> known;
        if (startValue && (*startValue >= 0 || extentValue)) {
            known = *startValue < 0 ? std::max<int64_t>(*startValue + *extentValue, 0) : *startValue;
        }
        return {countForward(math, extent, start, end, step), known, step};
    }
    return {countBackward(math, extent, start, end, step), std::nullopt, step};
}

Result<Cut> cutToSize(const ExtentMath& math, DimExpr extent, DimExpr start, DimExpr size, int64_t step, bool isStrict,
                      int64_t dim) {
    if (math.bounds(size).max < 0) {
        return invalidArgument("the size ", math.text(size), " in dim ", dim, " is negative");
    }
    const auto first = math.value(start);
    const auto count = math.value(size);
    const auto available = math.value(extent);
    if (isStrict && first && count && available && *count > 0) {
        const auto way = support::checkedMul(*count - 1, step);
        const auto last = way ? support::checkedAdd(*first, *way) : std::nullopt;
        if (!last || *first < 0 || *first >= *available || *last < 0 || *last >= *available) {
            return invalidArgument(*count, " elements from ", *first, " on, ", step, " apart, leave dim ", dim,
                                   " of extent ", *available, "; another mode than 'strict' allows that");
        }
        return Cut{size, first, step};
    }
    return Cut{size, std::nullopt, step};
}

Status sliceUnknown(InferContext& context) {
    const TensorType& x = context.input(0).type;
    Extents dims;
    for (size_t i = 0; i < x.dims.size(); ++i) {
        dims.push_back(context.unbacked("slice"));
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

Status inferSlice(InferContext& context) {
    for (const size_t i : {1, 2, 3, 4, 5}) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kIndex));
        TN_RETURN_IF_ERROR(needRank(context, i, 0, 1));
    }
    const bool hasSizes = isGiven(context, 5, "sizes");
    const bool hasEnds = isGiven(context, 2, "ends");
    if (!isGiven(context, 1, "starts") || hasSizes == hasEnds) {
        return invalidArgument("needs 'starts' and one of 'ends' and 'sizes', each as an attribute or an operand");
    }
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const size_t limitInput = hasSizes ? 5 : 2;
    const char* limitName = hasSizes ? "sizes" : "ends";
    const auto starts = context.integers(1, "starts");
    const auto limits = context.integers(limitInput, limitName);
    const auto startCount = listLength(context, 1, "starts");
    const auto length = startCount ? startCount : listLength(context, limitInput, limitName);
    std::optional<std::vector<int64_t>> axes;
    if (isGiven(context, 3, "axes")) {
        axes = constantIntegers(context, 3, "axes");
        if (axes) {
            TN_ASSIGN_OR_RETURN(axes, normalAxes(*axes, x.rank()));
        }
    } else if (length && *length <= x.rank()) {
        axes.emplace();
        for (int64_t i = 0; i < *length; ++i) {
            axes->push_back(i);
        }
    } else if (length) {
        return invalidArgument("'starts' has ", counted(*length, "entry", "entries"), ", but operand 0 has ",
                               counted(x.rank(), "dimension", "dimensions"));
    }
    if (!axes) {
        return sliceUnknown(context);
    }
    const auto checkLength = [&](const char* name, std::optional<int64_t> got) {
        if (!got || *got == static_cast<int64_t>(axes->size())) {
            return support::okStatus();
        }
        return invalidArgument("'", name, "' has ", counted(*got, "entry", "entries"), ", but 'axes' has ",
                               axes->size());
    };
    TN_RETURN_IF_ERROR(checkLength("starts", startCount));
    TN_RETURN_IF_ERROR(checkLength(limitName, listLength(context, limitInput, limitName)));
    const bool hasSteps = isGiven(context, 4, "steps");
    if (hasSteps) {
        TN_RETURN_IF_ERROR(checkLength("steps", listLength(context, 4, "steps")));
    }
    const auto steps = hasSteps ? constantIntegers(context, 4, "steps") : std::vector<int64_t>(axes->size(), 1);
    const bool isStrict = context.attributes().stringOr("mode", "strict") == "strict";
    Extents dims = x.dims;
    std::vector<Cut> cuts(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
        cuts[i] = {dims[i], 0, 1};
    }
    for (size_t i = 0; i < axes->size(); ++i) {
        const auto axis = static_cast<size_t>((*axes)[i]);
        if (steps && (*steps)[i] == 0) {
            return invalidArgument("the step in dim ", axis, " is 0");
        }
        if (limits && hasSizes) {
            TN_ASSIGN_OR_RETURN(cuts[axis], cutToSize(math, dims[axis], starts ? (*starts)[i] : DimExpr{}, (*limits)[i],
                                                      steps ? (*steps)[i] : 1, isStrict && steps && starts,
                                                      static_cast<int64_t>(axis)));
        } else if (starts && limits && steps) {
            cuts[axis] = cutToEnd(math, dims[axis], (*starts)[i], (*limits)[i], (*steps)[i]);
        } else {
            cuts[axis] = {context.unbacked("slice"), std::nullopt, 1};
        }
        dims[axis] = cuts[axis].count;
    }
    const auto small = smallTensor(context, 0);
    const auto to = smallDims(math, dims);
    const bool known = std::all_of(cuts.begin(), cuts.end(), [](const Cut& cut) { return cut.start.has_value(); });
    if (small && to && known) {
        setContents(context, 0, generate(*to, [&](std::vector<int64_t> coordinate) {
                        for (size_t d = 0; d < coordinate.size(); ++d) {
                            coordinate[d] = *cuts[d].start + coordinate[d] * cuts[d].step;
                        }
                        return elementAt(*small, coordinate);
                    }));
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

// What the modes that copy elements of x need of one constant extent.
Status checkPadMode(const std::string& mode, int64_t extent, int64_t begin, int64_t end, size_t dim) {
    if (mode == "constant" || (begin <= 0 && end <= 0)) {
        return support::okStatus();
    }
    if (extent == 0) {
        return invalidArgument("mode '", mode, "' cannot pad dim ", dim, ", which is empty");
    }
    if (mode == "reflect" && std::max(begin, end) >= extent) {
        return invalidArgument("mode 'reflect' cannot add ", std::max(begin, end), " elements to dim ", dim,
                               " of extent ", extent, ", only up to ", extent - 1);
    }
    return support::okStatus();
}

Status inferPad(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 1, 1));
    TN_RETURN_IF_ERROR(needSameType(context, 0, 2));
    TN_RETURN_IF_ERROR(needRank(context, 2, 0, 1));
    TN_RETURN_IF_ERROR(needType(context, 3, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 3, 1, 1));
    if (!isGiven(context, 1, "pads")) {
        return invalidArgument("needs the attribute 'pads' or operand 1");
    }
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, unranked(x.dtype));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    if (context.hasInput(2) && context.input(2).type.rank() == 1 &&
        math.differSurely(context.input(2).type.dims[0], math.constant(1))) {
        return invalidArgument("the value (operand 2) must be one element, but has shape ",
                               math.text(context.input(2).type.dims));
    }
    std::optional<std::vector<int64_t>> axes;
    if (isGiven(context, 3, "axes")) {
        axes = constantIntegers(context, 3, "axes");
        if (axes) {
            TN_ASSIGN_OR_RETURN(axes, normalAxes(*axes, x.rank()));
        }
    } else {
        axes.emplace();
        for (int64_t i = 0; i < x.rank(); ++i) {
            axes->push_back(i);
        }
    }
    const auto length = listLength(context, 1, "pads");
    if (axes && length && *length != 2 * static_cast<int64_t>(axes->size())) {
        return invalidArgument("'pads' has ", counted(*length, "entry", "entries"), ", but needs ", 2 * axes->size(),
                               ": begin and end of ", counted(axes->size(), "dimension", "dimensions"));
    }
    const auto pads = context.integers(1, "pads");
    const std::string mode = context.attributes().stringOr("mode", "constant");
    Extents dims = x.dims;
    for (size_t i = 0; i < dims.size(); ++i) {
        const auto at =
            axes ? std::find(axes->begin(), axes->end(), static_cast<int64_t>(i)) : std::vector<int64_t>::iterator{};
        if (axes && at == axes->end()) {
            continue;
        }
        if (!axes || !pads) {
            dims[i] = context.unbacked("padded");
            continue;
        }
        const auto index = static_cast<size_t>(at - axes->begin());
        const DimExpr begin = (*pads)[index];
        const DimExpr end = (*pads)[index + axes->size()];
        const auto beginValue = math.value(begin);
        const auto endValue = math.value(end);
        if (beginValue && endValue && math.value(dims[i])) {
            TN_RETURN_IF_ERROR(checkPadMode(mode, *math.value(dims[i]), *beginValue, *endValue, i));
        }
        const DimExpr extent = math.add(math.add(dims[i], begin), end);
        if (math.bounds(extent).max < 0) {
            return invalidArgument("pads ", math.text(begin), " and ", math.text(end), " take more than dim ", i,
                                   " of extent ", math.text(dims[i]), " has");
        }
        dims[i] = extent;
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> movement_sliceOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        OpBuilder("pad", "x with elements added at the begin and end of dimensions; negative counts cut elements off.")
            .input("x")
            .shapeOperand("pads", AttributeKind::kDims,
                          "counts at the begin of each of `axes`, then at the end of each")
            .optionalInput("value", "one element; absent: the attribute")
            .shapeOperand("axes", AttributeKind::kInts, "absent: all")
            .text(
                "mode", "constant", {"constant", "reflect", "edge", "wrap"},
                "what is added: the value; x mirrored at its border element; the border element; x from its other end")
            .number("value", 0, "of mode constant")
            .build(inferPad));
    ops.push_back(
        OpBuilder("slice", "Elements start, start + step, ... along some dimensions: up to but without `end`, where "
                           "negative positions count from the end and all are "
                           "clamped to the extent; or exactly `size` of them.")
            .input("x")
            .shapeOperand("starts", AttributeKind::kDims, "one per axis")
            .shapeOperand("ends", AttributeKind::kDims, "one per axis; either this or sizes")
            .shapeOperand("axes", AttributeKind::kInts, "absent: the first ones, in order")
            .shapeOperand("steps", AttributeKind::kInts, "not 0; negative: backwards; absent: 1")
            .shapeOperand("sizes", AttributeKind::kDims, "one per axis")
            .text(
                "mode", "strict", {"strict", "clamp", "fill", "wrap", "reflect"},
                "with sizes, what an element outside of x is: an error, the nearest one, zero, x repeated, x mirrored")
            .build(inferSlice));
    return ops;
}

} // namespace tenon::ops
