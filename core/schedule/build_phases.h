// Where the time of a build goes: seconds by the name of what was done, for the log.
// Used by the steps of a build through BuildContext. Phases may lie within each other and may run in several threads: what is added up are the
// seconds that each took. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace tenon::schedule {

class BuildPhases {
public:
    void add(std::string_view name, double seconds);
    // "compile cudnn 12.1 s (310), time tactics 8.4 s (24)": the longest first; counts are how often. What took under 10 ms in all is left out.
    std::string text() const;

private:
    struct Phase {
        double seconds = 0;
        int64_t count = 0;
    };
    mutable std::mutex mMutex;
    std::map<std::string, Phase, std::less<>> mPhases;
};

// Adds the seconds from its making to its end.
class PhaseTimer {
public:
    PhaseTimer(BuildPhases* phases, std::string_view name) : mPhases(phases), mName(name) {}
    ~PhaseTimer() {
        if (mPhases) {
            mPhases->add(mName, std::chrono::duration<double>(std::chrono::steady_clock::now() - mBegin).count());
        }
    }
    PhaseTimer(const PhaseTimer&) = delete;
    PhaseTimer& operator=(const PhaseTimer&) = delete;

private:
    BuildPhases* mPhases;
    std::string mName;
    std::chrono::steady_clock::time_point mBegin = std::chrono::steady_clock::now();
};

} // namespace tenon::schedule
