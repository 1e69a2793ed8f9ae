#include "core/schedule/plan_race.h"

#include "core/runtime/context_state.h"
#include "core/schedule/samples.h"
#include "core/schedule/tensor_data.h"
#include "core/support/build_info.h"
#include "core/support/text.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace tenon::schedule {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double kStopError = 0.01;
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
        runtime::LoadOptions load;
        load.log = context.options->log;
        load.machine = ""; // it is this one
        TN_ASSIGN_OR_RETURN(runner->mPlan, runtime::LoadedPlan::load(std::move(plan), context.snapshot, load));
        runtime::ContextOptions options;
        options.log = context.options->log;
        TN_ASSIGN_OR_RETURN(runner->mState, runtime::ContextState::create(runner->mPlan, options));
        TN_RETURN_IF_ERROR(runner->bind());
        return runner;
    }

    // Microseconds of one run.
    support::Result<double> run() {
        const Clock::time_point begin = Clock::now();
        TN_RETURN_IF_ERROR(mState->enqueue(nullptr));
        return microsecondsSince(begin);
    }

    // Runs for a while; the samples of runs that nothing came in between.
    support::Status takeTurn(const RaceOptions& options) {
        if (mLastUs < kLongUs) {
            TN_RETURN_IF_ERROR(run().status());
        }
        const Clock::time_point begin = Clock::now();
        do {
            const int64_t before = preemptions();
            TN_ASSIGN_OR_RETURN(mLastUs, run());
            (preemptions() == before ? mSamples : mDisturbed).push_back(mLastUs);
        } while (microsecondsSince(begin) < options.turnUs);
        return {};
    }

    // The time so far, and its relative standard error.
    double summarizeInto(TimingRecord& record) const {
        std::vector<double> samples = mSamples;
        record.disturbed = samples.size() < kLeastUndisturbed && !mDisturbed.empty();
        if (record.disturbed) {
            samples.insert(samples.end(), mDisturbed.begin(), mDisturbed.end());
        }
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
            if (input.isShapeInput) {
                TN_RETURN_IF_ERROR(mState->setShapeValues(static_cast<int32_t>(i), input.profileValues[0][1]));
            }
        }
        TN_RETURN_IF_ERROR(mState->inferShapes());
        for (size_t i = 0; i < bindings.size(); ++i) {
            const auto binding = static_cast<int32_t>(i);
            TN_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, mState->shape(binding));
            TN_ASSIGN_OR_RETURN(const int64_t bytes, mState->bytes(binding));
            if (bytes < 0) {
                return support::unsupported("data decide the extents of '", bindings[i].name, "'");
            }
            mBuffers.push_back(pagesFor(std::max<int64_t>(bytes, 1)));
            if (!mBuffers.back()) {
                return support::makeError(support::Code::kOutOfMemory, "no memory for ", bytes, " bytes of '",
                                          bindings[i].name, "'");
            }
            if (bindings[i].isInput) {
                const ir::ConstantPtr data = makeTestData(bindings[i].dtype, dims, i + 1);
                std::memcpy(mBuffers.back().get(), data->data, static_cast<size_t>(std::min(bytes, data->bytes)));
            }
            TN_RETURN_IF_ERROR(mState->setAddress(binding, mBuffers.back().get()));
        }
        return {};
    }

    std::shared_ptr<const runtime::LoadedPlan> mPlan;
    std::unique_ptr<runtime::ContextState> mState;
    std::vector<std::shared_ptr<std::byte>> mBuffers; // of bindings
    std::vector<double> mSamples;                     // undisturbed
    std::vector<double> mDisturbed;                   // with other work in between
    double mLastUs = 0;
};

} // namespace

support::Result<std::vector<TimingRecord>> racePlans(const BuildContext& context, std::vector<plan::Plan> plans,
                                                     const RaceOptions& options) {
    const PhaseTimer phase(context.phases.get(), "race plans");
    std::vector<std::unique_ptr<Runner>> runners;
    for (plan::Plan& plan : plans) {
        TN_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, Runner::open(context, std::move(plan)));
        TN_RETURN_IF_ERROR(runner->run().status()); // memory is touched, code is made
        runners.push_back(std::move(runner));
    }
    std::vector<TimingRecord> records(runners.size());
    const Clock::time_point begin = Clock::now();
    for (int32_t turn = 0; turn < options.mostTurns; ++turn) {
        double error = 0;
        for (size_t i = 0; i < runners.size(); ++i) {
            if (context.cancelled()) {
                return support::makeError(support::Code::kCancelled, "stopped while plans were raced");
            }
            // Each is as often behind the other as before it.
            const size_t next = turn % 2 == 0 ? i : runners.size() - 1 - i;
            TN_RETURN_IF_ERROR(runners[next]->takeTurn(options));
            error = std::max(error, runners[next]->summarizeInto(records[next]));
        }
        const bool spent = microsecondsSince(begin) > options.budgetUs;
        if (turn + 1 >= options.leastTurns && (error < kStopError || spent)) {
            break;
        }
    }
    return records;
}

std::optional<std::array<double, 2>>
PlanRaces::times(const std::array<std::string, 2>& keys,
                 const std::function<support::Result<plan::Plan>(size_t which)>& make) {
    const auto timingKey = [&](size_t which) {
        return TimingKey{mContext.host().fingerprint, support::cat("race ", keys[0], " ", keys[1]), "plan",
                         std::string(support::versionText()), keys[which]};
    };
    MissReason miss = MissReason::kNone;
    const TimingRecord* const first = mCache->find(timingKey(0), miss);
    const TimingRecord* const second = mCache->find(timingKey(1), miss);
    if (first && second) {
        return std::array{first->us, second->us};
    }
    if (!mMeasure) {
        return std::nullopt;
    }
    const auto race = [&]() -> support::Result<std::vector<TimingRecord>> {
        std::vector<plan::Plan> plans;
        for (size_t which = 0; which < keys.size(); ++which) {
            TN_ASSIGN_OR_RETURN(plan::Plan plan, make(which));
            plans.push_back(std::move(plan));
        }
        return racePlans(mContext, std::move(plans));
    };
    const support::Result<std::vector<TimingRecord>> records = race();
    if (!records.ok()) {
        mContext.options->log.info("times of steps decide, since whole plans could not be run: ",
                                   records.status().toString());
        return std::nullopt;
    }
    for (size_t which = 0; which < keys.size(); ++which) {
        mCache->insert(timingKey(which), (*records)[which]);
    }
    return std::array{(*records)[0].us, (*records)[1].us};
}

} // namespace tenon::schedule
