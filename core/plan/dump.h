// A plan as text for people: what it binds, needs, holds and does, step by step.
// Used by tools and tests. Not a format: it may change at any time and is never read back.
#pragma once

#include "core/plan/plan_model.h"

#include <string>

namespace tenon::plan {

/// Deterministic. Texts that a plan embeds (graph, inspector, ledger) appear with their sizes only.
std::string dumpPlan(const Plan& plan);

/// "N", "N*12+1": an expression of the plan.
std::string expressionText(const Plan& plan, ExprIndex index);

const char* nameOf(StepKind kind);
const char* nameOf(PlanTensor::Role role);

} // namespace tenon::plan
