// What a plan file says about itself, for one-line summaries and tables.
// Used by the verbs build, run, bench and inspect.
#pragma once

#include "core/ir/dim_expr.h"
#include "core/plan/plan_model.h"

#include <map>
#include <string>
#include <vector>

namespace tenon::tools {

struct PlanSummary {
    int layers = 0; // steps of profile 0
    bool proven = true;
    std::map<std::string, int> stepsByProvider;
    std::vector<std::string> devices; // beside the host
};

// Throws ToolError(kBadInput).
plan::Plan readPlan(const std::string& path);
PlanSummary summarisePlan(const void* bytes, size_t size);
PlanSummary summarisePlan(const plan::Plan& plan);

// Extents as the network names them: "[batch, 3, 16, 16]", "[batch, seq*2]".
class ExtentTexts {
public:
    explicit ExtentTexts(const plan::Plan& plan);
    std::string of(const std::vector<plan::ExprIndex>& dims) const;

private:
    ir::ExprPool mPool;
    std::vector<ir::DimExpr> mExpressions;
};

// What a profile takes, smallest, best and largest: "batch=1..8..32, seq=128". Empty where the network leaves nothing open.
std::string rangesText(const plan::Plan& plan, const plan::PlanProgram& program);

// What the build had to say of the plan.
std::vector<std::string> planNotes(const plan::Plan& plan);

// "cuda device NVIDIA H200 (sm90...)"
std::string deviceText(const plan::PlanDevice& device);

} // namespace tenon::tools
