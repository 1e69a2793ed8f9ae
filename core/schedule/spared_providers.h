// Providers that a plan does without, since they gain too little for what opening them costs.
//
// Who uses it: profile_choice. A module is opened for the whole of a plan: its library's code and tables, kernels that it generates, and one
// more part that has to be there wherever the plan travels. Times of single steps do not show that, so that a provider has to earn it. Where they promise
// that it does, but not by far, whole runs decide.
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

// Times of one whole run with and without a provider, measured in turns.
struct RunTimes {
    double withUs = 0;
    double withoutUs = 0;
};

// What a provider that does little is good for. Times of all steps, as selection adds them up.
struct ProviderGain {
    int32_t provider = 0;
    double withUs = 0;
    double withoutUs = 0;
    bool isSpared = false;
    std::optional<RunTimes> runs; // beside all providers, where they decided
};

// Of selections without some providers.
struct SparedTimes {
    // What all steps take; nothing where some step has no other provider.
    std::function<std::optional<double>(const std::set<int32_t>& spared)> steps;
    // What whole runs take, beside those of the selection with all providers; nothing where they could not be measured. Only asked after `steps`.
    std::function<std::optional<RunTimes>(const std::set<int32_t>& spared)> runs;
};

// Spares providers as long as everything takes less than 5 % more than with all of them, whose steps take `us`; those that open most libraries first, and of these
// that of the smallest share. Tells of the providers that were tried.
std::vector<ProviderGain> spareProviders(std::vector<ProviderShare> shares, double us, const SparedTimes& times);

// For a plan's notes and log.
std::string textOf(const ProviderGain& gain, const std::string& provider);

} // namespace tenon::schedule
