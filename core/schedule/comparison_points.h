// The extents at which the tactics of a task are compared with the reference: the optimum of its profile and the profile's two ends, where kernels
// take other paths: a width of 1, more work than fits into a cache. The one place that says which.
// Used by verification. Knows a task's extents; no tactic and no answer.
#pragma once

#include "core/schedule/task.h"

#include <string>
#include <vector>

namespace tenon::schedule {

struct ComparisonPoint {
    std::string name; // "minimum", "optimum" or "maximum": timing caches and ledgers hold it
    std::vector<int64_t> symbolValues;
    // Of what the task reads, "[1,64,8,8] [1,64,1,1]", or makes, where it reads constants alone; for people. Empty where there is one point only.
    std::string extents;
    int64_t elements = 0; // of all its tensors; INT64_MAX: more than can be counted
    std::string obstacle; // not empty: why nothing can be compared there

    bool isOptimum() const { return name == "optimum"; }
    bool isMaximum() const { return name == "maximum"; }
    // "at the minimum, [1,64,8,8]: "; nothing where there is no other point.
    std::string prefix() const { return extents.empty() ? extents : "at the " + name + ", " + extents + ": "; }
};

// From the minimum to the maximum. Extents that are those of the optimum are left out: of a task with static ones the optimum is all there is.
// The least extents are compared whatever their size, larger ones up to some millions of elements: a maximum is often what nobody ever uses.
std::vector<ComparisonPoint> comparisonPoints(const Task& task);

// Why the operands of a task do not fit each other at these extents: names of their own have a range each, and not all of their ends are shapes
// of the network. Empty: they do. It takes longer than the above, so it is asked where something is about to be compared.
std::string misfitAt(const Task& task, const ops::OpRegistry& ops, const ComparisonPoint& point);

} // namespace tenon::schedule
