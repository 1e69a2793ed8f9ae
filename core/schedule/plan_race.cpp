#include "core/schedule/plan_race.h"

#include "core/runtime/context_state.h"
#include "core/schedule/samples.h"
#include "core/schedule/tensor_data.h"
#include "core/support/build_info.h"
#include "core/support/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace tenon::schedule {

namespace {

using Clock = std::chrono::steady_clock;
// How long each plan runs at a time, at least once; and how often it gets its turn, until times are known to that error.
constexpr double kTurnUs = 5'000;
constexpr int kLeastTurns = 3;
constexpr int kMostTurns = 25;
constexpr double kStopError = 0.01;
constexpr double kBudgetUs = 2'000'000; // for all turns together, beyond the least
constexpr double kLongestRunUs = 1'000'000;
// A run this long meets caches that its own beginning emptied: no run ahead of it is needed.
constexpr double kLongUs = 20'000;
constexpr size_t kLeastUndisturbed = 5;

double microsecondsSince(Clock::time_point begin) {
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

support::Status refuseUnknownWork(const plan::Plan& plan) {
    for (const plan::PlanStep& step : plan.programs[0].steps) {
        if (step.kind == plan::StepKind::kLoop || step.kind == plan::StepKind::kBranch ||
            step.kind == plan::StepKind::kFetch) {
            return support::unsupported("what '", step.name, "' does depends on data");
        }
    }
    return {};
}

// A plan that is ready to run, on buffers of its own.
class Runner {
public:
    static support::Result<std::unique_ptr<Runner>> open(const BuildContext& context, plan::Plan plan) {
        TN_RETURN_IF_ERROR(refuseUnknownWork(plan));
        auto runner = std::make_unique<Runner>();
        runner->mContext = &context;
        runtime::LoadOptions load;
        load.log = context.options->log;
        load.machine = ""; // it is this one
        TN_ASSIGN_OR_RETURN(runner->mPlan, runtime::LoadedPlan::load(std::move(plan), context.snapshot, load));
        runtime::ContextOptions options;
        options.log = context.options->log;
        TN_ASSIGN_OR_RETURN(runner->mState, runtime::ContextState::create(runner->mPlan, options));
        TN_RETURN_IF_ERROR(runner->bind());
        TN_RETURN_IF_ERROR(runner->run()); // memory is touched, code is made
        return runner;
    }

    support::Status run() {
        if (mContext->cancelled()) {
            return support::makeError(support::Code::kCancelled, "stopped while plans ran");
        }
        const int64_t before = preemptions();
        const Clock::time_point begin = Clock::now();
        TN_RETURN_IF_ERROR(mState->enqueue(nullptr));
        mLastUs = microsecondsSince(begin);
        mWasDisturbed = preemptions() != before;
        return {};
    }
    double lastUs() const { return mLastUs; }

    // Runs for a while.
    support::Status takeTurn() {
        if (mLastUs < kLongUs) {
            TN_RETURN_IF_ERROR(run());
        }
        const Clock::time_point begin = Clock::now();
        do {
            TN_RETURN_IF_ERROR(run());
            (mWasDisturbed ? mDisturbed : mSamples).push_back(mLastUs);
        } while (microsecondsSince(begin) < kTurnUs);
        return {};
    }

    size_t undisturbed() const { return mSamples.size(); }
    // The time so far, of all runs or of undisturbed ones, and its relative standard error.
    double summarizeInto(TimingRecord& record, bool ofAll) const {
        std::vector<double> samples = mSamples;
        if (ofAll) {
            samples.insert(samples.end(), mDisturbed.begin(), mDisturbed.end());
        }
        record.disturbed = ofAll && !mDisturbed.empty();
        return summarize(std::move(samples), record);
    }

private:
    support::Status bind() {
        const std::vector<plan::PlanBinding>& bindings = mPlan->plan().bindings;
        for (size_t i = 0; i < bindings.size() && bindings[i].isInput; ++i) {
            const plan::PlanBinding& input = bindings[i];
            if (!input.profiles.empty()) {
                TN_RETURN_IF_ERROR(mState->setInputShape(static_cast<int32_t>(i), input.profiles[0][1]));
            }
            if (input.isShapeInput && !input.profileValues.empty()) {
                TN_RETURN_IF_ERROR(mState->setShapeValues(static_cast<int32_t>(i), input.profileValues[0][1]));
            }
        }
        TN_RETURN_IF_ERROR(mState->inferShapes());
        for (size_t i = 0; i < bindings.size(); ++i) {
            if (!bindings[i].isShapeInput) { // that would have its values from there
                TN_RETURN_IF_ERROR(bindMemory(bindings[i], static_cast<int32_t>(i)));
            }
        }
        return {};
    }

    support::Status bindMemory(const plan::PlanBinding& binding, int32_t index) {
        TN_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, mState->shape(index));
        TN_ASSIGN_OR_RETURN(const int64_t bytes, mState->bytes(index));
        if (bytes < 0) {
            return support::unsupported("data decide the extents of '", binding.name, "'");
        }
        mBuffers.push_back(pagesFor(std::max<int64_t>(bytes, 1)));
        if (!mBuffers.back()) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", bytes, " bytes of '", binding.name,
                                      "'");
        }
        if (binding.isInput) {
            // Every table has an entry 0.
            const bool mayIndex = binding.dtype == ir::DataType::kI32 || binding.dtype == ir::DataType::kI64;
            const ir::ConstantPtr data = mayIndex ? makeZeros(binding.dtype, dims)
                                                  : makeTestData(binding.dtype, dims, static_cast<size_t>(index) + 1);
            std::memcpy(mBuffers.back().get(), data->data, static_cast<size_t>(std::min(bytes, data->bytes)));
        }
        return mState->setAddress(index, mBuffers.back().get());
    }

    const BuildContext* mContext = nullptr;
    std::shared_ptr<const runtime::LoadedPlan> mPlan;
    std::unique_ptr<runtime::ContextState> mState;
    std::vector<std::shared_ptr<std::byte>> mBuffers; // of bindings
    std::vector<double> mSamples;                     // undisturbed
    std::vector<double> mDisturbed;                   // with other work in between
    double mLastUs = 0;
    bool mWasDisturbed = false;
};

