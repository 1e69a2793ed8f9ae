#include "core/schedule/selection_builder.h"

#include "core/schedule/kernel_runner.h"
#include "core/schedule/part_views.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule {

namespace {

constexpr double kHostShapeUs = 0.05;
constexpr double kFreeAliasUs = 0.01;
constexpr double kReferencePenalty = 100;

} // namespace

int32_t ValueFormats::find(const PortLayout& port) const {
    for (size_t i = 0; i < formats.size(); ++i) {
        if (equal(formats[i], port)) {
            return static_cast<int32_t>(i);
        }
    }
    return -1;
}

int32_t ValueFormats::keyOf(const PortLayout& port) {
    int32_t key = find(port);
    if (key < 0) {
        key = static_cast<int32_t>(formats.size());
        formats.push_back(port);
    }
    return key;
}

SelectionBuilder::SelectionBuilder(const BuildContext& context, const ir::Graph& graph,
                                   const std::vector<RegionEntry>& regions, Conversions& conversions,
                                   std::vector<TnPlacement> bindings, std::set<int32_t> spared)
    : mContext(context), mGraph(graph), mRegions(regions), mConversions(conversions), mBindings(std::move(bindings)),
      mSpared(std::move(spared)) {}

int32_t SelectionBuilder::valueId(const ir::Value* value) const {
    auto known = mValueIds.find(value);
    return known == mValueIds.end() ? -1 : known->second;
}

bool SelectionBuilder::isHostShape(const RegionEntry& region) {
    if (!region.isSingle() || region.outputs.empty()) {
        return false;
    }
    for (const ir::Value* output : region.outputs) {
        bool integer = ir::isInteger(output->type().dtype) || output->type().dtype == ir::DataType::kBool;
        if (!output->contents() || !integer) {
            return false;
        }
    }
    return true;
}

double SelectionBuilder::costOf(const RegionEntry& region, const Candidate& candidate) const {
    if (candidate.tactic.isFreeAlias() ||
        (region.isSingle() && mForeseenViews.count(region.nodes[0]) &&
         !partViews(region, candidate.tactic.inputs, candidate.tactic.outputs).empty())) {
        return kFreeAliasUs;
    }
    if (candidate.state == CandidateState::kTimed) {
        const bool onHost = candidate.placement == TN_PLACEMENT_HOST;
        return candidate.time.us + (onHost ? handOverUs(mContext, *region.task) : 0);
    }
    double cost = candidate.tactic.estimateUs;
    if (cost <= 0) {
        int64_t bytes = 0;
        auto add = [&](const std::vector<ir::Value*>& values, const std::vector<PortLayout>& ports) {
            for (size_t i = 0; i < values.size(); ++i) {
                support::Result<TnTensor> tensor =
                    tensorAt(ports[i], evaluateDims(mGraph.pool(), values[i]->type(), mConversions.box().opt));
                bytes += tensor.ok() ? tensor->bytes : 0;
            }
        };
        add(region.inputs, candidate.tactic.inputs);
        add(region.outputs, candidate.tactic.outputs);
        // A provider's rank stands for how fast its kernels are, until they are timed.
        int32_t rank = mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)].rank;
        cost = candidate.placement == TN_PLACEMENT_HOST ? modelledUs(bytes) : modelledDeviceUs(bytes);
        cost *= 1 + 1.0 / (1 + std::max(rank, 0));
    }
    return candidate.tactic.isReference() ? cost * kReferencePenalty : cost;
}

bool SelectionBuilder::constantsReachable(const RegionEntry& region, const Candidate& candidate) {
    for (size_t i = 0; i < region.inputs.size(); ++i) {
        ir::ConstantPtr constant = region.inputs[i]->constant();
        if (!constant) {
            continue;
        }
        support::Result<ConstantRoute> route =
            routeOf(mConversions, mGraph.poolPtr(), region.inputs[i]->type(), candidate.tactic.inputs[i]);
        if (!route.ok() || route->kind == ConstantRoute::Kind::kNone) {
            return false;
        }
    }
    return true;
}

