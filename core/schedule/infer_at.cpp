#include "core/schedule/infer_at.h"

#include "core/ops/infer_context.h"

namespace tenon::schedule {

support::Result<std::vector<ops::InferOutput>>
inferAt(const ir::Node& node, const ops::OpDef& def, const std::vector<int64_t>& symbolValues, ir::ExprPool& numbers) {
    const ir::ExprPool& pool = node.graph()->pool();
    const auto evaluated = [&](const std::vector<ir::DimExpr>& exprs) {
        std::vector<ir::DimExpr> values;
        for (const ir::DimExpr expr : exprs) {
            values.push_back(expr.valid() ? numbers.constant(pool.evaluate(expr, symbolValues)) : expr);
        }
        return values;
    };
    std::vector<ops::InferInput> inputs;
    for (const ir::Value* value : node.inputs()) {
        ops::InferInput& input = inputs.emplace_back();
        if (value == nullptr) {
            continue;
        }
        input = {true, value->type(), {}, value->constant()};
        input.type.dims = evaluated(value->type().dims);
        if (value->contents()) {
            input.contents = evaluated(*value->contents());
        }
    }
    ir::AttributeMap attributes = node.attributes();
    for (const auto& [name, value] : node.attributes()) {
        if (const auto* list = std::get_if<ir::DimList>(&value)) {
            attributes.set(name, ir::DimList{evaluated(list->dims)});
        }
    }
    ops::InferContext context(attributes, std::move(inputs), node.outputs().size(), numbers);
    TN_RETURN_IF_ERROR(def.infer(context));
    return context.outputs();
}

} // namespace tenon::schedule
