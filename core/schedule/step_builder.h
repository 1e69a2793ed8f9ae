// Writes the chosen regions and conversions of one profile down as a program: tensors, steps in launch order, memory.
// Used by build_engine. Constants and kernels are shared by all programs of a plan through PlanAssembler.
#pragma once

#include "core/plan/plan_model.h"
#include "core/schedule/selection_builder.h"
#include "core/schedule/tactic_timer.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tenon::schedule {

// The shared tables of the plan under construction.
class PlanAssembler {
public:
    // `pool`: of the graph and the weight graph; every expression comes from it.
    PlanAssembler(const BuildContext& context, TacticTimer& timer, std::shared_ptr<ir::ExprPool> pool, plan::Plan& plan)
        : mContext(context), mTimer(timer), mPool(std::move(pool)), mPlan(plan) {}

    // Index into Plan::expressions; equal expressions of the pool get one index.
    plan::ExprIndex expression(ir::DimExpr expr);
    // Index into Plan::kernels: the compiled tactic.
    support::Result<int32_t> kernel(const Task& task, const Candidate& candidate);
    // Workspace bytes at the largest extents of the task's box, and not less than at the optimal ones.
    support::Result<int64_t> workspaceAtMost(const Task& task, const Candidate& candidate);
    // Index into Plan::constants of a constant value in a layout. Any other layout than linear is derived: its bytes are computed now and the
    // weight program learns how.
    support::Result<int32_t> constant(const ir::Value& value, const PortLayout& port, Conversions& conversions);
    // Records the folded constants: every node of the weight graph becomes a step of the weight program.
    support::Status addWeightGraph(const ir::Graph& weights);

    plan::Plan& plan() { return mPlan; }
    const BuildContext& context() const { return mContext; }
    // Constants that only the weight program reads lose their bytes; the rest keep theirs.
    void dropUnreadSources();

private:
    int32_t addConstant(plan::PlanConstant constant);
    int32_t weightTensor(int32_t constantIndex);
    void addWeightStep(plan::PlanStep step);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    std::shared_ptr<ir::ExprPool> mPool;
    plan::Plan& mPlan;
    std::map<int32_t, plan::ExprIndex> mExpressions;                   // by pool handle
    std::map<std::string, int32_t> mKernels;                           // by runtime, version and bytes
    std::map<std::pair<std::string, std::string>, int32_t> mConstants; // by value name and layout
    std::map<int32_t, int32_t> mWeightTensors;                         // constant -> tensor of the weight program
};

// What the step list needs of a solved profile.
struct ScheduledProfile {
    const ir::Graph* graph = nullptr;
    const std::vector<RegionEntry>* regions = nullptr;
    const SelectionBuilder* builder = nullptr;
    Selection selection;
    ir::SymbolBox box;
    std::string name;
};

support::Result<plan::PlanProgram> buildProgram(PlanAssembler& assembler, const ScheduledProfile& profile,
                                                Conversions& conversions);

// Chosen regions in an order in which every producer comes first: smallest first node wins among those that are ready.
std::vector<int32_t> launchOrder(const ScheduledProfile& profile);

} // namespace tenon::schedule
