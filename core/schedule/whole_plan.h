// A whole plan, from what was chosen for each profile.
// Used by build_engine: for the plan that it builds, and for plans that run against each other. Knows every part of a plan but the ledger, which tells how
// it came about.
#pragma once

#include "core/schedule/profile_choice.h"
#include "core/schedule/tactic_timer.h"

#include <set>
#include <vector>

namespace tenon::schedule {

struct NetworkParts {
    const BuildContext& context;
    const BuildInput& network;
    const ir::Graph& weights;                   // how folded constants are derived
    const std::vector<TnPlacement>& placements; // of bindings, inputs first
};

struct ProfileParts {
    const std::vector<RegionEntry>* regions = nullptr;
    const ProfileChoice* choice = nullptr;
    Conversions* conversions = nullptr; // as they were when the choice was made
};

struct WholePlan {
    plan::Plan plan;
    std::vector<std::set<const ir::Node*>> views; // by profile: nodes that have no step, since memory could be shared
};

// `profiles`: one per profile of the network, in order.
support::Result<WholePlan> wholePlan(const NetworkParts& parts, const std::vector<ProfileParts>& profiles,
                                     TacticTimer& timer);

} // namespace tenon::schedule
