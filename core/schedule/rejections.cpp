#include "core/schedule/rejections.h"

#include <algorithm>
#include <string_view>

namespace tenon::schedule {

namespace {

// "cuda computes on a CUDA device, not on host": a target is one word, what else is not computed has more of them behind it.
bool isOfAnotherTarget(std::string_view reason) {
    constexpr std::string_view kMark = ", not on ";
    const size_t at = reason.rfind(kMark);
    return at != std::string_view::npos && reason.find(' ', at + kMark.size()) == std::string_view::npos;
}

void addTo(std::vector<Rejection>& rejections, const std::string& provider, const std::string& reason) {
    const auto same = std::find_if(rejections.begin(), rejections.end(),
                                   [&](const Rejection& each) { return each.reason == reason; });
    if (same == rejections.end()) {
        rejections.push_back({provider, reason});
    } else {
        same->provider += ", " + provider;
    }
}

} // namespace

std::vector<Rejection> gathered(const std::vector<Rejection>& rejections) {
    std::vector<Rejection> result;
    std::vector<Rejection> elsewhere;
    for (const Rejection& rejection : rejections) {
        if (isOfAnotherTarget(rejection.reason)) {
            addTo(elsewhere, rejection.provider, "computes on other devices");
        } else {
            addTo(result, rejection.provider, rejection.reason);
        }
    }
    result.insert(result.end(), elsewhere.begin(), elsewhere.end());
    return result;
}

} // namespace tenon::schedule
