// pattern_sibling_products: matrix products of one value with constant weights of one shape, each with its bias if it has one: the query, key and
// value projections of attention, say. A kernel may compute them as one batched product or as one with all columns. The nodes stay as they
// are; the region has one output per product.
#include "core/passes/pattern_registry.h"

#include <map>
#include <tuple>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMostSiblings = 4;

// What siblings have in common.
using Kind = std::tuple<int32_t, std::vector<int64_t>, ir::DataType, int64_t, bool>;

// The addition of a constant of one element per column that alone reads the product.
Node* biasOf(const Node& product) {
    const Value& value = *product.output(0);
    Node* const sum = value.uses().size() == 1 ? value.uses()[0].node : nullptr;
    if (sum == nullptr || sum->op() != "binary.add" || !isReadOnlyBy(value, *sum) || value.quantization() ||
        sum->settings().debugOutput) {
        return nullptr;
    }
    const Value* const bias = sum->input(value.uses()[0].index == 0 ? 1 : 0);
    const ir::ConstantPtr constant = bias->constant();
    const std::vector<int64_t>& weights = product.input(1)->constant()->dims;
    const int64_t columns = weights[product.attributes().intOr("trans_b", 0) != 0 ? 0 : 1];
    const bool fits = constant != nullptr && !constant->dims.empty() && constant->elements() == columns &&
                      constant->dims.back() == columns &&
                      static_cast<int32_t>(constant->dims.size()) <= value.type().rank();
    return fits ? sum : nullptr;
}

} // namespace

void findSiblingProducts(const ir::Graph& graph, const ops::OpRegistry&, std::vector<Region>& regions) {
    std::map<Kind, std::vector<std::vector<Node*>>> families;
    std::vector<Kind> order;
    for (Node* node : graph.nodes()) {
        const Value* const weights = node->op() == "matmul" ? node->input(1) : nullptr;
        if (weights == nullptr || weights->constant() == nullptr || weights->constant()->dims.size() != 2 ||
            node->input(0)->constant() != nullptr || node->input(0)->type().rank() < 2 ||
            node->attributes().intOr("trans_a", 0) != 0 || node->settings().debugOutput) {
            continue;
        }
        std::vector<Node*> member{node};
        if (Node* const bias = biasOf(*node)) {
            member.push_back(bias);
        }
        const Kind kind{node->input(0)->id(), weights->constant()->dims, weights->type().dtype,
                        node->attributes().intOr("trans_b", 0), member.size() > 1};
        auto& family = families[kind];
        if (family.empty()) {
            order.push_back(kind);
        }
        family.push_back(std::move(member));
    }
    for (const Kind& kind : order) {
        const auto& family = families[kind];
        for (size_t begin = 0; begin + 1 < family.size(); begin += kMostSiblings) {
            const size_t end = std::min(begin + kMostSiblings, family.size());
            if (end - begin < 2) {
                break;
            }
            Region region{"sibling products", {}};
            for (size_t i = begin; i < end; ++i) {
                region.nodes.insert(region.nodes.end(), family[i].begin(), family[i].end());
            }
            if (std::get<4>(kind)) {
                region.label += "+bias";
            }
            regions.push_back(std::move(region));
        }
    }
}

} // namespace tenon::passes
