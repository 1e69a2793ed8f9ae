// resize, depth_to_space, space_to_depth.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

#include <algorithm>
#include <cmath>

namespace tenon::ops {

using ir::DimExpr;
using ir::TensorType;
using support::invalidArgument;

namespace {

std::optional<std::vector<double>> readNumbers(const InferContext& context, size_t input, const char* attribute) {
    if (const auto* values = context.attributes().get<std::vector<double>>(attribute)) {
        return *values;
    }
    if (const auto* whole = context.attributes().get<std::vector<int64_t>>(attribute)) {
        return std::vector<double>(whole->begin(), whole->end());
    }
    if (!context.hasInput(input) || context.input(input).constant == nullptr ||
        context.input(input).constant->elements() > TN_MAX_DIMS) {
        return std::nullopt;
    }
    std::vector<double> values;
    for (int64_t i = 0; i < context.input(input).constant->elements(); ++i) {
        values.push_back(context.input(input).constant->numberAt(i));
    }
    return values;
}

// With one scale for all axes: the ratio sizes[j] / in[j] that is smallest or largest, and extents in[i] * ratio
// rounded half up.
Extents keepAspect(const ExtentMath& math, const Extents& in, const Extents& sizes, bool smallest) {
    DimExpr numerator = sizes[0];
    DimExpr denominator = in[0];
    for (size_t j = 1; j < in.size(); ++j) {
        const DimExpr own = math.mul(sizes[j], denominator);
        const DimExpr best = math.mul(numerator, in[j]);
        const DimExpr better = smallest ? math.less(own, best) : math.less(best, own);
        numerator = math.select(better, sizes[j], numerator);
        denominator = math.select(better, in[j], denominator);
    }
    Extents result;
    for (const DimExpr extent : in) {
        const DimExpr doubled = math.add(math.mul(math.mul(numerator, extent), 2), denominator);
        result.push_back(math.floorDiv(doubled, math.mul(denominator, 2)));
    }
    return result;
}

Status inferResize(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needType(context, 1, TypeClass::kIndex));
    TN_RETURN_IF_ERROR(needRank(context, 1, 1, 1));
    TN_RETURN_IF_ERROR(needType(context, 2, TypeClass::kFloat));
    TN_RETURN_IF_ERROR(needRank(context, 2, 1, 1));
    const bool hasSizes = isGiven(context, 1, "sizes");
    if (hasSizes == isGiven(context, 2, "scales")) {
        return invalidArgument("needs one of 'sizes' and 'scales', as an attribute or an operand");
    }
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, x);
        return support::okStatus();
    }
    std::vector<int64_t> axes = context.attributes().intsOr("axes", {});
    if (!context.attributes().has("axes")) {
        for (int64_t i = 0; i < x.rank(); ++i) {
            axes.push_back(i);
        }
    }
    TN_ASSIGN_OR_RETURN(axes, normalAxes(axes, x.rank()));
    const auto length = listLength(context, hasSizes ? 1 : 2, hasSizes ? "sizes" : "scales");
    if (length && *length != static_cast<int64_t>(axes.size())) {
        return invalidArgument("'", hasSizes ? "sizes" : "scales", "' has ", counted(*length, "entry", "entries"),
                               ", but needs ", axes.size(), ", one per axis");
    }
    const auto roi = readNumbers(context, SIZE_MAX, "roi");
    const bool crops = context.attributes().stringOr("coordinate", "half_pixel") == "tf_crop_and_resize";
    if (roi && roi->size() != 2 * axes.size()) {
        return invalidArgument("attribute 'roi' has ", counted(roi->size(), "entry", "entries"), ", but needs ",
                               2 * axes.size(), ": all begins, then all ends");
    }
    if (crops && !roi) {
        return invalidArgument("coordinate 'tf_crop_and_resize' needs the attribute 'roi'");
    }
    const ExtentMath math(context.pool());
    Extents in;
    for (const int64_t axis : axes) {
        in.push_back(x.dims[static_cast<size_t>(axis)]);
    }
    Extents out;
    if (hasSizes) {
        if (const auto sizes = context.integers(1, "sizes")) {
            for (const DimExpr size : *sizes) {
                if (math.bounds(size).max < 0) {
                    return invalidArgument("the size ", math.text(size), " is negative: ", math.text(*sizes));
                }
            }
            const std::string aspect = context.attributes().stringOr("keep_aspect", "stretch");
            out = aspect == "stretch" || in.empty() ? *sizes : keepAspect(math, in, *sizes, aspect == "not_larger");
        }
    } else if (const auto scales = readNumbers(context, 2, "scales")) {
        for (size_t i = 0; i < in.size(); ++i) {
            const double scale = (*scales)[i] * (crops ? (*roi)[i + in.size()] - (*roi)[i] : 1);
            if (!(scale >= 0) || !std::isfinite(scale) || (*scales)[i] <= 0) {
                return invalidArgument("scale ", (*scales)[i], " of axis ", axes[i], " must be positive");
            }
            out.push_back(math.scaleFloor(in[i], scale));
        }
    }
    Extents dims = x.dims;
    for (size_t i = 0; i < axes.size(); ++i) {
        dims[static_cast<size_t>(axes[i])] = out.empty() ? context.unbacked("resized") : out[i];
    }
    for (size_t i = 0; i < dims.size(); ++i) {
        if (math.is(x.dims[i], 0) && math.bounds(dims[i]).min > 0) {
            return invalidArgument("dim ", i, " of operand 0 is empty and cannot be resized to ", math.text(dims[i]));
        }
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

Status inferBlocks(InferContext& context, bool toSpace) {
    TN_RETURN_IF_ERROR(needRank(context, 0, 4, 4));
    const TensorType& x = context.input(0).type;
    if (!x.ranked) {
        context.setOutput(0, tensorOf(x.dtype, Extents(4)));
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const int64_t block = context.attributes().intOr("block", 1);
    const auto divided = [&](size_t dim, int64_t by) -> support::Result<DimExpr> {
        if (math.indivisibleSurely({x.dims[dim]}, {math.constant(by)})) {
            return invalidArgument("the extent ", math.text(x.dims[dim]), " of dim ", dim, " is no multiple of ", by);
        }
        return math.quotient({x.dims[dim]}, {math.constant(by)});
    };
    Extents dims = x.dims;
    const int64_t area = block * block; // block is an int32
    if (toSpace) {
        TN_ASSIGN_OR_RETURN(dims[1], divided(1, area));
    } else {
        dims[1] = math.mul(x.dims[1], area);
    }
    for (const size_t i : {2, 3}) {
        if (toSpace) {
            dims[i] = math.mul(x.dims[i], block);
        } else {
            TN_ASSIGN_OR_RETURN(dims[i], divided(i, block));
        }
    }
    context.setOutput(0, tensorOf(x.dtype, std::move(dims)));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> resizeOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        OpBuilder("depth_to_space",
                  "Blocks of channels become blocks of pixels: [N, C, H, W] to [N, C / block^2, H * block, W * block].")
            .input("x", "[N, C, H, W]")
            .requiredInteger("block", "", kPositive)
            .text("mode", "dcr", {"dcr", "crd"}, "the order in C: block row, block column, channel; or channel first")
            .build([](InferContext& context) { return inferBlocks(context, true); }));
    ops.push_back(
        OpBuilder("resize", "x sampled at other extents: `sizes`, or floor(extent * scale).")
            .input("x")
            .shapeOperand("sizes", AttributeKind::kDims, "extents of `axes`; either this or scales")
            .shapeOperand("scales", AttributeKind::kFloats, "factors of `axes`")
            .integers("axes", "absent: all")
            .text("mode", "nearest", {"nearest", "linear", "cubic"}, "interpolation")
            .text("coordinate", "half_pixel",
                  {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn",
                   "half_pixel_symmetric", "tf_crop_and_resize"},
                  "the position in x of an element of y")
            .text("nearest", "round_prefer_floor", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
                  "which element, in mode nearest")
            .number("cubic_a", -0.75, "the coefficient of the cubic kernel")
            .flag("exclude_outside", false, "1: weights of elements outside are 0 and the others are scaled up")
            .flag("antialias", false, "1: the kernel is widened by 1 / scale when shrinking")
            .text("keep_aspect", "stretch", {"stretch", "not_larger", "not_smaller"},
                  "with sizes: one scale for all axes, the smallest or the largest of theirs")
            .number("extrapolation", 0, "value outside of the region of interest")
            .numbers("roi",
                     "region of interest of tf_crop_and_resize, in units of the extents: begins of all axes, then ends")
            .build(inferResize));
    ops.push_back(OpBuilder("space_to_depth", "Blocks of pixels become channels: [N, C, H, W] to [N, C * block^2, H / "
                                              "block, W / block], block row and column before the channel.")
                      .input("x", "[N, C, H, W]")
                      .requiredInteger("block", "", kPositive)
                      .build([](InferContext& context) { return inferBlocks(context, false); }));
    return ops;
}

} // namespace tenon::ops