// Times of both, in turns.
support::Status race(std::array<std::unique_ptr<Runner>, 2>& runners, std::array<TimingRecord, 2>& records) {
    const Clock::time_point begin = Clock::now();
    for (int turn = 0; turn < kMostTurns; ++turn) {
        // Each is as often behind the other as before it.
        TN_RETURN_IF_ERROR(runners[turn % 2 == 0 ? 0 : 1]->takeTurn());
        TN_RETURN_IF_ERROR(runners[turn % 2 == 0 ? 1 : 0]->takeTurn());
        const bool ofAll = std::min(runners[0]->undisturbed(), runners[1]->undisturbed()) < kLeastUndisturbed;
        const double error =
            std::max(runners[0]->summarizeInto(records[0], ofAll), runners[1]->summarizeInto(records[1], ofAll));
        const bool isEnough = error < kStopError || microsecondsSince(begin) > kBudgetUs;
        if (turn + 1 >= kLeastTurns && isEnough) {
            break;
        }
    }
    return {};
}

} // namespace

TimingKey PlanRaces::keyOf(const RacingPlan& with, const RacingPlan& without, const RacingPlan& which) const {
    return {mContext.host().fingerprint, support::cat("race ", with.key, " ", without.key), "plan",
            std::string(support::versionText()), which.key};
}

support::Result<RunTimes> PlanRaces::run(const RacingPlan& with, const RacingPlan& without) {
    const PhaseTimer phase(mContext.phases.get(), "race plans");
    std::array<std::unique_ptr<Runner>, 2> runners;
    std::array<TimingRecord, 2> records;
    const std::array<const RacingPlan*, 2> plans = {&with, &without};
    for (size_t i = 0; i < plans.size(); ++i) {
        TN_ASSIGN_OR_RETURN(plan::Plan plan, plans[i]->make());
        TN_ASSIGN_OR_RETURN(runners[i], Runner::open(mContext, std::move(plan)));
        if (runners[i]->lastUs() > kLongestRunUs) {
            return support::unsupported("a run takes ", runners[i]->lastUs() / 1e6, " s");
        }
    }
    TN_RETURN_IF_ERROR(race(runners, records));
    for (size_t i = 0; i < plans.size(); ++i) {
        mCache->insert(keyOf(with, without, *plans[i]), records[i]);
    }
    return RunTimes{records[0].us, records[1].us};
}

std::optional<RunTimes> PlanRaces::times(const RacingPlan& with, const RacingPlan& without) {
    MissReason miss = MissReason::kNone;
    const TimingRecord* const first = mCache->find(keyOf(with, without, with), miss);
    const TimingRecord* const second = mCache->find(keyOf(with, without, without), miss);
    if (first && second) {
        return RunTimes{first->us, second->us};
    }
    const support::Result<RunTimes> times =
        mMeasure ? run(with, without)
                 : support::unsupported("nothing may be measured, and the timing cache has no race");
    if (!times.ok()) {
        mContext.options->log.info("times of steps decide, since whole plans were not run: ",
                                   times.status().toString());
        return std::nullopt;
    }
    return *times;
}

} // namespace tenon::schedule
