// Providers that a plan does without, since they gain too little for what opening them costs.
//
// Who uses it: build_engine, once per profile. A module is opened for the whole of a plan: its library's code and tables, kernels that it generates, and one
// more part that has to be there wherever the plan travels. Times of single steps do not show that, so that a provider has to earn it.
// What it must not know: tactics, layouts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

// What the steps of a provider take, and how many libraries of others its module opens.
struct ProviderShare {
    int32_t provider = 0;
    double us = 0;
    int32_t libraries = 0;
};

// What a provider that does little is good for. Times of all steps, as selection adds them up.
struct ProviderGain {
    int32_t provider = 0;
    double withUs = 0;
    double withoutUs = 0;
    bool isSpared = false;
};

// Spares providers as long as all steps together take less than 5 % more than `us`, those that open most libraries first, and of these that of the smallest share. `usWithout`: what all steps take without some providers; nothing where some step has no
// other. Tells of the providers that were tried.
std::vector<ProviderGain>
spareProviders(std::vector<ProviderShare> shares, double us,
               const std::function<std::optional<double>(const std::set<int32_t>& spared)>& usWithout);

// For a plan's notes and log.
std::string textOf(const ProviderGain& gain, const std::string& provider);

} // namespace tenon::schedule
