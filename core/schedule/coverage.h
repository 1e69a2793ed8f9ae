// Whether every node of a graph has something that computes it: said of all nodes in one message, with every provider's reason.
// Used by build_engine. Knows regions and candidates, no time, no selection.
#pragma once

#include "core/schedule/regions.h"
#include "core/support/status.h"

#include <vector>

namespace tenon::schedule {

// kUnsupported with the nodes that no provider offers a tactic for, and the providers that would if the build's options let them.
support::Status everyNodeCovered(const BuildContext& context, const std::vector<RegionEntry>& regions);

// After tactics were tried: kBuildFailed with the nodes all whose tactics failed. Most often the shapes of the profile do not fit each other there.
support::Status everyNodeRan(const BuildContext& context, const std::vector<RegionEntry>& regions);

} // namespace tenon::schedule
