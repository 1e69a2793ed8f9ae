// where, prelu: elementwise ops that are neither unary nor binary.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

namespace tenon::ops {

namespace {

Status inferWhere(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kBool));
    TN_RETURN_IF_ERROR(needSameType(context, 1, 2));
    TN_ASSIGN_OR_RETURN(ir::TensorType type, broadcastInputs(context, {0, 1, 2}));
    type.dtype = context.input(1).type.dtype;
    context.setOutput(0, type);
    const auto condition = smallTensor(context, 0);
    const auto a = smallTensor(context, 1);
    const auto b = smallTensor(context, 2);
    if (condition && a && b) {
        const ExtentMath math(context.pool());
        setContents(context, 0, mapBroadcast({*condition, *a, *b}, [&](const Extents& e) {
                        return math.select(e[0], e[1], e[2]);
                    }));
    }
    return support::okStatus();
}

Status inferPrelu(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    TN_RETURN_IF_ERROR(needSameType(context, 0, 1));
    TN_RETURN_IF_ERROR(needBroadcastsTo(context, 1, 0));
    context.setOutput(0, context.input(0).type);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> whereOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("prelu", "y = x where x >= 0, else slope * x. slope broadcasts to the shape of x.")
                      .input("x")
                      .input("slope")
                      .pointwise()
                      .build(inferPrelu));
    ops.push_back(OpBuilder("where", "y = a where condition is true, else b. All three broadcast.")
                      .input("condition", "bool")
                      .input("a")
                      .input("b", "of the type of a")
                      .pointwise()
                      .build(inferWhere));
    return ops;
}

} // namespace tenon::ops
