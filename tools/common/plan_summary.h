// What a plan file says about itself, for one-line summaries and tables.
// Used by the verbs build, run, bench and inspect.
#pragma once

#include "core/plan/plan_model.h"

#include <map>
#include <string>
#include <vector>

namespace tenon::tools {

struct PlanSummary {
    int layers = 0; // steps of profile 0
    bool proven = true;
    std::map<std::string, int> stepsByProvider;
};

// Throws ToolError(kBadInput).
plan::Plan readPlan(const std::string& path);
PlanSummary summarisePlan(const void* bytes, size_t size);
PlanSummary summarisePlan(const plan::Plan& plan);

// Where the time of profile 0 goes, the largest share first: a line for each provider, for conversions and copies, and the sum, with how many steps each
// has and how many of them have an estimate only or were timed under load. Empty where nothing was timed.
std::vector<std::string> timeShares(const plan::Plan& plan);

// The slowest chosen steps and why they won: one line per step.
std::vector<std::string> decisionTable(const plan::Plan& plan, size_t rows);

// What the build had to say of the plan.
std::vector<std::string> planNotes(const plan::Plan& plan);

// "cuda device NVIDIA H200 (sm90...)"
std::string deviceText(const plan::PlanDevice& device);

} // namespace tenon::tools
