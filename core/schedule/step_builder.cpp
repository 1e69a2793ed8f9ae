#include "core/schedule/step_builder.h"

#include "core/runtime/device.h"
#include "core/schedule/memory_planner.h"
#include "core/schedule/memory_sharing.h"
#include "core/schedule/part_views.h"
#include "core/support/text.h"

#include <algorithm>
#include <queue>

namespace tenon::schedule {

namespace {

using Role = plan::PlanTensor::Role;

class ProgramBuilder {
public:
    ProgramBuilder(PlanAssembler& assembler, const ScheduledProfile& profile, Conversions& conversions)
        : mAssembler(assembler), mProfile(profile), mConversions(conversions), mPool(profile.graph->pool()) {}

    support::Result<BuiltProgram> build() {
        mProgram.name = mProfile.name;
        for (size_t s = 0; s < mPool.symbols().size(); ++s) {
            bool known = s < mProfile.box.bounds.size();
            ir::Interval bounds = known ? mProfile.box.bounds[s] : ir::Interval{};
            mProgram.box.push_back({bounds.min, known ? mProfile.box.opt[s] : bounds.min, bounds.max});
        }
        for (size_t i = 0; i < mProfile.selection.values.size(); ++i) {
            mMaterialised[mProfile.selection.values[i].value] = &mProfile.selection.values[i];
        }
        TN_RETURN_IF_ERROR(addInputs());
        for (int32_t chosen : launchOrder(mProfile)) {
            TN_RETURN_IF_ERROR(addRegion(mProfile.selection.chosen[static_cast<size_t>(chosen)]));
        }
        TN_RETURN_IF_ERROR(dropViews());
        shareInPlace();
        TN_RETURN_IF_ERROR(placeTensors());
        return BuiltProgram{std::move(mProgram), std::move(mDroppedNodes)};
    }

private:
    // The tensor of a value in a layout; made on first use.
    support::Result<int32_t> tensor(ir::Value* value, const PortLayout& port) {
        auto known = mTensors.find({value, toText(port)});
        if (known != mTensors.end()) {
            return known->second;
        }
        plan::PlanTensor entry;
        entry.name = value->name();
        entry.dtype = static_cast<ir::DataType>(port.dtype);
        entry.placement = port.placement;
        entry.format = port.format;
        std::vector<int64_t> most;
        for (ir::DimExpr dim : value->type().dims) {
            if (!dim.valid()) {
                return support::unsupported(
                    "value '", value->name(),
                    "' has an extent that nothing determines; give the input profile its shape");
            }
            entry.dims.push_back(mAssembler.expression(dim));
            ir::Interval bounds = mPool.bounds(dim, mProfile.box);
            if (bounds.max == INT64_MAX) {
                return support::unsupported(
                    "value '", value->name(), "' has an extent without an upper bound (", mPool.toText(dim),
                    "); give every dynamic input dimension a maximum in the optimization profile");
            }
            most.push_back(std::max<int64_t>(bounds.max, 0));
        }
        TN_ASSIGN_OR_RETURN(TnTensor largest, tensorAt(port, most));
        entry.capacity = largest.bytes;
        MemorySharing::Tensor storage;
        storage.bytes = entry.capacity;
        storage.placement = port.placement;
        storage.alignment = std::max<int64_t>(alignmentAt(port.placement), port.format.alignment);
        const auto isBound = [&](TnPlacement placement) {
            return equal(port, linearPort(value->type().dtype, std::max(value->type().rank(), 0), placement));
        };
        if (value->constant()) {
            TN_ASSIGN_OR_RETURN(storage.index, mAssembler.constant(*value, port, mConversions));
            storage.role = Role::kConstant;
        } else if (!value->producer()) {
            if (isBound(mProfile.builder->inputPlacement(static_cast<size_t>(value->producerIndex())))) {
                storage.role = Role::kInput;
                storage.index = value->producerIndex();
            }
        } else if (value->isGraphOutput()) {
            const std::vector<ir::Value*>& outputs = mProfile.graph->outputs();
            size_t position = static_cast<size_t>(std::find(outputs.begin(), outputs.end(), value) - outputs.begin());
            if (isBound(mProfile.builder->outputPlacement(position))) {
                storage.role = Role::kOutput;
                storage.index = static_cast<int32_t>(mProfile.graph->inputs().size() + position);
            }
        }
        auto index = static_cast<int32_t>(mProgram.tensors.size());
        mProgram.tensors.push_back(std::move(entry));
        mSharing.add(storage);
        mTensors.emplace(std::pair(value, toText(port)), index);
        return index;
    }

