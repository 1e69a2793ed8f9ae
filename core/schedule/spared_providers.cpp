#include "core/schedule/spared_providers.h"

#include "core/support/text.h"

#include <algorithm>
#include <cstdio>
#include <tuple>
#include <utility>

namespace tenon::schedule {

namespace {

// Times are a little too good: of many tactics each is chosen where measuring was kind to it, and its code is warm. What was to gain 9, 4 and 1 % in
// networks gained 4, 0 and 0; from 14 % on times were right.
constexpr double kLeastGain = 0.05;
// What steps say beyond doubt. Of 12 to 16 % that steps promised, networks in 8 bits lost up to 30 on a processor with matrix registers; 35 and 143 % were right.
constexpr double kPlainGain = 0.5;

} // namespace

std::vector<ProviderGain> spareProviders(std::vector<ProviderShare> shares, double us, const SparedTimes& times) {
    std::sort(shares.begin(), shares.end(), [](const ProviderShare& a, const ProviderShare& b) {
        return std::tuple(-a.libraries, a.us, a.provider) < std::tuple(-b.libraries, b.us, b.provider);
    });
    std::vector<ProviderGain> gains;
    std::set<int32_t> spared;
    double now = us;
    for (const ProviderShare& share : shares) {
        std::set<int32_t> fewer = spared;
        fewer.insert(share.provider);
        const std::optional<double> without = times.steps(fewer);
        if (!without) {
            continue;
        }
        ProviderGain gain{share.provider, now, *without, *without < (1 + kLeastGain) * us, std::nullopt};
        if (!gain.isSpared && *without < (1 + kPlainGain) * now) {
            gain.runs = times.runs(fewer);
            gain.isSpared = gain.runs && gain.runs->withoutUs < (1 + kLeastGain) * gain.runs->withUs;
        }
        if (gain.isSpared) {
            now = *without;
            spared = std::move(fewer);
        }
        gains.push_back(gain);
    }
    return gains;
}

std::string textOf(const ProviderGain& gain, const std::string& provider) {
    char text[256];
    std::snprintf(text, sizeof(text),
                  "%s take %.1f us with it and %.1f without; a module that is opened has to gain 5 %%",
                  gain.runs ? "whole runs" : "by their times all steps", gain.runs ? gain.runs->withUs : gain.withUs,
                  gain.runs ? gain.runs->withoutUs : gain.withoutUs);
    return gain.isSpared ? support::cat("'", provider, "' is left out: ", text,
                                        ". A list for --backend (setTacticProviders) that names it keeps it")
                         : support::cat("'", provider, "' is kept: ", text);
}

} // namespace tenon::schedule
