#include "core/schedule/tactic_timer.h"

#include "core/schedule/contradictions.h"
#include "core/schedule/conversions.h"
#include "core/schedule/dealing.h"
#include "core/schedule/relayout.h"
#include "core/schedule/samples.h"
#include "core/support/cache_flush.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule {

namespace {

constexpr double kStopError = 0.01;
constexpr double kAbandonFactor = 3;
constexpr double kHopelessFactor = 10;
constexpr size_t kMinSamples = 5;
constexpr size_t kMaxSamples = 200;
constexpr double kMinSpentUs = 200;
// Those that are nearly the fastest decide about plans, also beside tactics of other regions that are timed at another moment: a machine may be slow for
// milliseconds at a time.
constexpr double kNearFactor = 1.5;
constexpr double kMinSpentNearUs = 2000;
// How much longer than its budget a tactic is tried while other work keeps taking the processor away.
constexpr double kPatience = 3;
// Candidates measured side by side, so that what else the machine does falls on all: more would only hold more memory.
constexpr size_t kGroup = 16;
// Of tasks that are timed in turns: their differences decide.
constexpr size_t kMinTogether = 15;
// Tactics whose times under load are measured again before it is clear that the machine is busy now, too.
constexpr int32_t kMostDisturbedAgain = 4;
// Of the piece that large inputs repeat.
constexpr int64_t kPatternElements = 1'000'000;
// Constants of the host from this size on are put out of its caches before each launch. Smaller ones may well stay there from one run of a network
// to the next, and take little time to fetch.
constexpr int64_t kLargeConstant = 64 * 1024;

double budgetUs(int32_t level) { return level >= 5 ? 200'000 : 30'000; }

std::string textOf(const TimingKey& key) {
    return support::cat(key.target, "/", key.task, "/", key.provider, "/", key.tactic);
}

} // namespace

TimingKey TacticTimer::keyOf(const Task& task, const Candidate& candidate) const {
    const registry::ProviderEntry& provider = mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)];
    return {mContext.targetAt(candidate.placement).fingerprint, task.key(), provider.name, provider.version,
            candidate.tactic.key()};
}

bool TacticTimer::isKnown(const Task& task, const Candidate& candidate) const {
    MissReason reason = MissReason::kNone;
    return mCache && mCache->find(keyOf(task, candidate), reason) != nullptr;
}

void TacticTimer::compileAhead(const std::vector<Task*>& tasks) {
    CompiledKernels::Wanted wanted;
    if (mForbidMeasuring) {
        return;
    }
    for (const Task* task : tasks) {
        for (const Candidate& candidate : task->candidates) {
            if (candidate.placement != TN_PLACEMENT_HOST && candidate.state == CandidateState::kOpen &&
                !candidate.tactic.isFreeAlias() && mContext.canRun(candidate.placement) && !isKnown(*task, candidate)) {
                wanted.emplace_back(task, &candidate);
            }
        }
    }
    mKernels.compileAhead(wanted);
}

namespace {

// Tables of one entry (a vocabulary of token types, say) have no index but 0.
bool indexesOneEntry(const Task& task, const std::vector<int64_t>& symbolValues) {
    const ir::Graph& body = task.body();
    return std::any_of(body.nodes().begin(), body.nodes().end(), [&](const ir::Node* node) {
        if (!node->op().starts_with("gather") && !node->op().starts_with("scatter")) {
            return false;
        }
        const std::vector<int64_t> table = evaluateDims(body.pool(), node->input(0)->type(), symbolValues);
        return std::find(table.begin(), table.end(), 1) != table.end();
    });
}

} // namespace

ir::ConstantPtr TacticTimer::testInput(const Task& task, size_t index, const std::vector<int64_t>& symbolValues) {
    if (task.constants()[index]) {
        return task.constants()[index];
    }
    const ir::TensorType& type = task.body().inputs()[index]->type();
    const std::vector<int64_t> dims = evaluateDims(task.body().pool(), type, symbolValues);
    const bool mayIndex = type.dtype == ir::DataType::kI32 || type.dtype == ir::DataType::kI64;
    return mayIndex && indexesOneEntry(task, symbolValues) ? makeZeros(type.dtype, dims)
                                                           : makeTestData(type.dtype, dims, index + 1);
}

