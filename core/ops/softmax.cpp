// softmax, log_softmax: along one axis.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

namespace {

Status inferSoftmax(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
    const ir::TensorType& x = context.input(0).type;
    if (x.ranked) {
        TN_RETURN_IF_ERROR(normalAxis(context.attributes().intOr("axis", -1), x.rank()).status());
    }
    context.setOutput(0, x);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> softmaxOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("log_softmax", "y = x - ln(sum of e^x along axis).")
                      .input("x")
                      .integer("axis", -1, "")
                      .build(inferSoftmax));
    ops.push_back(OpBuilder("softmax", "y = e^x / (sum of e^x along axis).")
                      .input("x")
                      .integer("axis", -1, "")
                      .build(inferSoftmax));
    return ops;
}

} // namespace tenon::ops
