// Times tactics on this machine, or takes their times from the timing cache.
// Used by build_engine. Compiles through the provider, runs through the kernel runtime: exactly the bytes that the plan will hold.
//
// Protocol: prepare and one untimed launch at the optimal extents, then single launches until the relative spread of the median is below 1 %
// or the budget is spent; a tactic that is three times slower than the task's best so far is left after its first timed launch. Inputs are
// seeded test data (constants are the real ones) in the tactic's formats. Buffers stand between canaries; a tactic that writes outside, or
// whose prepare or launch fails, is dropped with the reason.
#pragma once

#include "core/schedule/kernel_runner.h"
#include "core/schedule/tensor_data.h"

#include <map>
#include <string>

namespace tenon::schedule {

class TacticTimer {
public:
    TacticTimer(const BuildContext& context, TimingCache* cache) : mContext(context), mCache(cache) {}

    // Sets candidate.state and candidate.time. Never an error: what goes wrong becomes the candidate's reason.
    void time(Task& task, Candidate& candidate);
    // Blob of a tactic, compiled once per task and tactic.
    support::Result<CompiledKernel> compiled(const Task& task, const Candidate& candidate);

    int32_t measured() const { return mMeasured; }
    int32_t cacheHits() const { return mHits; }
    // Misses in replay mode, where nothing may be measured.
    const std::vector<std::string>& forbiddenMisses() const { return mForbidden; }
    void forbidMeasuring(bool forbid) { mForbidMeasuring = forbid; }

    // Linear test data of a task's inputs: equal for timing and verification.
    static std::vector<ir::ConstantPtr> testInputs(const Task& task, const std::vector<int64_t>& symbolValues);

private:
    support::Result<TimingRecord> measure(Task& task, const Candidate& candidate);
    TimingKey keyOf(const Task& task, const Candidate& candidate) const;

    const BuildContext& mContext;
    TimingCache* mCache;
    std::map<std::string, CompiledKernel> mCompiled;
    // Inputs of the task timed last, by port text: tactics of a task come in sequence.
    std::string mInputsTask;
    std::map<std::string, ir::ConstantPtr> mInputs;
    int32_t mMeasured = 0;
    int32_t mHits = 0;
    bool mForbidMeasuring = false;
    std::vector<std::string> mForbidden;
};

} // namespace tenon::schedule