std::vector<ir::ConstantPtr> TacticTimer::testInputs(const Task& task, const std::vector<int64_t>& symbolValues) {
    std::vector<ir::ConstantPtr> inputs;
    for (size_t i = 0; i < task.inputCount(); ++i) {
        inputs.push_back(testInput(task, i, symbolValues));
    }
    return inputs;
}

// A candidate that runs: its kernel at the optimal extents, between canaries.
struct TacticTimer::Contender {
    Candidate* candidate = nullptr;
    std::unique_ptr<KernelRunner> runner;
    std::vector<const void*> inputs;
    std::vector<ir::ConstantPtr> large; // constants that a network fetches from memory at every run
    std::vector<GuardedBuffer> buffers;
    std::vector<void*> outputs;
    std::vector<DealtBytes> dealt; // on the host: what other steps write and read
    std::vector<double> samples;   // undisturbed
    std::vector<double> disturbed; // with other work in between
    TimingRecord record;
    double error = 0;                     // of its time, relative
    std::optional<TimingRecord> doubtful; // from the cache, measured under load
    double spentUs = 0;
    double disturbedUs = 0;
    bool done = false;
};

bool TacticTimer::recall(const Task& task, Candidate& candidate, std::optional<TimingRecord>& doubtful) {
    if (!mCache) {
        return false;
    }
    MissReason reason = MissReason::kNone;
    const TimingKey key = keyOf(task, candidate);
    if (const TimingRecord* record = mCache->find(key, reason)) {
        if (record->disturbed && !mForbidMeasuring && mContext.canRun(candidate.placement) &&
            mDisturbedAgain < kMostDisturbedAgain && mMeasuredHere.count(textOf(key)) == 0) {
            doubtful = *record;
            return false;
        }
        ++mHits;
        mDisturbedHits += record->disturbed ? 1 : 0;
        settle(candidate, *record);
        return true;
    }
    if (mForbidMeasuring && mContext.canRun(candidate.placement)) {
        mForbidden.push_back(support::cat(task.label(), " ", candidate.tactic.key(), ": ", nameOf(reason)));
        candidate.state = CandidateState::kFailed;
        candidate.reason = support::cat("not measured: ", nameOf(reason));
        return true;
    }
    return false;
}

void TacticTimer::settle(Candidate& candidate, const TimingRecord& record) {
    candidate.time = record;
    candidate.state = record.failure.empty() ? CandidateState::kTimed : CandidateState::kFailed;
    candidate.reason = record.failure;
}

void TacticTimer::keep(const Task& task, Candidate& candidate, const TimingRecord& record) {
    settle(candidate, record);
    if (mCache) {
        const TimingKey key = keyOf(task, candidate);
        mCache->insert(key, record);
        mMeasuredHere.insert(textOf(key));
    }
}

void TacticTimer::keepVerified(const Task& task, Candidate& candidate, const VerifiedRecord& verified) {
    candidate.time.verified = verified;
    if (candidate.state == CandidateState::kTimed && mCache) {
        mCache->insert(keyOf(task, candidate), candidate.time);
    }
}

void TacticTimer::time(Task& task, const std::vector<Candidate*>& candidates) {
    struct Open {
        Candidate* candidate;
        std::optional<TimingRecord> doubtful;
    };
    std::vector<Open> open;
    for (Candidate* candidate : candidates) {
        std::optional<TimingRecord> doubtful;
        if (candidate->state != CandidateState::kOpen || recall(task, *candidate, doubtful)) {
            continue;
        }
        if (mContext.canRun(candidate->placement)) {
            open.push_back({candidate, std::move(doubtful)});
        } else {
            ++mEstimated;
        }
    }
    TestInputs inputs;
    size_t next = 0;
    while (next < open.size() && !mContext.cancelled()) {
        std::vector<Contender> group;
        for (const size_t end = std::min(open.size(), next + kGroup); next < end; ++next) {
            ++mMeasured;
            Contender contender;
            contender.candidate = open[next].candidate;
            contender.doubtful = std::move(open[next].doubtful);
            mRetimed += contender.doubtful ? 1 : 0;
            if (support::Status status = enter(task, inputs, contender); status.ok()) {
                group.push_back(std::move(contender));
            } else if (status.code() != support::Code::kCancelled) {
                contender.record.failure = status.toString();
                keep(task, *contender.candidate, contender.record);
            } else if (contender.doubtful) {
                settle(*contender.candidate, *contender.doubtful);
            }
        }
        race(task, group);
        for (Contender& contender : group) {
            conclude(task, contender);
        }
    }
    for (; next < open.size(); ++next) { // the build was stopped
        if (open[next].doubtful) {
            settle(*open[next].candidate, *open[next].doubtful);
        }
    }
}

