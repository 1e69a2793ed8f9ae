#include "core/schedule/tactic_timer.h"

#include "core/schedule/conversions.h"
#include "core/support/text.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tenon::schedule {

namespace {

constexpr double kStopSpread = 0.01;
constexpr double kAbandonFactor = 3;
constexpr int kMinSamples = 3;
constexpr int kMaxSamples = 200;

double budgetUs(int32_t level) { return level >= 5 ? 200'000 : 30'000; }

// Standard error of the median over the median, from the quartile distance (exact for a normal distribution: 1.253 * iqr / 1.349 / sqrt n).
double relativeError(std::vector<double>& samples, double& median, double& spread) {
    std::sort(samples.begin(), samples.end());
    size_t n = samples.size();
    median = n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
    double quartiles = samples[(3 * n) / 4] - samples[n / 4];
    spread = median > 0 ? quartiles / median : 0;
    return 0.929 * spread / std::sqrt(static_cast<double>(n));
}

} // namespace

TimingKey TacticTimer::keyOf(const Task& task, const Candidate& candidate) const {
    const registry::ProviderEntry& provider = mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)];
    return {mContext.target.fingerprint, task.key(), provider.name, provider.version, candidate.tactic.key()};
}

support::Result<CompiledKernel> TacticTimer::compiled(const Task& task, const Candidate& candidate) {
    std::string key = support::cat(task.key(), "/", candidate.provider, "/", candidate.tactic.key());
    auto known = mCompiled.find(key);
    if (known != mCompiled.end()) {
        return known->second;
    }
    TN_ASSIGN_OR_RETURN(CompiledKernel kernel, compileTactic(mContext, task, candidate));
    mCompiled.emplace(key, kernel);
    return kernel;
}

std::vector<ir::ConstantPtr> TacticTimer::testInputs(const Task& task, const std::vector<int64_t>& symbolValues) {
    std::vector<ir::ConstantPtr> inputs;
    for (size_t i = 0; i < task.inputCount(); ++i) {
        if (task.constants()[i]) {
            inputs.push_back(task.constants()[i]);
            continue;
        }
        const ir::TensorType& type = task.body().inputs()[i]->type();
        inputs.push_back(makeTestData(type.dtype, evaluateDims(task.body().pool(), type, symbolValues), i + 1));
    }
    return inputs;
}

void TacticTimer::time(Task& task, Candidate& candidate) {
    if (candidate.state != CandidateState::kOpen) {
        return;
    }
    if (mCache) {
        MissReason reason = MissReason::kNone;
        if (const TimingRecord* record = mCache->find(keyOf(task, candidate), reason)) {
            ++mHits;
            candidate.fromCache = true;
            candidate.time = *record;
            candidate.state = record->failure.empty() ? CandidateState::kTimed : CandidateState::kFailed;
            candidate.reason = record->failure;
            return;
        }
        if (mForbidMeasuring) {
            mForbidden.push_back(support::cat(task.label(), " ", candidate.tactic.key(), ": ", nameOf(reason)));
            candidate.state = CandidateState::kFailed;
            candidate.reason = support::cat("not measured: ", nameOf(reason));
            return;
        }
    }
    ++mMeasured;
    support::Result<TimingRecord> record = measure(task, candidate);
    if (record.ok()) {
        candidate.time = *record;
        candidate.state = CandidateState::kTimed;
    } else {
        candidate.state = CandidateState::kFailed;
        candidate.reason = record.status().toString();
        candidate.time.failure = candidate.reason;
    }
    if (mCache && record.status().code() != support::Code::kCancelled) {
        mCache->insert(keyOf(task, candidate), candidate.time);
    }
}

support::Result<TimingRecord> TacticTimer::measure(Task& task, const Candidate& candidate) {
    TN_ASSIGN_OR_RETURN(CompiledKernel kernel, compiled(task, candidate));
    TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner, KernelRunner::open(mContext, candidate, kernel));
    TN_RETURN_IF_ERROR(runner->prepare(task, task.box().opt));

    if (mInputsTask != task.key()) {
        mInputs.clear();
        mInputsTask = task.key();
    }
    std::vector<ir::ConstantPtr> linear;
    std::vector<ir::ConstantPtr> kept;
    std::vector<const void*> inputs;
    for (size_t i = 0; i < task.inputCount(); ++i) {
        const PortLayout& port = candidate.tactic.inputs[i];
        ir::ConstantPtr& data = mInputs[support::cat(i, " ", toText(port))];
        if (!data) {
            if (linear.empty()) {
                linear = testInputs(task, task.box().opt);
            }
            PortLayout from = task.convertFrom()
                                  ? *task.convertFrom()
                                  : linearPort(linear[i]->dtype, static_cast<int32_t>(linear[i]->dims.size()));
            if (task.convertFrom()) {
                PortLayout plain = linearPort(linear[i]->dtype, static_cast<int32_t>(linear[i]->dims.size()));
                // Test data for a conversion: bytes in the source layout. Its contents do not matter for time, its size does.
                support::Result<ir::ConstantPtr> converted = convertBytes(mContext, linear[i], plain, from);
                if (!converted.ok()) {
                    return converted.status();
                }
                data = *converted;
            } else {
                TN_ASSIGN_OR_RETURN(data, convertBytes(mContext, linear[i], from, port));
            }
        }
        kept.push_back(data);
        inputs.push_back(data->data);
    }
    std::vector<GuardedBuffer> buffers;
    std::vector<void*> outputs;
    for (const TnTensor& output : runner->outputs()) {
        buffers.emplace_back(output.bytes);
        if (!buffers.back().data()) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes, " bytes of output");
        }
        outputs.push_back(buffers.back().data());
    }
    TN_RETURN_IF_ERROR(runner->launch(inputs, outputs));
    for (const GuardedBuffer& buffer : buffers) {
        if (!buffer.canariesIntact()) {
            return support::internalError("wrote outside its output of ", buffer.bytes(), " bytes");
        }
    }

    double best = 0;
    for (const Candidate& other : task.candidates) {
        if (other.state == CandidateState::kTimed && (best == 0 || other.time.medianUs < best)) {
            best = other.time.medianUs;
        }
    }
    using Clock = std::chrono::steady_clock;
    double budget = budgetUs(mContext.options->level);
    int32_t repeat = std::max(1, mContext.options->timingIterations);
    double spent = 0;
    std::vector<double> samples;
    TimingRecord record;
    while (static_cast<int>(samples.size()) < kMaxSamples) {
        Clock::time_point begin = Clock::now();
        for (int32_t r = 0; r < repeat; ++r) {
            TN_RETURN_IF_ERROR(runner->launch(inputs, outputs));
        }
        double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / repeat;
        samples.push_back(us);
        spent += us * repeat;
        double error = relativeError(samples, record.medianUs, record.spread);
        bool hopeless = best > 0 && us > kAbandonFactor * best;
        bool steady = static_cast<int>(samples.size()) >= kMinSamples && error < kStopSpread && spent > 200;
        if (hopeless || steady || spent > budget || mContext.cancelled()) {
            break;
        }
    }
    record.samples = static_cast<int32_t>(samples.size());
    return record;
}

} // namespace tenon::schedule
