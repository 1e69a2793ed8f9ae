// Windows that slide over the spatial dimensions: what convolution, deconvolution and pooling share.
// Used by those families' inference. Knows no op.
#pragma once

#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"

#include <cstdint>
#include <vector>

namespace tenon::ops {

enum class AutoPad : uint8_t { kExplicit, kSameUpper, kSameLower, kValid };

struct SpatialWindow {
    std::vector<int64_t> strides; // one per spatial dimension
    std::vector<int64_t> dilations;
    std::vector<int64_t> padsBegin; // zero unless autoPad is kExplicit
    std::vector<int64_t> padsEnd;
    AutoPad autoPad = AutoPad::kExplicit;
    bool ceilMode = false;
    // Pooling: where not even one window fits, but it lacks less than a stride, it counts, cut off at the input's end: as
    // in runtimes whose division rounds towards zero, which networks with dynamic extents rely on.
    bool clipped = false;
};

// Adds strides, pads, dilations and auto_pad to a definition.
OpBuilder& addWindowAttributes(OpBuilder& builder);
// The attributes for this many spatial dimensions; an error where a list has another length.
support::Result<SpatialWindow> readWindow(const InferContext& context, size_t spatialRank);
// The number of windows of `kernel` elements along spatial dimension `i` of extent `in`. `dim` is for the error text.
support::Result<ir::DimExpr> windowCount(const ExtentMath& math, const SpatialWindow& window, size_t i, ir::DimExpr in,
                                         ir::DimExpr kernel, size_t dim);

} // namespace tenon::ops