support::Result<SelectionProblem> SelectionBuilder::build(const std::string& phase) {
    SelectionProblem problem;
    mConversions.spare(mSpared);
    mValues.clear();
    mValueIds.clear();
    mCandidates.clear();
    mForeseenViews = foreseenViews(mGraph, mRegions);

    std::map<const ir::Node*, int32_t> nodeIds;
    for (const ir::Node* node : mGraph.nodes()) {
        if (node->op() != "const") {
            nodeIds.emplace(node, static_cast<int32_t>(nodeIds.size()));
            problem.nodeNames.push_back(node->name());
        }
    }
    problem.nodeCount = static_cast<int32_t>(nodeIds.size());

    auto addValue = [&](ir::Value* value) {
        if (value->constant() || mValueIds.count(value)) {
            return;
        }
        mValueIds.emplace(value, static_cast<int32_t>(mValues.size()));
        ValueFormats formats;
        formats.value = value;
        formats.keyOf(linearPort(value->type().dtype, std::max(value->type().rank(), 0)));
        mValues.push_back(std::move(formats));
        SelectionValue entry;
        entry.name = value->name();
        entry.producer = value->producer() ? nodeIds.at(value->producer()) : -1;
        for (const ir::Use& use : value->uses()) {
            entry.uses.push_back({nodeIds.at(use.node), use.index});
        }
        const auto linearAt = [&](TnPlacement placement) {
            return mValues.back().keyOf(linearPort(value->type().dtype, std::max(value->type().rank(), 0), placement));
        };
        if (!value->producer()) {
            entry.inputFormats.push_back({linearAt(inputPlacement(static_cast<size_t>(value->producerIndex()))), 0.0});
        }
        entry.graphOutput = value->isGraphOutput();
        if (entry.graphOutput) {
            const std::vector<ir::Value*>& outputs = mGraph.outputs();
            const auto position = std::find(outputs.begin(), outputs.end(), value) - outputs.begin();
            entry.outputFormats.push_back(linearAt(outputPlacement(static_cast<size_t>(position))));
        }
        problem.values.push_back(std::move(entry));
    };
    for (ir::Value* input : mGraph.inputs()) {
        addValue(input);
    }
    for (const ir::Node* node : mGraph.nodes()) {
        if (node->op() != "const") {
            for (ir::Value* output : node->outputs()) {
                addValue(output);
            }
        }
    }

    BuildPhase progress(mContext.options->progress, "measure conversions",
                        static_cast<int32_t>(mRegions.size() + mValues.size()), phase);
    int32_t done = 0;
    for (const RegionEntry& region : mRegions) {
        progress.step(++done); // whoever asks to stop is heard by the next comparison, or by the timer
        SelectionRegion entry;
        entry.id = region.id;
        for (const ir::Node* node : region.nodes) {
            entry.nodes.push_back(nodeIds.at(node));
        }
        if (region.wrong) {
            continue;
        }
        const bool haveFast = region.task->hasFast();
        const bool anyTimed = std::any_of(region.task->candidates.begin(), region.task->candidates.end(),
                                          [](const Candidate& each) { return each.state == CandidateState::kTimed; });
        auto addCandidate = [&](int32_t taskCandidate, double cost, const Candidate* candidate) {
            SelectionCandidate choice;
            choice.id = static_cast<int32_t>(mCandidates.size());
            choice.cost = cost;
            std::set<int32_t> named;
            for (size_t i = 0; i < region.inputs.size(); ++i) {
                int32_t id = valueId(region.inputs[i]);
                if (id >= 0 && named.insert(id).second) {
                    choice.inputs.push_back(
                        {id,
                         candidate ? mValues[static_cast<size_t>(id)].keyOf(candidate->tactic.inputs[i]) : kNotRead});
                }
            }
            for (size_t i = 0; i < region.outputs.size(); ++i) {
                int32_t id = valueId(region.outputs[i]);
                choice.outputs.push_back(
                    {id, candidate ? mValues[static_cast<size_t>(id)].keyOf(candidate->tactic.outputs[i]) : 0});
            }
            mCandidates.emplace_back(region.id, taskCandidate);
            entry.candidates.push_back(std::move(choice));
        };
        for (size_t c = 0; c < region.task->candidates.size(); ++c) {
            const Candidate& candidate = region.task->candidates[c];
            if (candidate.state == CandidateState::kFailed || candidate.state == CandidateState::kWrong ||
                mSpared.count(candidate.provider) > 0) {
                continue;
            }
            if ((haveFast && candidate.tactic.isReference()) ||
                (anyTimed && candidate.state == CandidateState::kOpen && !candidate.tactic.isFreeAlias() &&
                 mContext.canRun(candidate.placement))) {
                continue;
            }
            if (!constantsReachable(region, candidate)) {
                continue;
            }
            addCandidate(static_cast<int32_t>(c), costOf(region, candidate), &candidate);
        }
        if (isHostShape(region)) {
            addCandidate(kHostShape, kHostShapeUs, nullptr);
        }
        problem.regions.push_back(std::move(entry));
    }

    // Copies between placements keep the layout, and conversions the placement: the linear layout on both sides is the bridge.
    for (ValueFormats& formats : mValues) {
        const ir::TensorType& type = formats.value->type();
        for (size_t f = 0; f < formats.formats.size(); ++f) {
            formats.keyOf(linearPort(type.dtype, std::max(type.rank(), 0), formats.formats[f].placement));
        }
    }
    for (size_t v = 0; v < mValues.size(); ++v) {
        progress.step(++done);
        const ValueFormats& formats = mValues[v];
        size_t count = formats.formats.size();
        problem.values[v].formatCount = static_cast<int32_t>(count);
        problem.values[v].conversionCosts.assign(count * count, kUnreachable);
        for (size_t from = 0; from < count; ++from) {
            for (size_t to = 0; to < count; ++to) {
                double& cost = problem.values[v].conversionCosts[from * count + to];
                if (from == to) {
                    cost = 0;
                    continue;
                }
                TN_ASSIGN_OR_RETURN(const ConversionChoice* choice,
                                    mConversions.direct(mGraph.poolPtr(), formats.value->type(), formats.formats[from],
                                                        formats.formats[to]));
                if (choice) {
                    cost = choice->costUs;
                }
            }
        }
    }
    return problem;
}