void TacticTimer::conclude(const Task& task, Contender& contender) {
    TimingRecord& record = contender.record;
    const std::optional<TimingRecord>& doubtful = contender.doubtful;
    if (record.failure.empty() && contender.samples.size() < kMinSamples && !contender.disturbed.empty()) {
        contender.samples.insert(contender.samples.end(), contender.disturbed.begin(), contender.disturbed.end());
        summarize(contender.samples, record);
        record.disturbed = true;
        ++mDisturbed;
        if (doubtful) {
            ++mDisturbedAgain;
            // Other work only ever adds time.
            record = doubtful->us < record.us ? *doubtful : record;
        }
    }
    if (doubtful) {
        record.verified = doubtful->verified;
    }
    if (!contender.samples.empty() || !record.failure.empty()) {
        keep(task, *contender.candidate, record);
    } else if (doubtful) {
        settle(*contender.candidate, *doubtful);
    }
}

support::Result<ir::ConstantPtr> TacticTimer::inputAt(const Task& task, size_t index, const PortLayout& port) const {
    const ir::ConstantPtr data = testInput(task, index, task.box().opt);
    const PortLayout plain = linearPort(data->dtype, static_cast<int32_t>(data->dims.size()));
    // Of a conversion the contents do not matter for time, the layout they come in does.
    const PortLayout& wanted = task.convertFrom() ? *task.convertFrom() : port;
    return canRelayout(plain, wanted) ? relayout(data, plain, wanted)
                                      : convertBytes(mContext, data, plain, wanted, ConvertBy::kFastest);
}

support::Result<ir::ConstantPtr> TacticTimer::deviceContentsAt(const Task& task, size_t index, const PortLayout& port,
                                                               const TnTensor& tensor) {
    const auto dtype = static_cast<ir::DataType>(tensor.dtype);
    const bool dense = !ir::isOpaque(tensor.format) && tensor.bytes * 8 == tensor.elements * ir::bitsOf(dtype);
    if (task.constants()[index] || !dense || tensor.elements <= kPatternElements) {
        return inputAt(task, index, port);
    }
    ir::ConstantPtr& pattern = mPatterns[{dtype, index}];
    if (!pattern) {
        pattern = makeTestData(dtype, {kPatternElements}, index + 1);
    }
    return pattern;
}

