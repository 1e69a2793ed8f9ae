#include "core/schedule/selector_assembly.h"

#include "core/schedule/selector_conversions.h"

#include <algorithm>

namespace tenon::schedule {
namespace {

// The graph's ends are free within what the problem allows: try them all.
struct ValuePlan {
    ConversionTree tree;
    int32_t produced = -1;
    int32_t output = -1;
    double cost = kUnreachable; // with the price of the input format
};

ValuePlan planValue(const PreparedValue& value, const std::vector<int32_t>& sources,
                    const std::vector<int32_t>& targets) {
    ValuePlan best;
    const std::vector<int32_t> anyOutput = {-1};
    for (int32_t source : sources) {
        const double arrival = value.producer < 0 ? value.inputCost[static_cast<size_t>(source)] : 0.0;
        for (int32_t output : value.graphOutput ? value.outputFormats : anyOutput) {
            std::vector<int32_t> all = targets;
            if (output >= 0) {
                all.push_back(output);
            }
            ConversionTree tree = planConversions(value.formatCount, value.direct, value.closed, source, all);
            if (arrival + tree.cost < best.cost) {
                best.cost = arrival + tree.cost;
                best.tree = std::move(tree);
                best.produced = source;
                best.output = output;
            }
        }
    }
    return best;
}

} // namespace

Assembly assembleSelection(const PreparedProblem& prepared, const std::vector<Choice>& choices) {
    Assembly result;
    Selection& selection = result.selection;
    result.valueCost.assign(prepared.values.size(), 0.0);
    selection.regionOfNode.assign(static_cast<size_t>(prepared.nodeCount), -1);
    std::vector<int32_t> producedFormat(prepared.values.size(), -1);
    std::vector<std::vector<RegionRead>> reads(prepared.values.size());
    for (size_t i = 0; i < choices.size(); ++i) {
        const PreparedRegion& region = prepared.regions[static_cast<size_t>(choices[i].region)];
        const PreparedCandidate& candidate = region.candidates[static_cast<size_t>(choices[i].candidate)];
        const int32_t id = prepared.source->regions[static_cast<size_t>(candidate.region)].id;
        selection.chosen.push_back({id, candidate.id});
        selection.totalCost += candidate.cost;
        for (int32_t node : region.nodes) {
            selection.regionOfNode[static_cast<size_t>(node)] = static_cast<int32_t>(i);
        }
        const int32_t* formats = region.formatsOf(static_cast<size_t>(choices[i].candidate));
        for (size_t p = 0; p < region.ports.size(); ++p) {
            const size_t value = static_cast<size_t>(region.ports[p].value);
            if (region.ports[p].output) {
                producedFormat[value] = formats[p] - 1;
            } else if (formats[p] > 0) {
                reads[value].push_back({id, formats[p] - 1});
            }
        }
    }
    for (size_t v = 0; v < prepared.values.size(); ++v) {
        const PreparedValue& value = prepared.values[v];
        std::vector<int32_t> sources;
        if (value.producer >= 0) {
            if (producedFormat[v] < 0) {
                continue; // inside a region, or nobody uses it
            }
            sources.push_back(producedFormat[v]);
        } else {
            if (reads[v].empty() && !value.graphOutput) {
                continue;
            }
            for (int32_t f = 0; f < value.formatCount; ++f) {
                if (value.inputCost[static_cast<size_t>(f)] < kUnreachable) {
                    sources.push_back(f);
                }
            }
        }
        std::vector<int32_t> targets;
        for (const RegionRead& read : reads[v]) {
            targets.push_back(read.format);
        }
        ValuePlan plan = planValue(value, sources, targets);
        if (plan.produced < 0) {
            result.feasible = false;
            selection.totalCost = kUnreachable;
            return result;
        }
        result.exact = result.exact && plan.tree.exact;
        std::sort(reads[v].begin(), reads[v].end(),
                  [](const RegionRead& a, const RegionRead& b) { return a.region < b.region; });
        selection.totalCost += plan.cost;
        result.valueCost[v] = plan.cost;
        selection.values.push_back({static_cast<int32_t>(v), plan.produced, std::move(plan.tree.formats),
                                    std::move(plan.tree.conversions), std::move(reads[v]), plan.output});
    }
    return result;
}

} // namespace tenon::schedule
