// pool.max, pool.avg, pool.lp. Global pooling is a reduction over the spatial axes.
#include "core/ops/op_families.h"
#include "core/ops/spatial_window.h"

namespace tenon::ops {

namespace {

Status inferPool(InferContext& context) {
    const bool isMax = context.outputCount() == 2;
    TN_RETURN_IF_ERROR(needRank(context, 0, 3, TN_MAX_DIMS));
    const std::vector<int64_t> kernel = *context.attributes().get<std::vector<int64_t>>("kernel");
    if (kernel.empty() || kernel.size() + 2 > TN_MAX_DIMS) {
        return support::invalidArgument("attribute 'kernel' has ", counted(kernel.size(), "entry", "entries"),
                                        ", but needs 1 to ", TN_MAX_DIMS - 2, ", one per spatial dimension");
    }
    const ir::TensorType& x = context.input(0).type;
    const Extents in = x.ranked ? x.dims : Extents(kernel.size() + 2);
    if (in.size() != kernel.size() + 2) {
        return support::invalidArgument("attribute 'kernel' has ", counted(kernel.size(), "entry", "entries"),
                                        ", but operand 0 has ", in.size() - 2,
                                        in.size() == 3 ? " spatial dimension" : " spatial dimensions");
    }
    const ExtentMath math(context.pool());
    TN_ASSIGN_OR_RETURN(SpatialWindow window, readWindow(context, kernel.size()));
    window.clipped = true;
    Extents dims{in[0], in[1]};
    for (size_t i = 0; i < kernel.size(); ++i) {
        TN_ASSIGN_OR_RETURN(const ir::DimExpr extent,
                            windowCount(math, window, i, in[i + 2], math.constant(kernel[i]), i + 2));
        dims.push_back(extent);
    }
    context.setOutput(0, tensorOf(x.dtype, dims));
    if (isMax) {
        context.setOutput(1, tensorOf(ir::DataType::kI64, dims));
    }
    return support::okStatus();
}

OpBuilder pool(const char* name, std::string doc) {
    OpBuilder builder(
        name, std::move(doc) +
                  " Extents as those of conv; with ceil_mode rounded up, less windows that would start behind the "
                  "input. Of an "
                  "input that is too small for one window by less than the stride, one window is cut off and counts.");
    builder.input("x", "[N, C, spatial...]");
    builder.requiredIntegers("kernel", "extents of the window, one per spatial dimension", kPositive);
    addWindowAttributes(builder).flag("ceil_mode", false, "1: extents are rounded up");
    return builder;
}

OpBuilder::Infer ofType(TypeClass wanted) {
    return [wanted](InferContext& context) -> Status {
        TN_RETURN_IF_ERROR(needType(context, 0, wanted));
        return inferPool(context);
    };
}

} // namespace

std::vector<OpDef> poolingOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        pool("pool.avg", "y = mean of each window. Padding counts as zeros with count_include_pad, else it is left out "
                         "of the mean; what ceil_mode adds never counts.")
            .flag("count_include_pad", false, "1: divide by the elements of the window inside the padded input")
            .build(ofType(TypeClass::kFloat)));
    ops.push_back(pool("pool.lp", "y = (sum of |x|^p over each window)^(1/p).")
                      .integer("p", 2, "", kPositive)
                      .build(ofType(TypeClass::kFloat)));
    ops.push_back(pool("pool.max", "y = the largest element of each window; padding never wins. The second output, if "
                                   "asked for, has the winner's index in x flattened.")
                      .integer("storage_order", 0,
                               "of the indices: 0 row-major, 1 with the last two spatial dimensions exchanged", {0, 1})
                      .outputs(1, 2)
                      .build(ofType(TypeClass::kNumber)));
    return ops;
}

} // namespace tenon::ops