    static int64_t alignmentAt(TnPlacement placement) {
        return placement == TN_PLACEMENT_HOST ? runtime::kMemoryAlignment : runtime::kDeviceAlignment;
    }

    void touch(const plan::PlanStep& step, int32_t index) {
        for (const int32_t input : step.inputs) {
            mSharing.read(input, index);
        }
        for (const int32_t output : step.outputs) {
            mSharing.write(output, index);
        }
    }

    support::Status addInputs() {
        for (ir::Value* input : mProfile.graph->inputs()) {
            const TnPlacement placement = mProfile.builder->inputPlacement(static_cast<size_t>(input->producerIndex()));
            TN_RETURN_IF_ERROR(
                tensor(input, linearPort(input->type().dtype, std::max(input->type().rank(), 0), placement)).status());
            TN_RETURN_IF_ERROR(addConversions(input));
        }
        return {};
    }

    // Every conversion that selection decided on, right after the value exists.
    support::Status addConversions(ir::Value* value) {
        int32_t id = mProfile.builder->valueId(value);
        auto found = mMaterialised.find(id);
        if (id < 0 || found == mMaterialised.end()) {
            return {};
        }
        const ValueFormats& formats = mProfile.builder->value(id);
        for (const FormatConversion& conversion : found->second->conversions) {
            const PortLayout& from = formats.formats[static_cast<size_t>(conversion.from)];
            const PortLayout& to = formats.formats[static_cast<size_t>(conversion.to)];
            TN_ASSIGN_OR_RETURN(const ConversionChoice* choice,
                                mConversions.direct(mProfile.graph->poolPtr(), value->type(), from, to));
            if (!choice) {
                return support::internalError("the conversion of '", value->name(), "' from ", toText(from), " to ",
                                              toText(to), " vanished");
            }
            if (choice->isCopy()) {
                TN_RETURN_IF_ERROR(addCopy(value, from, to));
                continue;
            }
            plan::PlanStep step;
            step.kind = plan::StepKind::kConvert;
            step.op = "convert";
            step.name = support::cat("convert ", value->name(), " to ", toText(to));
            if (value->producer()) {
                step.sources = value->producer()->source().names();
            }
            TN_RETURN_IF_ERROR(addKernelStep(std::move(step), *choice->task,
                                             choice->task->candidates[static_cast<size_t>(choice->candidate)], {},
                                             {value}, {from}, {value}, {to}));
        }
        return {};
    }

    support::Status addCopy(ir::Value* value, const PortLayout& from, const PortLayout& to) {
        const auto index = static_cast<int32_t>(mProgram.steps.size());
        plan::PlanStep step;
        step.kind = plan::StepKind::kCopy;
        step.op = "copy";
        step.name = support::cat("copy ", value->name(), " to ", toText(to));
        if (value->producer()) {
            step.sources = value->producer()->source().names();
        }
        step.placement = from.placement != TN_PLACEMENT_HOST ? from.placement : to.placement;
        TN_ASSIGN_OR_RETURN(const int32_t input, tensor(value, from));
        TN_ASSIGN_OR_RETURN(const int32_t output, tensor(value, to));
        step.inputs = {input};
        step.outputs = {output};
        touch(step, index);
        mProgram.steps.push_back(std::move(step));
        return {};
    }

    support::Status addRegion(const ChosenCandidate& chosen) {
        const RegionEntry& region = mProfile.builder->region(chosen.region);
        int32_t taskCandidate = mProfile.builder->taskCandidate(chosen.candidate);
        plan::PlanStep step;
        step.op = region.isSingle() ? region.nodes[0]->op() : support::cat("fused:", region.label);
        ir::SourceSet sources;
        for (const ir::Node* node : region.nodes) {
            sources.merge(node->source());
            step.name += support::cat(step.name.empty() ? "" : " + ", node->name());
        }
        step.sources = sources.names();
        if (taskCandidate == SelectionBuilder::kHostShape) {
            for (ir::Value* output : region.outputs) {
                plan::PlanStep evaluate = step;
                evaluate.kind = plan::StepKind::kHostShape;
                for (ir::DimExpr element : *output->contents()) {
                    evaluate.scalars.push_back(mAssembler.expression(element));
                }
                TN_ASSIGN_OR_RETURN(int32_t target,
                                    tensor(output, linearPort(output->type().dtype, output->type().rank())));
                evaluate.outputs = {target};
                mSharing.write(target, static_cast<int32_t>(mProgram.steps.size()));
                mProgram.steps.push_back(std::move(evaluate));
            }
        } else {
            const Candidate& candidate = region.task->candidates[static_cast<size_t>(taskCandidate)];
            TN_RETURN_IF_ERROR(addKernelStep(std::move(step), *region.task, candidate, region.scalars, region.inputs,
                                             candidate.tactic.inputs, region.outputs, candidate.tactic.outputs,
                                             &region));
        }
        for (ir::Value* output : region.outputs) {
            TN_RETURN_IF_ERROR(addConversions(output));
        }
        return {};
    }