support::Status TacticTimer::enter(const Task& task, TestInputs& inputs, Contender& contender) {
    const Candidate& candidate = *contender.candidate;
    TN_ASSIGN_OR_RETURN(CompiledKernel kernel, compiled(task, candidate, true));
    const PhaseTimer phase(mContext.phases.get(), "try out");
    TN_ASSIGN_OR_RETURN(contender.runner, KernelRunner::open(mContext, candidate, kernel));
    TN_RETURN_IF_ERROR(contender.runner->prepare(task, task.box().opt));
    TN_ASSIGN_OR_RETURN(const int64_t workspace, contender.runner->workspaceAtMost(task));
    if (workspace > mContext.options->workspaceLimit) {
        return support::unsupported("needs ", workspace, " bytes of workspace, the builder allows ",
                                    mContext.options->workspaceLimit);
    }
    const bool onDevice = contender.runner->onDevice();
    std::vector<std::shared_ptr<DeviceInput>> deviceInputs(task.inputCount());
    std::vector<TestInput*> shared(task.inputCount(), nullptr); // of those on the device
    std::vector<ir::ConstantPtr> patterns;                      // held until they are copied
    std::vector<DeviceInput::Contents> missing(task.inputCount());
    contender.inputs.resize(task.inputCount());
    for (size_t i = 0; i < task.inputCount(); ++i) {
        const PhaseTimer making(mContext.phases.get(), "make test inputs");
        const PortLayout& port = candidate.tactic.inputs[i];
        TestInput& data = inputs[support::cat(i, " ", port.placement, " ", toText(port))];
        if (onDevice && port.placement != TN_PLACEMENT_HOST) {
            shared[i] = &data;
            if (!data.device) {
                const TnTensor& tensor = contender.runner->inputs()[i];
                TN_ASSIGN_OR_RETURN(ir::ConstantPtr pattern, deviceContentsAt(task, i, port, tensor));
                missing[i] = {tensor.bytes, pattern->data, std::min(tensor.bytes, pattern->bytes)};
                patterns.push_back(std::move(pattern));
            }
            continue;
        }
        if (!data.host) {
            TN_ASSIGN_OR_RETURN(data.host, inputAt(task, i, port));
        }
        contender.inputs[i] = data.host->data;
        if (task.constants()[i] && !onDevice && data.host->bytes >= kLargeConstant) {
            contender.large.push_back(data.host);
        }
        if (!task.constants()[i] && !onDevice) {
            // It was made for this, and stays as it is.
            contender.dealt.push_back(
                {const_cast<std::byte*>(static_cast<const std::byte*>(contender.inputs[i])), data.host->bytes});
        }
    }
    if (onDevice) {
        const PhaseTimer making(mContext.phases.get(), "make test inputs");
        TN_ASSIGN_OR_RETURN(deviceInputs,
                            DeviceInput::createRow(mContext.targetAt(candidate.placement).machine, missing));
        for (size_t i = 0; i < shared.size(); ++i) {
            if (shared[i] != nullptr) {
                shared[i]->device = deviceInputs[i] ? deviceInputs[i] : shared[i]->device;
                deviceInputs[i] = shared[i]->device;
            }
        }
    }
    for (const TnTensor& output : contender.runner->outputs()) {
        const bool there = onDevice && output.placement != TN_PLACEMENT_HOST;
        contender.buffers.emplace_back(there ? 0 : output.bytes);
        if (!contender.buffers.back().data()) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes, " bytes of output");
        }
        contender.outputs.push_back(contender.buffers.back().data());
        if (!onDevice) {
            contender.dealt.push_back({contender.buffers.back().data(), output.bytes});
        }
    }
    if (onDevice) {
        TN_RETURN_IF_ERROR(contender.runner->tryOut(std::move(deviceInputs), contender.inputs, contender.outputs));
    } else {
        TN_RETURN_IF_ERROR(contender.runner->launch(contender.inputs, contender.outputs));
    }
    for (const GuardedBuffer& buffer : contender.buffers) {
        if (!buffer.canariesIntact()) {
            return support::internalError("wrote outside its output of ", buffer.bytes(), " bytes");
        }
    }
    return {};
}

void TacticTimer::race(const Task& task, std::vector<Contender>& group) {
    const PhaseTimer phase(mContext.phases.get(), task.convertFrom() ? "measure conversions" : "measure tactics");
    double known = 0; // of those measured before
    for (const Candidate& other : task.candidates) {
        if (other.state == CandidateState::kTimed && (known == 0 || other.time.us < known)) {
            known = other.time.us;
        }
    }
    const double budget = budgetUs(mContext.options->level);
    size_t running = group.size();
    while (running > 0) {
        for (Contender& contender : group) {
            if (contender.done) {
                continue;
            }
            launch(contender);
            // By their times so far, not by the fastest sample of anybody: that may be from a moment in which the machine had less to do.
            double best = known;
            for (const Contender& other : group) {
                best = !other.samples.empty() && (best == 0 || other.record.us < best) ? other.record.us : best;
            }
            const bool complete = !contender.record.failure.empty() || finished(contender, best, budget);
            contender.done = complete || mContext.cancelled();
            running -= contender.done ? 1 : 0;
        }
    }
}

