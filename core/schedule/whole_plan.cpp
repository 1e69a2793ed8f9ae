#include "core/schedule/whole_plan.h"

#include "core/schedule/final_graph.h"
#include "core/schedule/inspector_json.h"
#include "core/schedule/step_builder.h"
#include "core/support/build_info.h"
#include "core/support/text.h"

#include <algorithm>
#include <utility>

namespace tenon::schedule {

namespace {

void require(const BuildContext& context, const plan::PlanStep& step, plan::Plan& plan) {
    if (step.kernel < 0) {
        return;
    }
    const plan::PlanKernel& kernel = plan.kernels[static_cast<size_t>(step.kernel)];
    for (const plan::ModuleRequirement& requirement : plan.requirements) {
        if (requirement.runtime == kernel.runtime && requirement.blobVersion == kernel.blobVersion) {
            return;
        }
    }
    const registry::RuntimeEntry* entry = context.snapshot->runtime(kernel.runtime, kernel.blobVersion);
    plan.requirements.push_back(
        {entry->origin.module, entry->origin.moduleVersion, kernel.runtime, kernel.blobVersion});
}

void addBindings(const NetworkParts& parts, PlanAssembler& assembler, plan::Plan& plan) {
    const ir::Graph& graph = *parts.network.graph;
    plan.bindings = parts.network.bindings;
    for (size_t i = 0; i < plan.bindings.size(); ++i) {
        const size_t inputs = graph.inputs().size();
        const ir::Value* value = i < inputs ? graph.inputs()[i] : graph.outputs()[i - inputs];
        plan.bindings[i].dtype = value->type().dtype;
        plan.bindings[i].placement = parts.placements[i];
        plan.bindings[i].format = ir::linearFormat(std::max(value->type().rank(), 0));
        plan.bindings[i].dims.clear();
        for (const ir::DimExpr dim : value->type().dims) {
            plan.bindings[i].dims.push_back(assembler.expression(dim));
        }
    }
}

} // namespace

support::Result<WholePlan> wholePlan(const NetworkParts& parts, const std::vector<ProfileParts>& profiles,
                                     TacticTimer& timer) {
    WholePlan whole;
    plan::Plan& plan = whole.plan;
    const BuildContext& context = parts.context;
    const ir::Graph& graph = *parts.network.graph;
    plan.networkName = parts.network.name;
    plan.tenonVersion = support::versionText();
    plan.targetJson = context.host().json;
    plan.targetFingerprint = context.host().fingerprint;
    plan.level = context.options->level;
    plan.hostThreads = context.host().threads;
    PlanAssembler assembler(context, timer, graph.poolPtr(), plan);
    plan.weightProgram.name = "weights";
    for (size_t p = 0; p < profiles.size(); ++p) {
        const ProfileParts& profile = profiles[p];
        const ScheduledProfile scheduled{&graph,
                                         profile.regions,
                                         profile.choice->builder.get(),
                                         profile.choice->selection,
                                         parts.network.profiles[p],
                                         support::cat("profile ", p)};
        TN_ASSIGN_OR_RETURN(BuiltProgram built, buildProgram(assembler, scheduled, *profile.conversions));
        plan.programs.push_back(std::move(built.program));
        whole.views.push_back(std::move(built.views));
        if (p == 0) {
            plan.graphText = finalGraphText(scheduled);
        }
    }
    TN_RETURN_IF_ERROR(assembler.addWeightGraph(parts.weights));
    assembler.dropUnreadSources();
    addBindings(parts, assembler, plan);
    plan.symbols = graph.pool().symbols();
    for (const plan::PlanProgram& program : plan.programs) {
        for (const plan::PlanStep& step : program.steps) {
            require(context, step, plan);
        }
    }
    for (const plan::PlanStep& step : plan.weightProgram.steps) {
        require(context, step, plan);
    }
    assembler.finishDevices();
    plan.inspectorJson = inspectorJson(plan);
    return whole;
}

} // namespace tenon::schedule