    support::Status addKernelStep(plan::PlanStep step, const Task& task, const Candidate& candidate,
                                  const std::vector<ir::DimExpr>& scalars, const std::vector<ir::Value*>& inputs,
                                  const std::vector<PortLayout>& inputPorts, const std::vector<ir::Value*>& outputs,
                                  const std::vector<PortLayout>& outputPorts, const RegionEntry* region = nullptr) {
        auto index = static_cast<int32_t>(mProgram.steps.size());
        for (size_t i = 0; i < inputs.size(); ++i) {
            TN_ASSIGN_OR_RETURN(int32_t input, tensor(inputs[i], inputPorts[i]));
            step.inputs.push_back(input);
        }
        for (size_t i = 0; i < outputs.size(); ++i) {
            TN_ASSIGN_OR_RETURN(int32_t output, tensor(outputs[i], outputPorts[i]));
            step.outputs.push_back(output);
        }
        step.traits = candidate.tactic.traits & ~TN_TRAIT_FREE_ALIAS;
        step.placement = candidate.placement;
        touch(step, index);
        View view{index, {}, &task, &candidate, scalars, region && region->isSingle() ? region->nodes[0] : nullptr};
        if (candidate.tactic.isFreeAlias()) {
            view.links.push_back({step.inputs[0], step.outputs[0], 0, false});
        }
        const std::vector<PartView> parts =
            region ? partViews(*region, inputPorts, outputPorts) : std::vector<PartView>();
        for (const PartView& part : parts) {
            view.links.push_back({step.inputs[static_cast<size_t>(part.input)],
                                  step.outputs[static_cast<size_t>(part.output)], part.offset, true});
        }
        if (view.links.empty()) {
            TN_RETURN_IF_ERROR(addKernel(step, task, candidate, scalars));
        } else {
            mViews.push_back(std::move(view));
        }
        for (size_t o = 0; o < candidate.tactic.mayAlias.size() && o < step.outputs.size(); ++o) {
            if (candidate.tactic.mayAlias[o] >= 0 &&
                static_cast<size_t>(candidate.tactic.mayAlias[o]) < step.inputs.size()) {
                mInPlace.push_back({index, candidate.tactic.mayAlias[o], static_cast<int32_t>(o)});
            }
        }
        mProgram.steps.push_back(std::move(step));
        return {};
    }

    support::Status addKernel(plan::PlanStep& step, const Task& task, const Candidate& candidate,
                              const std::vector<ir::DimExpr>& scalars) {
        TN_ASSIGN_OR_RETURN(step.kernel, mAssembler.kernel(task, candidate));
        for (ir::DimExpr scalar : scalars) {
            step.scalars.push_back(mAssembler.expression(scalar));
        }
        TN_ASSIGN_OR_RETURN(step.workspaceCapacity, workspaceOf(task, candidate));
        return {};
    }

    // Steps whose outputs can simply lie where their inputs do, or the other way round, have nothing to do. The others copy after all.
    support::Status dropViews() {
        mDropped.assign(mProgram.steps.size(), false);
        for (const View& view : mViews) {
            const auto index = static_cast<size_t>(view.step);
            mDropped[index] = mSharing.view(view.links, view.step);
            if (mDropped[index] && view.node) {
                mDroppedNodes.insert(view.node);
            } else if (!mDropped[index]) {
                TN_RETURN_IF_ERROR(addKernel(mProgram.steps[index], *view.task, *view.candidate, view.scalars));
            }
        }
        return {};
    }

