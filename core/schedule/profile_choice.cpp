#include "core/schedule/profile_choice.h"

#include "core/support/hash.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

namespace tenon::schedule {

namespace {

std::set<int32_t> sparedOf(const std::vector<ProviderGain>& gains) {
    std::set<int32_t> spared;
    for (const ProviderGain& gain : gains) {
        if (gain.isSpared) {
            spared.insert(gain.provider);
        }
    }
    return spared;
}

// Equal for equal tactics of equal versions for equal tasks.
std::string keyOf(const BuildContext& context, const SelectionBuilder& builder, const Selection& selection) {
    support::Hasher hasher;
    const auto add = [&](const Task& task, int32_t index) {
        const Candidate& candidate = task.candidates[static_cast<size_t>(index)];
        const auto& provider = context.snapshot->providers()[static_cast<size_t>(candidate.provider)];
        hasher.add(task.key()).add(provider.name).add(provider.version).add(candidate.tactic.key());
    };
    for (const ChosenCandidate& chosen : selection.chosen) {
        const Task& task = *builder.region(chosen.region).task;
        const int32_t index = builder.taskCandidate(chosen.candidate);
        if (index != SelectionBuilder::kHostShape) {
            add(task, index);
        } else {
            hasher.add(task.key());
        }
    }
    for (const SelectionBuilder::SelectedConversion& conversion : builder.conversionsOf(selection)) {
        if (!conversion.choice->isCopy()) {
            add(*conversion.choice->task, conversion.choice->candidate);
        }
    }
    return hasher.finish().hex();
}

support::Result<ProfileChoice> choose(const ChoiceInput& input, const std::set<int32_t>& spared) {
    ProfileChoice choice;
    choice.builder = std::make_unique<SelectionBuilder>(input.context, input.graph, input.regions, input.conversions,
                                                        input.bindings, spared);
    choice.spared = spared;
    TN_ASSIGN_OR_RETURN(choice.problem, choice.builder->build(input.phase));
    SelectionOptions options;
    if (input.context.cancelled()) { // whoever stops a build does not wait for a proof
        options.rowBudgets.resize(1);
        options.workLimit /= 10;
    }
    TN_ASSIGN_OR_RETURN(choice.selection, solve(choice.problem, options));
    choice.key = keyOf(input.context, *choice.builder, choice.selection);
    return choice;
}

} // namespace

support::Result<ProfileChoice> chooseWithout(const ChoiceInput& input, const std::vector<ProviderGain>& gains) {
    const std::set<int32_t> spared = sparedOf(gains);
    if (!spared.empty()) { // so that the ledger has the conversions that the first build looked at
        SelectionBuilder all(input.context, input.graph, input.regions, input.conversions, input.bindings, {});
        TN_RETURN_IF_ERROR(all.build(input.phase).status());
    }
    TN_ASSIGN_OR_RETURN(ProfileChoice choice, choose(input, spared));
    choice.gains = gains;
    return choice;
}

support::Result<ProfileChoice> chooseSparing(const ChoiceInput& input, const PlanRace& race) {
    std::map<std::set<int32_t>, ProfileChoice> tried;
    TN_ASSIGN_OR_RETURN(ProfileChoice all, choose(input, {}));
    std::vector<ProviderShare> shares;
    for (const auto& [provider, us] : all.builder->sharesOf(all.problem, all.selection)) {
        const auto& entry = input.context.snapshot->providers()[static_cast<size_t>(provider)];
        shares.push_back({provider, us, entry.origin.libraries});
    }
    const double us = all.selection.totalCost;
    tried.emplace(std::set<int32_t>(), std::move(all));
    SparedTimes times;
    // Whatever is in the way of a selection without a provider, there is one with it.
    times.steps = [&](const std::set<int32_t>& spared) -> std::optional<double> {
        support::Result<ProfileChoice> without = choose(input, spared);
        if (!without.ok()) {
            return std::nullopt;
        }
        return tried.insert_or_assign(spared, *std::move(without)).first->second.selection.totalCost;
    };
    times.runs = [&](const std::set<int32_t>& spared) { return race(tried.at({}), tried.at(spared)); };
    std::vector<ProviderGain> gains = spareProviders(shares, us, times);
    const std::set<int32_t> spared = sparedOf(gains);
    input.conversions.spare(spared);
    ProfileChoice choice = std::move(tried.at(spared));
    choice.gains = std::move(gains);
    return choice;
}

} // namespace tenon::schedule
