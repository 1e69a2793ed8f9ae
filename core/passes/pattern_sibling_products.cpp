// pattern_sibling_products: matrix products of one value with constant weights of one shape, each with its bias if it has one: the query, key and
// value projections of attention, say. A kernel may compute them as one batched product or as one with all columns. The nodes stay as they
// are; the region has one output per product.
#include "core/passes/pattern_registry.h"
#include "core/passes/products.h"

#include <map>
#include <tuple>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMostSiblings = 4;

// What siblings have in common.
using Kind = std::tuple<int32_t, std::vector<int64_t>, ir::DataType, bool, bool>;

} // namespace

void findSiblingProducts(const ir::Graph& graph, const ops::OpRegistry&, std::vector<Region>& regions) {
    std::map<Kind, std::vector<std::vector<Node*>>> families;
    std::vector<Kind> order;
    for (Node* node : graph.nodes()) {
        const auto product = rowProductOf(node);
        if (!product) {
            continue;
        }
        std::vector<Node*> member{node};
        if (Node* const bias = biasOf(*product)) {
            member.push_back(bias);
        }
        const Value& weights = *node->input(1);
        const Kind kind{node->input(0)->id(), weights.constant()->dims, weights.type().dtype, product->transposed,
                        member.size() > 1};
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