    support::Result<int64_t> workspaceOf(const Task& task, const Candidate& candidate) {
        std::string key = support::cat(task.key(), candidate.provider, candidate.tactic.key());
        auto known = mWorkspaces.find(key);
        if (known != mWorkspaces.end()) {
            return known->second;
        }
        TN_ASSIGN_OR_RETURN(int64_t bytes, mAssembler.workspaceAtMost(task, candidate));
        mWorkspaces.emplace(key, bytes);
        return bytes;
    }

    void shareInPlace() {
        for (const InPlace& place : mInPlace) {
            const plan::PlanStep& step = mProgram.steps[static_cast<size_t>(place.step)];
            if (!mDropped[static_cast<size_t>(place.step)]) {
                mSharing.takeOver(step.inputs[static_cast<size_t>(place.input)],
                                  step.outputs[static_cast<size_t>(place.output)], step.inputs, place.step);
            }
        }
    }

    support::Status placeTensors() {
        const auto placements = static_cast<TnPlacement>(mAssembler.context().targets.size());
        mProgram.deviceArenaBytes.assign(static_cast<size_t>(placements) - 1, 0);
        for (TnPlacement placement = 0; placement < placements; ++placement) {
            TN_RETURN_IF_ERROR(placeTensorsAt(placement));
        }
        for (size_t t = 0; t < mProgram.tensors.size(); ++t) {
            plan::PlanTensor& entry = mProgram.tensors[t];
            const MemorySharing::Home home = mSharing.homeOf(static_cast<int32_t>(t));
            entry.role = home.role;
            if (home.role == Role::kConstant) {
                entry.constant = home.index;
                entry.offset = home.offset;
            } else if (home.role != Role::kActivation) {
                entry.binding = home.index;
                entry.offset = home.offset;
            }
        }
        std::vector<plan::PlanStep> kept;
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            if (!mDropped[s]) {
                kept.push_back(std::move(mProgram.steps[s]));
            }
        }
        mProgram.steps = std::move(kept);
        return {};
    }

    // One arena per placement.
    support::Status placeTensorsAt(TnPlacement placement) {
        std::vector<BufferLifetime> buffers;
        std::map<int32_t, size_t> bufferOf; // one of those of a cluster
        for (size_t t = 0; t < mProgram.tensors.size(); ++t) {
            const int32_t cluster = mSharing.homeOf(static_cast<int32_t>(t)).cluster;
            if (cluster < 0 || mProgram.tensors[t].placement != placement || bufferOf.count(cluster)) {
                continue;
            }
            for (const BufferLifetime& buffer : mSharing.buffersOf(cluster)) {
                bufferOf[cluster] = buffers.size();
                buffers.push_back(buffer);
            }
        }
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            keepInRow(s, placement, buffers, bufferOf);
        }
        std::vector<size_t> workspaceOf(mProgram.steps.size(), SIZE_MAX);
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            if (mProgram.steps[s].workspaceCapacity > 0 && mProgram.steps[s].placement == placement) {
                workspaceOf[s] = buffers.size();
                buffers.push_back(
                    {mProgram.steps[s].workspaceCapacity, static_cast<int32_t>(s), static_cast<int32_t>(s)});
            }
        }
        const bool host = placement == TN_PLACEMENT_HOST;
        TN_ASSIGN_OR_RETURN(MemoryPlan memory, planMemory(buffers, alignmentAt(placement)));
        (host ? mProgram.arenaBytes : mProgram.deviceArenaBytes[static_cast<size_t>(placement) - 1]) =
            memory.arenaBytes;
        for (size_t t = 0; t < mProgram.tensors.size(); ++t) {
            const MemorySharing::Home home = mSharing.homeOf(static_cast<int32_t>(t));
            if (auto buffer = bufferOf.find(home.cluster); buffer != bufferOf.end()) {
                // Any buffer of tensors that share memory says where they begin; one of a row of results says it for itself.
                const BufferLifetime& known = buffers[buffer->second];
                const int64_t within = known.cluster == home.cluster ? known.within : 0;
                mProgram.tensors[t].offset = memory.offsets[buffer->second] - within + home.offset;
            }
        }
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            if (workspaceOf[s] != SIZE_MAX) {
                mProgram.steps[s].workspaceOffset = memory.offsets[workspaceOf[s]];
            }
        }
        return {};
    }

    // Results of one step lie one behind the other if they have one size: those of a family of products are then one batch.
    void keepInRow(size_t index, TnPlacement placement, std::vector<BufferLifetime>& buffers,
                   const std::map<int32_t, size_t>& bufferOf) const {
        const plan::PlanStep& step = mProgram.steps[index];
        std::vector<size_t> row;
        for (const int32_t output : step.outputs) {
            const int32_t cluster = output < 0 ? -1 : mSharing.homeOf(output).cluster;
            const auto buffer = bufferOf.find(cluster);
            if (cluster < 0 || buffer == bufferOf.end()) {
                return;
            }
            row.push_back(buffer->second);
        }
        if (row.size() > 1) {
            // A number that no cluster of tensors has: there are no more of those than tensors.
            const auto own = static_cast<int32_t>(mProgram.tensors.size() + index);
            placeInRow(buffers, row, own, alignmentAt(placement));
        }
    }

    // A step that may turn out to have nothing to do.
    struct View {
        int32_t step = 0;
        std::vector<ViewLink> links;
        const Task* task = nullptr;
        const Candidate* candidate = nullptr;
        std::vector<ir::DimExpr> scalars;
        const ir::Node* node = nullptr; // null: a conversion
    };

    struct InPlace {
        int32_t step = 0;
        int32_t input = 0;
        int32_t output = 0;
    };

    PlanAssembler& mAssembler;
    const ScheduledProfile& mProfile;
    Conversions& mConversions;
    ir::ExprPool& mPool;
    plan::PlanProgram mProgram;
    std::map<std::pair<const ir::Value*, std::string>, int32_t> mTensors;
    MemorySharing mSharing; // of mProgram.tensors
    std::map<int32_t, const MaterialisedValue*> mMaterialised;
    std::vector<View> mViews;
    std::vector<bool> mDropped; // steps
    std::set<const ir::Node*> mDroppedNodes;
    std::vector<InPlace> mInPlace;
    std::map<std::string, int64_t> mWorkspaces;
};

} // namespace

