// pattern_sibling_convolutions: convolutions of one value with constant weights, each with its own bias, factor and activation: the first layers of
// an Inception module's branches, the two paths into a residual block, the heads of a detector. Each of them alone leaves most of a device idle
// where images are few. The nodes stay as they are; the region has one output per convolution.
#include "core/passes/epilogue.h"
#include "core/passes/pattern_registry.h"

#include <map>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMostSiblings = 4;

bool isMember(const Node& node) {
    const auto isConstant = [](const Value* value) { return value != nullptr && value->constant() != nullptr; };
    return node.op() == "conv" && node.outputs().size() == 1 && node.inputs().size() >= 2 && node.input(0) != nullptr &&
           !isConstant(node.input(0)) && isConstant(node.input(1)) &&
           (node.inputs().size() < 3 || node.input(2) == nullptr || isConstant(node.input(2)));
}

// What reads nothing but the step before and constants: a residual may come from a sibling.
bool isOwn(const EpilogueStep& step) {
    return step.part == EpiloguePart::kBias || step.part == EpiloguePart::kScale ||
           (step.part == EpiloguePart::kActivation && step.nodes.front()->op().starts_with("activation."));
}

} // namespace

void findSiblingConvolutions(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    std::map<int32_t, std::vector<Node*>> families;
    std::vector<int32_t> order;
    for (Node* node : graph.nodes()) {
        if (isMember(*node)) {
            auto& family = families[node->input(0)->id()];
            if (family.empty()) {
                order.push_back(node->input(0)->id());
            }
            family.push_back(node);
        }
    }
    for (const int32_t value : order) {
        const std::vector<Node*>& family = families[value];
        for (size_t begin = 0; begin + 1 < family.size(); begin += kMostSiblings) {
            Region region{"sibling convolutions", {}};
            for (size_t i = begin; i < std::min(begin + kMostSiblings, family.size()); ++i) {
                region.nodes.push_back(family[i]);
                for (const EpilogueStep& step : epilogueOf(graph, ops, *family[i])) {
                    if (!isOwn(step)) {
                        break;
                    }
                    region.nodes.insert(region.nodes.end(), step.nodes.begin(), step.nodes.end());
                }
            }
            regions.push_back(std::move(region));
        }
    }
}

} // namespace tenon::passes