void TacticTimer::launch(Contender& contender) {
    for (const ir::ConstantPtr& constant : contender.large) {
        support::flushFromCaches(constant->data, static_cast<size_t>(constant->bytes));
    }
    if (contender.candidate->placement == TN_PLACEMENT_HOST && mContext.host().team) {
        dealOut(*mContext.host().team, contender.dealt);
    }
    const int32_t repeat = std::max(1, mContext.options->timingIterations);
    const int64_t before = preemptions();
    const support::Result<double> us = contender.runner->timedLaunch(contender.inputs, contender.outputs, repeat);
    if (!us.ok()) {
        contender.record.failure = us.status().toString();
    } else if (contender.candidate->placement == TN_PLACEMENT_HOST && preemptions() != before) {
        contender.disturbed.push_back(*us);
        contender.disturbedUs += *us * repeat;
    } else {
        contender.samples.push_back(*us);
        contender.spentUs += *us * repeat;
        contender.error = summarize(contender.samples, contender.record);
    }
}

bool TacticTimer::finished(Contender& contender, double best, double budget) {
    const size_t count = contender.samples.size();
    if (contender.disturbedUs > kPatience * budget || contender.disturbed.size() >= kMaxSamples) {
        return true;
    }
    if (count == 0) {
        return false;
    }
    // Several times, so that interruptions do not put a good tactic out.
    const double factor = contender.record.us / best;
    const bool hopeless = factor > kAbandonFactor && count >= (factor > kHopelessFactor ? 2 : 4);
    const double enough = factor < kNearFactor ? kMinSpentNearUs : kMinSpentUs;
    const bool steady = count >= kMinSamples && contender.error < kStopError && contender.spentUs > enough;
    return hopeless || steady || contender.spentUs > budget || count >= kMaxSamples;
}

bool TacticTimer::timeTogether(const std::vector<Task*>& tasks) {
    std::vector<TestInputs> inputs(tasks.size());
    std::vector<Contender> group(tasks.size()); // by task
    bool isKnown = true;
    for (size_t t = 0; t < tasks.size(); ++t) {
        group[t].candidate = tasks[t]->fastestOnHost();
        if (group[t].candidate == nullptr) {
            return false;
        }
        isKnown = isKnown && group[t].candidate->time.together;
    }
    if (isKnown || mForbidMeasuring) {
        return false;
    }
    bool hasFailed = false;
    for (size_t t = 0; t < tasks.size() && !mContext.cancelled(); ++t) {
        hasFailed = hasFailed || !enter(*tasks[t], inputs[t], group[t]).ok();
    }
    const PhaseTimer phase(mContext.phases.get(), "measure tactics");
    while (!mContext.cancelled() && !hasFailed && !decided(group)) {
        for (Contender& contender : group) {
            launch(contender);
            hasFailed = hasFailed || !contender.record.failure.empty();
        }
    }
    if (mContext.cancelled()) {
        return false;
    }
    // They ran before, so something is short at this moment: times stay, and nobody tries again.
    std::vector<double> factors(group.size(), 1);
    if (!hasFailed) {
        std::vector<double> before;
        std::vector<double> now;
        for (const Contender& contender : group) {
            before.push_back(contender.candidate->time.aloneUs());
            now.push_back(contender.record.us);
            if (contender.samples.size() < kMinSamples || before.back() <= 0 || now.back() <= 0) {
                return false; // kept from the processor
            }
        }
        factors = momentFactors(before, now);
    }
    for (size_t t = 0; t < tasks.size(); ++t) {
        for (Candidate& candidate : tasks[t]->candidates) {
            if (candidate.state == CandidateState::kTimed && candidate.placement == TN_PLACEMENT_HOST) {
                TimingRecord record = candidate.time;
                record.us = record.aloneUs() * factors[t];
                record.factor = factors[t];
                record.together = true;
                keep(*tasks[t], candidate, record);
            }
        }
    }
    mTogether += static_cast<int32_t>(group.size());
    return true;
}

bool TacticTimer::decided(const std::vector<Contender>& group) const {
    const double budget = budgetUs(mContext.options->level) * static_cast<double>(group.size());
    double spent = 0;
    double disturbed = 0;
    size_t rounds = kMaxSamples; // of whom the fewest were undisturbed
    bool isSteady = true;
    for (const Contender& contender : group) {
        spent += contender.spentUs;
        disturbed += contender.disturbedUs;
        rounds = std::min(rounds, contender.samples.size());
        isSteady = isSteady && contender.error < kStopError;
    }
    const bool isEnough = rounds >= kMinSamples && spent > budget;
    return isEnough || disturbed > kPatience * budget || rounds >= kMaxSamples || (isSteady && rounds >= kMinTogether);
}

} // namespace tenon::schedule
