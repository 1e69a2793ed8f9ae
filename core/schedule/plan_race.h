// Times whole plans in turns, as their users will run them. Times of single steps leave out what kernels do to each other: whose code and tables are
// warm, what the caches hold, what registers cost to set up.
// Used by build_engine where two choices are near each other. Knows plans, the runtime and the timing cache; no tasks, no tactics.
#pragma once

#include "core/schedule/build_context.h"
#include "core/schedule/timing_cache.h"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tenon::schedule {

// How long each plan runs at a time, at least once; and how often it gets its turn, until times are known to 1 %.
struct RaceOptions {
    double turnUs = 5'000;
    int32_t leastTurns = 5;
    int32_t mostTurns = 25;
    double budgetUs = 2'000'000; // for all turns together, beyond the least
};

// Times of one run at the optimum of profile 0, in the order of `plans`, on test data. Plans have host steps only.
// Errors: kUnsupported where made-up data may lead a plan anywhere (loops, branches, extents that data decide); kCancelled; and what loading or running
// a plan says. Nothing is measured then.
support::Result<std::vector<TimingRecord>> racePlans(const BuildContext& context, std::vector<plan::Plan> plans,
                                                     const RaceOptions& options = {});

// Races that earlier builds ran as well, as the timing cache remembers them.
class PlanRaces {
public:
    // `cache` is read and extended. Times under load are as good as others there: it was on both plans. Not `measure`: nothing that the cache does not have is run.
    PlanRaces(const BuildContext& context, TimingCache* cache, bool measure)
        : mContext(context), mCache(cache), mMeasure(measure) {}

    // Microseconds of one run of each of two plans, whose keys say what was chosen for them. `make` makes the plan of one of them. Nothing where they could
    // not be raced; the log has the reason.
    std::optional<std::array<double, 2>> times(const std::array<std::string, 2>& keys,
                                               const std::function<support::Result<plan::Plan>(size_t which)>& make);

private:
    const BuildContext& mContext;
    TimingCache* mCache;
    bool mMeasure;
};

} // namespace tenon::schedule
