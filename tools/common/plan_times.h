// Where the time of a plan goes, by what its build measured, and what was chosen at its slowest steps: tables of `tenon inspect`.
// Reads the plan's ledger; measures nothing.
#pragma once

#include "core/plan/plan_model.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace tenon::tools {

// Microseconds with as many digits as say something: "0.087", "8.35", "123.4", "2626".
std::string microsecondsText(double us);
// The same with the digits of `largest`, so that a column's points are under each other.
std::string microsecondsText(double us, double largest);

// Of profile 0, the largest share first: a line for each provider, for conversions and copies, and the sum of these, with how many steps each has and how
// many of them have an estimate only, no time at all, or were timed under load. Empty where nothing was timed.
std::vector<std::string> timeShares(const plan::Plan& plan);

// A head and the slowest chosen steps: time, share, element types, what it is, who computes it, and what was against it. Empty without a ledger.
std::vector<std::string> decisionTable(const plan::Plan& plan, size_t rows);

// Providers that a plan does without, by a profile of its ledger.
std::vector<std::string> leftOutOf(const nlohmann::json& profile);

} // namespace tenon::tools