std::vector<SelectionBuilder::SelectedConversion> SelectionBuilder::conversionsOf(const Selection& selection) const {
    std::vector<SelectedConversion> conversions;
    for (const MaterialisedValue& value : selection.values) {
        const ValueFormats& formats = this->value(value.value);
        for (const FormatConversion& conversion : value.conversions) {
            const support::Result<const ConversionChoice*> choice = mConversions.direct(
                mGraph.poolPtr(), formats.value->type(), formats.formats[static_cast<size_t>(conversion.from)],
                formats.formats[static_cast<size_t>(conversion.to)]);
            if (choice.ok() && *choice) {
                conversions.push_back({*choice, conversion.cost});
            }
        }
    }
    return conversions;
}

std::map<int32_t, double> SelectionBuilder::sharesOf(const SelectionProblem& problem,
                                                     const Selection& selection) const {
    std::map<int32_t, double> shares;
    std::map<int32_t, double> costs; // by candidate
    for (const SelectionRegion& region : problem.regions) {
        for (const SelectionCandidate& candidate : region.candidates) {
            costs.emplace(candidate.id, candidate.cost);
        }
    }
    for (const ChosenCandidate& chosen : selection.chosen) {
        const int32_t index = taskCandidate(chosen.candidate);
        if (index != kHostShape) {
            const Task& task = *region(chosen.region).task;
            shares[task.candidates[static_cast<size_t>(index)].provider] += costs.at(chosen.candidate);
        }
    }
    for (const SelectedConversion& conversion : conversionsOf(selection)) {
        if (!conversion.choice->isCopy()) {
            const auto candidate = static_cast<size_t>(conversion.choice->candidate);
            shares[conversion.choice->task->candidates[candidate].provider] += conversion.us;
        }
    }
    return shares;
}

} // namespace tenon::schedule
