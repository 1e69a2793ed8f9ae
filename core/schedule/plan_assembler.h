// The shared tables of a plan under construction: expressions, kernels, constants, the weight program.
// Used by build_engine and the step builder.
#pragma once

#include "core/plan/plan_model.h"
#include "core/schedule/conversions.h"
#include "core/schedule/tactic_timer.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace tenon::schedule {

class PlanAssembler {
public:
    // `pool`: of the graph and the weight graph; every expression comes from it.
    PlanAssembler(const BuildContext& context, TacticTimer& timer, std::shared_ptr<ir::ExprPool> pool, plan::Plan& plan)
        : mContext(context), mTimer(timer), mPool(std::move(pool)), mPlan(plan) {}

    // Index into Plan::expressions; equal expressions of the pool get one index.
    plan::ExprIndex expression(ir::DimExpr expr);
    // Index into Plan::kernels: the compiled tactic.
    support::Result<int32_t> kernel(const Task& task, const Candidate& candidate);
    // Workspace bytes at the largest extents of the task's box, and not less than at the optimal ones. 0 for a device that is not here: the
    // runtime then makes room when it prepares.
    support::Result<int64_t> workspaceAtMost(const Task& task, const Candidate& candidate);
    // Index into Plan::constants of a constant value in a port's layout. Any other layout than linear is derived: the weight program learns how,
    // and the host computes the bytes now. What only a device converts is computed when the plan is loaded.
    support::Result<int32_t> constant(const ir::Value& value, const PortLayout& port, Conversions& conversions);
    // Records the folded constants: every node of the weight graph becomes a step of the weight program.
    support::Status addWeightGraph(const ir::Graph& weights);

    plan::Plan& plan() { return mPlan; }
    const BuildContext& context() const { return mContext; }
    // Constants that nothing reads when the plan is loaded and run lose their bytes; the rest keep theirs.
    void dropUnreadSources();
    // Devices that no program uses disappear from the plan, the others are described in it. Called last.
    void finishDevices();

private:
    int32_t addConstant(plan::PlanConstant constant);
    int32_t weightTensor(int32_t constantIndex, TnPlacement placement = TN_PLACEMENT_HOST);
    void addWeightStep(plan::PlanStep step);
    support::Result<int32_t> deviceConstant(const ir::Value& value, const PortLayout& port, Conversions& conversions);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    std::shared_ptr<ir::ExprPool> mPool;
    plan::Plan& mPlan;
    std::map<int32_t, plan::ExprIndex> mExpressions;                   // by pool handle
    std::map<std::string, int32_t> mKernels;                           // by runtime, version and bytes
    std::map<std::pair<std::string, std::string>, int32_t> mConstants; // by value name and layout
    std::map<std::pair<int32_t, TnPlacement>, int32_t>
        mWeightTensors; // constant, where -> tensor of the weight program
};

} // namespace tenon::schedule
