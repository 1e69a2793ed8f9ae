// One profile's selection: the problem that is built from regions and candidates as they stand, its answer, and which providers the answer does without.
//
// Who uses it: build_engine, again whenever a tactic was found wrong. What it must not know: how tactics are compared, what a plan looks like.
#pragma once

#include "core/schedule/selection_builder.h"
#include "core/schedule/selector.h"
#include "core/schedule/spared_providers.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

struct ChoiceInput {
    const BuildContext& context;
    const ir::Graph& graph;
    const std::vector<RegionEntry>& regions;
    Conversions& conversions;
    const std::vector<TnPlacement>& bindings; // placements, inputs first
    std::string phase;                        // that measuring conversions is a part of
};

struct ProfileChoice {
    std::unique_ptr<SelectionBuilder> builder; // says what ids mean
    SelectionProblem problem;
    Selection selection;
    std::string key;                 // of what was chosen
    std::set<int32_t> spared;        // providers that it does without
    std::vector<ProviderGain> gains; // of providers that it was tried to do without
};

// Without those that are spared, conversions included, from now on.
support::Result<ProfileChoice> chooseWithout(const ChoiceInput& input, const std::vector<ProviderGain>& gains);

// Runs what was chosen with all providers against what was chosen without some; nothing where that cannot be done.
using PlanRace = std::function<std::optional<RunTimes>(const ProfileChoice& all, const ProfileChoice& without)>;

// Without providers that gain too little (spared_providers.h).
support::Result<ProfileChoice> chooseSparing(const ChoiceInput& input, const PlanRace& race);

} // namespace tenon::schedule
