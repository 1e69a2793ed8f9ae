// infer_types: types, extents and contents as far as inference knows them. Folding and simplification make more known than lowering knew.
#include "core/passes/pass.h"

namespace tenon::passes {

namespace {

// Types and contents of every value, to notice whether inference said anything new.
std::vector<std::pair<ir::TensorType, std::optional<std::vector<ir::DimExpr>>>> snapshot(const ir::Graph& graph) {
    std::vector<std::pair<ir::TensorType, std::optional<std::vector<ir::DimExpr>>>> known;
    for (const ir::Node* node : graph.nodes()) {
        for (const ir::Value* value : node->outputs()) {
            known.emplace_back(value->type(), value->contents());
        }
    }
    return known;
}

} // namespace

support::Result<bool> inferTypes(PassContext& context) {
    const auto before = snapshot(context.graph);
    TN_RETURN_IF_ERROR(ops::inferGraph(context.ops, context.graph));
    return snapshot(context.graph) != before;
}

} // namespace tenon::passes
