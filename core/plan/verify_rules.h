// Rules that the plan's tables and its programs share.
// Used by verify.cpp and verify_program.cpp only.
#pragma once

#include "core/plan/plan_model.h"
#include "core/support/status.h"

#include <string>
#include <vector>

namespace tenon::plan {

inline bool inRange(int64_t index, size_t count) { return index >= 0 && static_cast<uint64_t>(index) < count; }

// "tensor 3 'x'"
std::string indexed(const char* what, size_t index, const std::string& name);

support::Status checkIndices(const Plan& plan, const std::vector<ExprIndex>& list, const std::string& where);
support::Status checkPlacement(const Plan& plan, TnPlacement placement, const std::string& where);

// One program against the tables of its plan, which were checked before. `weights`: it is the weight program.
support::Status checkProgram(const Plan& plan, const PlanProgram& program, const std::string& where, bool weights);

} // namespace tenon::plan
