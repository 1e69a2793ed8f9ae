#include "core/schedule/profile_choice.h"

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

support::Result<ProfileChoice> choose(const ChoiceInput& input, const std::set<int32_t>& spared) {
    ProfileChoice choice;
    choice.builder = std::make_unique<SelectionBuilder>(input.context, input.graph, input.regions, input.conversions,
                                                        input.bindings, spared);
    TN_ASSIGN_OR_RETURN(choice.problem, choice.builder->build(input.phase));
    SelectionOptions options;
    if (input.context.cancelled()) { // whoever stops a build does not wait for a proof
        options.rowBudgets.resize(1);
        options.workLimit /= 10;
    }
    TN_ASSIGN_OR_RETURN(choice.selection, solve(choice.problem, options));
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

support::Result<ProfileChoice> chooseSparing(const ChoiceInput& input) {
    std::map<std::set<int32_t>, ProfileChoice> tried;
    TN_ASSIGN_OR_RETURN(ProfileChoice all, choose(input, {}));
    std::vector<ProviderShare> shares;
    for (const auto& [provider, us] : all.builder->sharesOf(all.problem, all.selection)) {
        const auto& entry = input.context.snapshot->providers()[static_cast<size_t>(provider)];
        shares.push_back({provider, us, entry.origin.libraries});
    }
    const double us = all.selection.totalCost;
    tried.emplace(std::set<int32_t>(), std::move(all));
    // Whatever is in the way of a selection without a provider, there is one with it.
    std::vector<ProviderGain> gains =
        spareProviders(shares, us, [&](const std::set<int32_t>& spared) -> std::optional<double> {
            support::Result<ProfileChoice> without = choose(input, spared);
            if (!without.ok()) {
                return std::nullopt;
            }
            return tried.insert_or_assign(spared, *std::move(without)).first->second.selection.totalCost;
        });
    const std::set<int32_t> spared = sparedOf(gains);
    input.conversions.spare(spared);
    ProfileChoice choice = std::move(tried.at(spared));
    choice.gains = std::move(gains);
    return choice;
}

} // namespace tenon::schedule
