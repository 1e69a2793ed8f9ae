// const, identity, cast.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

namespace tenon::ops {

using ir::DataType;
using ir::DimExpr;

namespace {

Status inferConst(InferContext& context) {
    const ir::ConstantPtr constant = *context.attributes().get<ir::ConstantPtr>("value");
    Extents dims;
    for (const int64_t extent : constant->dims) {
        dims.push_back(context.pool().constant(extent));
    }
    InferInput self;
    self.present = true;
    self.type = tensorOf(constant->dtype, dims);
    self.constant = constant;
    const InferContext reader(context.attributes(), {self}, 0, context.pool());
    context.setOutput(0, self.type);
    if (auto contents = reader.contentsOf(0)) {
        context.setContents(0, std::move(*contents));
    }
    return support::okStatus();
}

Status inferIdentity(InferContext& context) {
    context.setOutput(0, context.input(0).type);
    if (auto contents = context.contentsOf(0)) {
        context.setContents(0, std::move(*contents));
    }
    return support::okStatus();
}

// Largest magnitude up to which every whole number is a value of the type; symbolic numbers pass only where extents
// always fit.
struct WholeRange {
    int64_t min;
    int64_t max;
    bool fitsExtents;
};

WholeRange wholeRange(DataType type) {
    switch (type) {
    case DataType::kI64:
        return {INT64_MIN, INT64_MAX, true};
    case DataType::kU64:
        return {0, INT64_MAX, true};
    case DataType::kI32:
        return {INT32_MIN, INT32_MAX, true};
    case DataType::kU32:
        return {0, UINT32_MAX, true};
    case DataType::kF64:
        return {-(int64_t{1} << 53), int64_t{1} << 53, true};
    case DataType::kF32:
        return {-(1 << 24), 1 << 24, true};
    case DataType::kF16:
        return {-2048, 2048, false};
    case DataType::kBF16:
        return {-256, 256, false};
    case DataType::kI16:
        return {INT16_MIN, INT16_MAX, false};
    case DataType::kU16:
        return {0, UINT16_MAX, false};
    case DataType::kI8:
        return {INT8_MIN, INT8_MAX, false};
    case DataType::kU8:
        return {0, UINT8_MAX, false};
    case DataType::kI4:
        return {-8, 7, false};
    case DataType::kU4:
        return {0, 15, false};
    case DataType::kBool:
    case DataType::kF8E4M3:
    case DataType::kF8E5M2:
    case DataType::kF8E8M0:
    case DataType::kF4E2M1:
    case DataType::kString:
        return {0, 0, false};
    }
    return {0, 0, false};
}

Status inferCast(InferContext& context) {
    const ir::TensorType& from = context.input(0).type;
    const DataType to = *context.attributes().get<DataType>("to");
    if ((from.dtype == DataType::kString) != (to == DataType::kString)) {
        return support::unsupported("there is no conversion from ", ir::nameOf(from.dtype), " to ", ir::nameOf(to));
    }
    ir::TensorType type = from;
    type.dtype = to;
    context.setOutput(0, type);
    auto contents = context.contentsOf(0);
    if (!contents) {
        return support::okStatus();
    }
    const ExtentMath math(context.pool());
    const WholeRange range = wholeRange(to);
    for (DimExpr& e : *contents) {
        if (to == DataType::kBool) {
            e = math.sub(math.constant(1), math.equal(e, math.constant(0)));
            continue;
        }
        const ir::Interval bounds = math.bounds(e);
        if (!(bounds.min >= range.min && bounds.max <= range.max) && !(range.fitsExtents && !math.value(e))) {
            return support::okStatus(); // would wrap or round
        }
    }
    context.setContents(0, std::move(*contents));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> constantOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("const", "A tensor that is known when the plan is built.")
                      .tensor("value", "the elements, their type and shape", true)
                      .build(inferConst));
    ops.push_back(
        OpBuilder("identity", "y = x, whatever x is.").input("x").pointwise().view().anyKind().build(inferIdentity));
    ops.push_back(
        OpBuilder("cast",
                  "Converts elements. Float to integer truncates toward zero, anything to bool is x != 0, bool to a "
                  "number is 0 or 1. To 8-bit floats "
                  "values beyond the largest finite one become that one, or infinity or NaN when saturate is 0.")
            .input("x")
            .dtype("to", std::nullopt, "element type of the output", true)
            .flag("saturate", true, "of conversions to 8-bit floats")
            .pointwise()
            .build(inferCast));
    return ops;
}

} // namespace tenon::ops
