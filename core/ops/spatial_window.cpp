#include "core/ops/spatial_window.h"

#include <algorithm>

namespace tenon::ops {

using ir::DimExpr;
using support::Result;

OpBuilder& addWindowAttributes(OpBuilder& builder) {
    return builder.integers("strides", "steps of the window, one per spatial dimension; absent: 1", kPositive)
        .integers("pads", "elements added at the begin of each spatial dimension, then at the end of each; absent: 0",
                  kNotNegative)
        .integers("dilations", "distance of the window's elements; absent: 1", kPositive)
        .text("auto_pad", "explicit", {"explicit", "same_upper", "same_lower", "valid"},
              "same_*: ceil(extent / stride) windows, an odd element of padding at the end (upper) or the begin "
              "(lower); valid: no padding");
}

Result<SpatialWindow> readWindow(const InferContext& context, size_t spatialRank) {
    const auto list = [&](const char* name, size_t count, int64_t fallback) -> Result<std::vector<int64_t>> {
        auto values = context.attributes().intsOr(name, {});
        if (values.empty()) {
            values.assign(count, fallback);
        }
        if (values.size() != count) {
            return support::invalidArgument("attribute '", name, "' has ", counted(values.size(), "entry", "entries"),
                                            ", but needs ", count, " for ",
                                            counted(spatialRank, "spatial dimension", "spatial dimensions"));
        }
        return values;
    };
    SpatialWindow window;
    TN_ASSIGN_OR_RETURN(window.strides, list("strides", spatialRank, 1));
    TN_ASSIGN_OR_RETURN(window.dilations, list("dilations", spatialRank, 1));
    TN_ASSIGN_OR_RETURN(std::vector<int64_t> pads, list("pads", 2 * spatialRank, 0));
    const std::string mode = context.attributes().stringOr("auto_pad", "explicit");
    window.autoPad = mode == "same_upper"   ? AutoPad::kSameUpper
                     : mode == "same_lower" ? AutoPad::kSameLower
                     : mode == "valid"      ? AutoPad::kValid
                                            : AutoPad::kExplicit;
    if (window.autoPad != AutoPad::kExplicit) {
        pads.assign(pads.size(), 0);
    }
    const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(spatialRank);
    window.padsBegin.assign(pads.begin(), middle);
    window.padsEnd.assign(middle, pads.end());
    window.ceilMode = context.attributes().intOr("ceil_mode", 0) != 0;
    return window;
}

Result<DimExpr> windowCount(const ExtentMath& math, const SpatialWindow& window, size_t i, DimExpr in, DimExpr kernel,
                            size_t dim) {
    const int64_t stride = window.strides[i];
    if (math.is(kernel, 0)) {
        return support::invalidArgument("the window is empty in dim ", dim);
    }
    if (window.autoPad == AutoPad::kSameUpper || window.autoPad == AutoPad::kSameLower) {
        return math.ceilDiv(in, stride);
    }
    const DimExpr reach = math.add(math.mul(math.sub(kernel, 1), window.dilations[i]), 1);
    const DimExpr begun = math.add(in, window.padsBegin[i]);
    const DimExpr padded = math.add(begun, window.padsEnd[i]);
    DimExpr count;
    if (window.ceilMode) {
        // Rounded up, less a window that would start behind the input and its leading padding: of ceil((begun + slack) /
        // stride) and ceil(begun / stride) the smaller, which the sign of the slack decides.
        const DimExpr slack = math.sub(math.constant(window.padsEnd[i] + stride), reach);
        count = math.ceilDiv(math.add(begun, math.min(slack, math.constant(0))), stride);
    } else {
        const DimExpr room = math.sub(padded, reach);
        count = math.add(math.floorDiv(room, stride), 1);
        // Whether an input that is not empty can be too small. Where it cannot, the count is that of a convolution with the
        // same window, which often runs beside it.
        const int64_t smallest = std::max<int64_t>(math.bounds(in).min, 1) + window.padsBegin[i] + window.padsEnd[i];
        if (window.clipped && smallest < math.bounds(reach).max && math.bounds(room).max > -stride && !math.is(in, 0)) {
            count = math.max(count, math.constant(1));
        }
    }
    if (math.bounds(count).max < 1) {
        return support::invalidArgument("a window of ", math.text(reach), window.dilations[i] == 1 ? "" : " (dilated)",
                                        " does not fit into dim ", dim, " of extent ", math.text(in), ", padded ",
                                        math.text(padded));
    }
    return count;
}

} // namespace tenon::ops
