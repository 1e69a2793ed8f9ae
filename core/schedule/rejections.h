// Refusals as people read them: those that say the same in one line.
// Used where a build fails for want of an implementation, and by the tools. Knows no provider.
#pragma once

#include "core/schedule/tactic.h"

#include <vector>

namespace tenon::schedule {

// Of a provider that tactics may not come from: the build was given others (--backend, setTacticProviders).
inline constexpr const char* kProviderNotAllowed = "not among the backends that this build may use";

// Providers of one reason become one entry, "a, b", where the first of them was. Those that compute on another target than the one that they were
// asked for (which reasons say with ", not on ..." at their end) are one entry, at the end.
std::vector<Rejection> gathered(const std::vector<Rejection>& rejections);

} // namespace tenon::schedule