std::vector<int32_t> launchOrder(const ScheduledProfile& profile) {
    const std::vector<ChosenCandidate>& chosen = profile.selection.chosen;
    std::map<const ir::Node*, int32_t> owner;
    std::map<const ir::Node*, int32_t> position;
    for (size_t i = 0; i < profile.graph->nodes().size(); ++i) {
        position[profile.graph->nodes()[i]] = static_cast<int32_t>(i);
    }
    for (size_t c = 0; c < chosen.size(); ++c) {
        for (const ir::Node* node : profile.builder->region(chosen[c].region).nodes) {
            owner[node] = static_cast<int32_t>(c);
        }
    }
    std::vector<std::set<int32_t>> consumers(chosen.size());
    std::vector<int32_t> waiting(chosen.size(), 0);
    for (size_t c = 0; c < chosen.size(); ++c) {
        std::set<int32_t> producers;
        for (const ir::Value* input : profile.builder->region(chosen[c].region).inputs) {
            if (input->producer() && owner.count(input->producer()) &&
                owner[input->producer()] != static_cast<int32_t>(c)) {
                producers.insert(owner[input->producer()]);
            }
        }
        waiting[c] = static_cast<int32_t>(producers.size());
        for (int32_t producer : producers) {
            consumers[static_cast<size_t>(producer)].insert(static_cast<int32_t>(c));
        }
    }
    auto rank = [&](int32_t c) {
        return position[profile.builder->region(chosen[static_cast<size_t>(c)].region).nodes.front()];
    };
    std::set<std::pair<int32_t, int32_t>> ready;
    for (size_t c = 0; c < chosen.size(); ++c) {
        if (waiting[c] == 0) {
            ready.emplace(rank(static_cast<int32_t>(c)), static_cast<int32_t>(c));
        }
    }
    std::vector<int32_t> order;
    while (!ready.empty()) {
        int32_t next = ready.begin()->second;
        ready.erase(ready.begin());
        order.push_back(next);
        for (int32_t consumer : consumers[static_cast<size_t>(next)]) {
            if (--waiting[static_cast<size_t>(consumer)] == 0) {
                ready.emplace(rank(consumer), consumer);
            }
        }
    }
    return order;
}

support::Result<BuiltProgram> buildProgram(PlanAssembler& assembler, const ScheduledProfile& profile,
                                           Conversions& conversions) {
    return ProgramBuilder(assembler, profile, conversions).build();
}

} // namespace tenon::schedule
