#include "core/schedule/build_phases.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace tenon::schedule {

void BuildPhases::add(std::string_view name, double seconds) {
    const std::lock_guard<std::mutex> lock(mMutex);
    auto known = mPhases.find(name);
    if (known == mPhases.end()) {
        known = mPhases.emplace(std::string(name), Phase()).first;
    }
    known->second.seconds += seconds;
    ++known->second.count;
}

std::string BuildPhases::text() const {
    constexpr double kShown = 0.01;
    const std::lock_guard<std::mutex> lock(mMutex);
    std::vector<std::pair<std::string, Phase>> phases(mPhases.begin(), mPhases.end());
    std::stable_sort(phases.begin(), phases.end(),
                     [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
    std::string text;
    for (const auto& [name, phase] : phases) {
        if (phase.seconds >= kShown) {
            char number[64];
            std::snprintf(number, sizeof number, " %.2f s (%lld)", phase.seconds, static_cast<long long>(phase.count));
            text += (text.empty() ? "" : ", ") + name + number;
        }
    }
    return text;
}

} // namespace tenon::schedule
