// Times tactics on this machine, or takes their times from the timing cache.
// Used by build_engine. Compiles through the provider, runs through the kernel runtime: exactly the bytes that the plan will hold.
//
// Protocol: prepare and one untimed launch at the optimal extents; then the candidates of a task take turns, one launch each, so that a busy
// moment of the machine falls on all alike, until the standard error of a candidate's lower quartile is below 1 % or its budget is spent. One
// that is three times slower than the fastest sample so far is left. Large constants are not in the host's caches when a launch begins: in a network
// that has more of them than caches hold each run fetches them from memory, and a tactic with larger weights pays for that. On the host, launches during which other work took a processor from a thread
// of ours do not count, unless there are hardly any others. Inputs are seeded test data (constants are the real ones) in the tactic's formats;
// large inputs on a device repeat a piece of such data in whatever order the format has, since only values matter there, not their places.
// Times that the cache has from a busy moment are measured again, until it shows that this moment is no better.
// Tasks whose times contradict each other (contradictions.h) are timed again in turns, each with its fastest tactic.
// Outputs and workspace stand between canaries; a tactic that writes outside, or whose prepare or launch fails, is dropped with the reason.
#pragma once

#include "core/schedule/compiled_kernels.h"
#include "core/schedule/kernel_runner.h"
#include "core/schedule/tensor_data.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace tenon::schedule {

class TacticTimer {
public:
    TacticTimer(const BuildContext& context, TimingCache* cache)
        : mContext(context), mCache(cache), mKernels(context) {}

    // Sets state and time of open candidates of `task`. Never an error: what goes wrong becomes a candidate's reason.
    void time(Task& task, const std::vector<Candidate*>& candidates);
    // Times the fastest tactic of each task on the host once more, in turns, and brings the times of all their tactics there to the quietest moment that any
    // of these was timed at. False, and nothing changes, where that was done with all of them before, nothing may be measured, or nothing can be now.
    bool timeTogether(const std::vector<Task*>& tasks);
    // Remembers, in the timing cache too, that a timed candidate was compared with the reference.
    void keepVerified(const Task& task, Candidate& candidate, const VerifiedRecord& verified);
    // Blob of a tactic, compiled once per task and tactic.
    support::Result<CompiledKernel> compiled(const Task& task, const Candidate& candidate, bool mayStop = false) {
        return mKernels.get(task, candidate, mayStop);
    }
    // Compiles in several threads what time() would otherwise compile one by one: the open candidates of devices, whose compilers are slow.
    void compileAhead(const std::vector<Task*>& tasks);
    // The same of candidates that were chosen.
    void compileAhead(const CompiledKernels::Wanted& wanted) { mKernels.compileAhead(wanted); }

    int32_t measured() const { return mMeasured; }
    int32_t cacheHits() const { return mHits; }
    // Of those, how many were measured under load.
    int32_t disturbedHits() const { return mDisturbedHits; }
    // Those that were timed again in turns with tasks that compete.
    int32_t together() const { return mTogether; }
    // Measured because what the cache had was measured under load.
    int32_t retimed() const { return mRetimed; }
    // Of the measured ones, how many with other work in between: their times say little.
    int32_t disturbed() const { return mDisturbed; }
    // Candidates of a device that is not here, of which no time is recorded: they stay open.
    int32_t estimated() const { return mEstimated; }
    // Misses in replay mode, where nothing may be measured.
    const std::vector<std::string>& forbiddenMisses() const { return mForbidden; }
    void forbidMeasuring(bool forbid) { mForbidMeasuring = forbid; }

    // Linear test data of a task's inputs: equal for timing and verification.
    static std::vector<ir::ConstantPtr> testInputs(const Task& task, const std::vector<int64_t>& symbolValues);

private:
    static ir::ConstantPtr testInput(const Task& task, size_t index, const std::vector<int64_t>& symbolValues);
    struct Contender;
    // True: nothing is left to measure. `doubtful` gets what the cache has of a candidate that is to be measured again, since that was under load.
    bool recall(const Task& task, Candidate& candidate, std::optional<TimingRecord>& doubtful);
    // What a contender's samples say.
    void conclude(const Task& task, Contender& contender);
    static void settle(Candidate& candidate, const TimingRecord& record);
    void keep(const Task& task, Candidate& candidate, const TimingRecord& record);
    // Input `index` in a tactic's layout, at the optimal extents.
    support::Result<ir::ConstantPtr> inputAt(const Task& task, size_t index, const PortLayout& port) const;
    // What the same in a device's memory consists of, over and over.
    support::Result<ir::ConstantPtr> deviceContentsAt(const Task& task, size_t index, const PortLayout& port,
                                                      const TnTensor& tensor);
    // An input of a task in one format, where the candidates with that format want it.
    struct TestInput {
        ir::ConstantPtr host;
        std::shared_ptr<DeviceInput> device;
    };
    using TestInputs = std::map<std::string, TestInput>;
    support::Status enter(const Task& task, TestInputs& inputs, Contender& contender);
    bool isKnown(const Task& task, const Candidate& candidate) const;
    void race(const Task& task, std::vector<Contender>& group);
    void launch(Contender& contender);
    bool decided(const std::vector<Contender>& group) const;
    static bool finished(Contender& contender, double best, double budget);
    TimingKey keyOf(const Task& task, const Candidate& candidate) const;

    const BuildContext& mContext;
    TimingCache* mCache;
    CompiledKernels mKernels;
    std::map<std::pair<ir::DataType, size_t>, ir::ConstantPtr> mPatterns; // what large inputs repeat
    int32_t mMeasured = 0;
    int32_t mDisturbed = 0;
    int32_t mHits = 0;
    int32_t mDisturbedHits = 0;
    int32_t mRetimed = 0;
    int32_t mDisturbedAgain = 0;
    int32_t mTogether = 0;
    std::set<std::string> mMeasuredHere; // keys; what this build measured it does not measure again
    int32_t mEstimated = 0;
    bool mForbidMeasuring = false;
    std::vector<std::string> mForbidden;
};

} // namespace tenon::schedule
