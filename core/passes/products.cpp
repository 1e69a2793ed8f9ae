#include "core/passes/products.h"

#include "core/passes/pattern_registry.h"

namespace tenon::passes {

using ir::Node;
using ir::Value;

bool isRowProduct(const Node& node) {
    const Value* const weights = node.op() == "matmul" ? node.input(1) : nullptr;
    return weights != nullptr && weights->constant() != nullptr && weights->constant()->dims.size() == 2 &&
           node.input(0)->constant() == nullptr && node.input(0)->type().rank() >= 2 &&
           node.attributes().intOr("trans_a", 0) == 0 && !node.settings().debugOutput;
}

std::optional<RowProduct> rowProductOf(Node* node) {
    if (node == nullptr || !isRowProduct(*node)) {
        return std::nullopt;
    }
    RowProduct product{node};
    product.transposed = node->attributes().intOr("trans_b", 0) != 0;
    product.columns = node->input(1)->constant()->dims[product.transposed ? 0 : 1];
    return product;
}

Node* biasOf(const RowProduct& product) {
    const Value& value = *product.node->output(0);
    Node* const sum = value.uses().size() == 1 ? value.uses()[0].node : nullptr;
    if (sum == nullptr || sum->op() != "binary.add" || !isReadOnlyBy(value, *sum) || value.quantization() ||
        sum->settings().debugOutput) {
        return nullptr;
    }
    const Value* const bias = sum->input(value.uses()[0].index == 0 ? 1 : 0);
    const ir::ConstantPtr constant = bias->constant();
    const bool fits = constant != nullptr && !constant->dims.empty() && constant->elements() == product.columns &&
                      constant->dims.back() == product.columns &&
                      static_cast<int32_t>(constant->dims.size()) <= value.type().rank();
    return fits ? sum : nullptr;
}

} // namespace tenon::passes
