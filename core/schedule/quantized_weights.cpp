#include "core/schedule/quantized_weights.h"

#include "core/passes/pattern_registry.h"
#include "core/passes/quantization.h"
#include "core/schedule/body.h"
#include "core/schedule/task.h"

#include <algorithm>
#include <map>

namespace tenon::schedule {

namespace {

bool hasKernel(const BuildContext& context, const passes::Region& region, const ir::SymbolBox& box,
               std::map<std::string, bool>& known) {
    const Body body = extractBody(region.nodes, region.label);
    std::vector<ir::ConstantPtr> constants;
    for (const ir::Value* input : body.inputs) {
        constants.push_back(input->constant());
    }
    const support::Result<std::shared_ptr<Task>> task =
        Task::create(body.graph, std::move(constants), box, uint64_t{1} << TN_F32);
    if (!task.ok()) {
        return false;
    }
    const auto [found, added] = known.emplace((*task)->key(), false);
    if (added) {
        enumerateTactics(context, **task, {});
        found->second = std::any_of((*task)->candidates.begin(), (*task)->candidates.end(),
                                    [](const Candidate& each) { return !each.tactic.isReference(); });
    }
    return found->second;
}

} // namespace

support::Result<std::set<int32_t>> unwantedQuantizedWeights(const BuildContext& context, const ir::Graph& graph,
                                                            const ir::SymbolBox& box) {
    std::set<int32_t> unwanted;
    for (const ir::Node* node : graph.nodes()) {
        if (passes::isQuantizedWeight(*node)) {
            unwanted.insert(node->id());
        }
    }
    if (unwanted.empty()) {
        return unwanted;
    }
    std::vector<passes::Region> regions;
    passes::findQuantizedProducts(graph, context.snapshot->ops(), regions);
    std::map<std::string, bool> known;
    for (const passes::Region& region : regions) {
        const auto weights = std::find_if(region.nodes.begin(), region.nodes.end(),
                                          [&](const ir::Node* node) { return unwanted.count(node->id()) != 0; });
        if (weights != region.nodes.end() && hasKernel(context, region, box, known)) {
            unwanted.erase((*weights)->id());
        }
    }
    return unwanted;
}

} // namespace tenon::schedule
