// Times whole plans in turns, as their users will run them. Times of single steps leave out what kernels do to each other: whose code and tables are
// warm, what the caches hold, what registers cost to set up.
// Used by build_engine where two choices are near each other. Knows plans, the runtime and the timing cache; no tasks, no tactics.
#pragma once

#include "core/schedule/build_context.h"
#include "core/schedule/spared_providers.h"
#include "core/schedule/timing_cache.h"

#include <functional>
#include <optional>
#include <string>

namespace tenon::schedule {

struct RacingPlan {
    std::string key; // says what was chosen for it
    // Has host steps only, of kernels that were compared with the reference.
    std::function<support::Result<plan::Plan>()> make;
};

// Races that earlier builds ran as well, as the timing cache remembers them.
class PlanRaces {
public:
    // `cache` is read and extended. Times under load stay: it was on both plans. Not `measure`: nothing that the cache does not have is run.
    PlanRaces(const BuildContext& context, TimingCache* cache, bool measure)
        : mContext(context), mCache(cache), mMeasure(measure) {}

    // One run of each at the optimum of profile 0, on test data, inputs that may be indexes on zeros. Takes two seconds, or eight runs where these are longer.
    // Nothing, and the reason in the log: where data decide what is computed (loops, branches, extents), runs of more than a second, what loading
    // or running a plan says, a build that was stopped or may not measure.
    std::optional<RunTimes> times(const RacingPlan& with, const RacingPlan& without);

private:
    TimingKey keyOf(const RacingPlan& with, const RacingPlan& without, const RacingPlan& which) const;
    support::Result<RunTimes> run(const RacingPlan& with, const RacingPlan& without);

    const BuildContext& mContext;
    TimingCache* mCache;
    bool mMeasure;
};

} // namespace tenon::schedule
