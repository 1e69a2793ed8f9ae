#include "core/schedule/verification.h"

#include "core/schedule/relayout.h"
#include "core/support/file_map.h"
#include "core/support/hash.h"
#include "core/support/text.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace tenon::schedule {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The narrowest floating type among the ports decides how close the answer must be.
ir::DataType computeTypeOf(const Task& task, const Tactic& tactic) {
    auto type = static_cast<ir::DataType>(tactic.outputs[0].dtype);
    auto narrower = [&](TnDataType other) {
        auto dtype = static_cast<ir::DataType>(other);
        if (ir::isFloat(dtype) && toleranceOf(dtype).rtol > toleranceOf(type).rtol) {
            type = dtype;
        }
    };
    for (const PortLayout& port : tactic.inputs) {
        narrower(port.dtype);
    }
    for (const ir::Value* output : task.body().outputs()) {
        narrower(static_cast<TnDataType>(output->type().dtype));
    }
    if ((tactic.traits & TN_TRAIT_TF32) != 0) {
        narrower(TN_F16); // as many bits of mantissa
    }
    return type;
}

// Bytes in another layout, by what the layouts say; those of a library by the library.
support::Result<ir::ConstantPtr> laidOut(const BuildContext& context, const ir::ConstantPtr& data,
                                         const PortLayout& from, const PortLayout& to) {
    return canRelayout(from, to) ? relayout(data, from, to)
                                 : convertBytes(context, data, from, to, ConvertBy::kReference);
}

} // namespace

std::string verificationKey(const BuildContext& context, const Task& task, const Candidate& candidate) {
    const registry::ProviderEntry& provider = context.snapshot->providers()[static_cast<size_t>(candidate.provider)];
    return support::cat(task.key(), "/", provider.name, "/", candidate.tactic.key());
}

bool Verifier::check(const Task& task, Candidate& candidate, Reach reach) {
    const auto [known, isNew] = mResults.try_emplace(verificationKey(mContext, task, candidate));
    Verification& found = known->second;
    if (isNew) {
        found.reason = whyNot(task, candidate);
        if (const VerifiedRecord* earlier = found.reason.empty() ? remembered(candidate) : nullptr) {
            found.verdict = Verdict::kVerified;
            found.record = *earlier;
            if (mContext.options->verifyAll) { // what had no time then has it now
                std::erase_if(found.record.at, [](const auto& at) { return !at.second.empty(); });
            }
        }
    }
    if (found.reason.empty() && (reach == Reach::kUsual || !mContext.cancelled())) {
        // What only passes its input on is not timed, so that no cache would remember it: small extents are enough.
        const bool isMaximumWanted = reach == Reach::kMaximum && !candidate.tactic.isFreeAlias();
        std::vector<ComparisonPoint> missing = comparisonPoints(task);
        std::erase_if(missing, [&](const ComparisonPoint& point) {
            return (point.isMaximum() && !isMaximumWanted) || found.record.at.count(point.name) != 0;
        });
        if (!missing.empty()) {
            compareMissing(task, candidate, missing, found);
        }
    }
    if (found.verdict == Verdict::kWrong) {
        candidate.state = CandidateState::kWrong;
        candidate.reason = found.reason;
    }
    return found.verdict != Verdict::kWrong;
}

const VerifiedRecord* Verifier::remembered(const Candidate& candidate) {
    const std::string& module = moduleHash(candidate.provider);
    const std::optional<VerifiedRecord>& earlier = candidate.time.verified;
    return earlier && !module.empty() && earlier->module == module ? &*earlier : nullptr;
}

std::string Verifier::whyNot(const Task& task, const Candidate& candidate) const {
    if (candidate.tactic.isReference() && task.body().nodes().size() == 1) {
        return kIsReference;
    }
    if (!mContext.options->verify) {
        return "verification was switched off";
    }
    if (!mContext.canRun(candidate.placement)) {
        return "its device is not here";
    }
    return mContext.cancelled() ? "the build was stopped" : "";
}

std::string Verifier::obstacleAt(const Task& task, const ComparisonPoint& point) const {
    if (!point.obstacle.empty()) {
        return point.obstacle;
    }
    if (point.isMaximum()) {
        const auto pace = mSecondsPerElement.find(task.key());
        const double wanted = pace != mSecondsPerElement.end() ? pace->second * static_cast<double>(point.elements) : 0;
        const double budget = mContext.options->verifyBudgetSeconds;
        if (mSpentSeconds + wanted > budget) {
            return support::cat("the verification budget of ", budget, " s does not reach for it");
        }
    }
    return point.isOptimum() ? std::string() : misfitAt(task, mContext.snapshot->ops(), point);
}

void Verifier::compareMissing(const Task& task, Candidate& candidate, const std::vector<ComparisonPoint>& points,
                              Verification& found) {
    const Clock::time_point begin = Clock::now();
    std::unique_ptr<KernelRunner> runner;
    std::string reason;
    for (const ComparisonPoint& point : points) {
        std::string why = obstacleAt(task, point);
        if (why.empty()) {
            const support::Result<std::string> wrong = compareAt(task, candidate, point, runner, found.record);
            if (wrong.ok() && !wrong->empty()) {
                found.verdict = Verdict::kWrong;
                found.reason = point.prefix() + *wrong;
                break;
            }
            found.verdict = wrong.ok() ? Verdict::kVerified : found.verdict;
            why = wrong.ok()                              ? std::string()
                  : wrong.status().message() == kIsPacked ? kIsPacked
                                                          : wrong.status().toString();
        }
        reason = reason.empty() ? why : reason;
        found.record.at[point.name] = why.empty() || point.extents.empty() ? why : point.extents + ": " + why;
    }
    mSpentSeconds += secondsSince(begin);
    if (found.verdict == Verdict::kNotVerified) {
        found.reason = reason;
    } else if (found.verdict == Verdict::kVerified) {
        found.record.module = moduleHash(candidate.provider);
        mTimer.keepVerified(task, candidate, found.record);
    }
}

const std::string& Verifier::moduleHash(int32_t provider) {
    auto [known, added] = mModuleHashes.emplace(provider, "");
    const registry::RegistrySnapshot& snapshot = *mContext.snapshot;
    const registry::ModuleInfo* module =
        added ? snapshot.module(snapshot.providers()[static_cast<size_t>(provider)].origin.module) : nullptr;
    if (module) {
        if (support::Result<support::FileMap> file = support::FileMap::open(module->path); file.ok()) {
            known->second = support::hashBytes(file->bytes()).hex();
        }
    }
    return known->second;
}

std::string Verifier::bodyProblem(const RegionEntry& region, const Candidate& candidate, Reach reach) {
    if (!region.replaced || !mContext.options->verify || mContext.cancelled()) {
        return {};
    }
    const VerifiedRecord* earlier = remembered(candidate);
    std::vector<ComparisonPoint> points = comparisonPoints(*region.task);
    std::erase_if(points, [&](const ComparisonPoint& point) {
        const bool isKnown = point.isMaximum() && earlier && earlier->at.count(point.name) != 0;
        return point.isMaximum() != (reach == Reach::kMaximum) || isKnown || !obstacleAt(*region.task, point).empty();
    });
    if (points.empty()) {
        return {};
    }
    const Body verbatim = extractBody(region.nodes, region.label);
    std::vector<ir::ConstantPtr> constants;
    for (const ir::Value* input : verbatim.inputs) {
        constants.push_back(input->constant());
    }
    const support::Result<std::shared_ptr<Task>> nodes =
        Task::create(verbatim.graph, std::move(constants), region.task->box(), uint64_t{1} << TN_F32);
    if (!nodes.ok()) {
        return {};
    }
    for (const ComparisonPoint& point : points) {
        const auto [known, added] =
            mBodyProblems.emplace(support::cat(region.task->key(), "/", (*nodes)->key(), "/", point.name), "");
        if (added) {
            const Clock::time_point begin = Clock::now();
            known->second = compareBody(region, verbatim, point);
            mSpentSeconds += secondsSince(begin);
        }
        if (!known->second.empty()) {
            return known->second;
        }
    }
    return {};
}

std::string Verifier::compareBody(const RegionEntry& region, const Body& verbatim, const ComparisonPoint& point) {
    const Task& task = *region.task;
    const ir::ExprPool& pool = task.body().pool();
    for (size_t i = 0; i < region.inputs.size(); ++i) {
        if (evaluateDims(pool, region.inputs[i]->type(), point.symbolValues) !=
            evaluateDims(pool, task.body().inputs()[i]->type(), point.symbolValues)) {
            return {}; // a task of another profile, with equal ranges of other extents, where it was compared
        }
    }
    const std::vector<ir::ConstantPtr> inputs = TacticTimer::testInputs(task, point.symbolValues);
    std::vector<ir::ConstantPtr> outer;
    for (const ir::Value* input : verbatim.inputs) {
        const auto at = std::find(region.inputs.begin(), region.inputs.end(), input);
        outer.push_back(at != region.inputs.end() ? inputs[static_cast<size_t>(at - region.inputs.begin())]
                                                  : input->constant());
        if (!outer.back()) {
            return support::cat("it does not read '", input->name(), "', which the nodes read");
        }
    }
    const StandIn standIn{inHurry()};
    const support::Result<std::vector<ir::ConstantPtr>> expected =
        mOracle.run(*verbatim.graph, outer, point.symbolValues, standIn);
    const support::Result<std::vector<ir::ConstantPtr>> actual =
        mOracle.run(task.body(), inputs, point.symbolValues, standIn);
    if (!expected.ok() || !actual.ok()) {
        return {}; // no reference kernel: the tactic's own comparison says so
    }
    for (size_t o = 0; o < region.outputs.size(); ++o) {
        const auto at = std::find(verbatim.outputs.begin(), verbatim.outputs.end(), region.outputs[o]);
        if (at == verbatim.outputs.end()) {
            continue;
        }
        const ir::Constant& answer = *(*expected)[static_cast<size_t>(at - verbatim.outputs.begin())];
        const Tolerance tolerance = toleranceOf(answer.dtype);
        const Difference difference = compare(*(*actual)[o], answer, tolerance.rtol, tolerance.atol);
        if (difference.mismatched > 0) {
            return support::cat(point.prefix(), "its body differs from its nodes in ", difference.mismatched, " of ",
                                answer.elements(), " elements of '", region.outputs[o]->name(),
                                "' (largest difference ", difference.maxAbs, ")");
        }
    }
    return {};
}

support::Result<Verifier::Expected> Verifier::expectedOf(const Task& task, const Candidate& candidate,
                                                         const std::vector<ir::ConstantPtr>& inputs,
                                                         const ComparisonPoint& point) {
    if (task.convertFrom()) {
        return Expected{inputs, {}}; // a conversion keeps the values
    }
    constexpr int64_t kMostKept = int64_t{1} << 27; // other tactics of the task are compared next
    const std::string key = support::cat(task.key(), "/", candidate.provider, "/", point.name);
    const auto known = mExpected.find(key);
    if (known != mExpected.end()) {
        return known->second;
    }
    Expected answer;
    const StandIn standIn{inHurry(), &candidate};
    const Clock::time_point begin = Clock::now();
    TN_ASSIGN_OR_RETURN(answer.outputs, mOracle.run(task.body(), inputs, point.symbolValues, standIn));
    answer.quantized = quantizedOutputs(mOracle, task.body(), inputs, point.symbolValues, standIn);
    const double seconds = secondsSince(begin);
    constexpr double kOverhead = 1e-3; // of making kernels, whatever the extents
    mSecondsPerElement[task.key()] =
        seconds > kOverhead ? seconds / static_cast<double>(std::max<int64_t>(point.elements, 1)) : 0;
    int64_t bytes = 0;
    for (const ir::ConstantPtr& each : answer.outputs) {
        bytes += each ? each->bytes : 0;
    }
    for (const std::optional<QuantizedOutput>& each : answer.quantized) {
        bytes += each ? static_cast<int64_t>(each->exact.size() * sizeof(double)) : 0;
    }
    if (mExpectedBytes + bytes > kMostKept) {
        mExpected.clear();
        mExpectedBytes = 0;
    }
    mExpectedBytes += bytes;
    mExpected[key] = answer;
    return answer;
}

support::Result<std::string> Verifier::difference(const Task& task, const Candidate& candidate, const Expected& answer,
                                                  const std::vector<std::shared_ptr<GuardedBuffer>>& written,
                                                  VerifiedRecord& record) const {
    const std::vector<ir::ConstantPtr>& expected = answer.outputs;
    const Tolerance tolerance = toleranceOf(computeTypeOf(task, candidate.tactic));
    for (size_t o = 0; o < written.size(); ++o) {
        if (!written[o]->canariesIntact()) {
            return support::cat("wrote outside output ", o);
        }
        if (!expected[o]) {
            continue;
        }
        auto raw = std::make_shared<ir::Constant>();
        raw->dtype = static_cast<ir::DataType>(candidate.tactic.outputs[o].dtype);
        raw->dims = expected[o]->dims;
        raw->owner = written[o];
        raw->data = written[o]->data();
        raw->bytes = written[o]->bytes();
        const PortLayout linear = linearPort(expected[o]->dtype, static_cast<int32_t>(expected[o]->dims.size()));
        TN_ASSIGN_OR_RETURN(const ir::ConstantPtr actual, laidOut(mContext, raw, candidate.tactic.outputs[o], linear));
        const Difference difference = o < answer.quantized.size() && answer.quantized[o]
                                          ? compareQuantized(*actual, *expected[o], *answer.quantized[o], tolerance)
                                          : compare(*actual, *expected[o], tolerance.rtol, tolerance.atol);
        record.maxAbs = std::max(record.maxAbs, difference.maxAbs);
        record.maxRel = std::max(record.maxRel, difference.maxRel);
        if (difference.mismatched > 0) {
            return support::cat("differs from the reference in ", difference.mismatched, " of ",
                                expected[o]->elements(), " elements of output ", o, " (largest difference ",
                                difference.maxAbs, ", first at element ", difference.firstIndex, ")");
        }
    }
    return std::string();
}

support::Result<std::string> Verifier::compareAt(const Task& task, const Candidate& candidate,
                                                 const ComparisonPoint& point, std::unique_ptr<KernelRunner>& runner,
                                                 VerifiedRecord& record) {
    const std::vector<ir::ConstantPtr> inputs = TacticTimer::testInputs(task, point.symbolValues);
    TN_ASSIGN_OR_RETURN(const Expected expected, expectedOf(task, candidate, inputs, point));
    if (!runner) {
        support::Result<CompiledKernel> compiled = mTimer.compiled(task, candidate);
        support::Result<std::unique_ptr<KernelRunner>> opened =
            compiled.ok() ? KernelRunner::open(mContext, candidate, *compiled) : compiled.status();
        if (!opened.ok()) {
            return opened.status().toString();
        }
        runner = std::move(*opened);
    }
    if (support::Status prepared = runner->prepare(task, point.symbolValues); !prepared.ok()) {
        // A kernel may refuse an end of the profile: so does a context that comes there.
        return point.isOptimum() ? support::Result<std::string>(prepared.toString()) : prepared;
    }
    std::vector<ir::ConstantPtr> kept;
    std::vector<const void*> inputAddresses;
    for (size_t i = 0; i < inputs.size(); ++i) {
        const PortLayout linear = linearPort(inputs[i]->dtype, static_cast<int32_t>(inputs[i]->dims.size()));
        TN_ASSIGN_OR_RETURN(ir::ConstantPtr data, laidOut(mContext, inputs[i], linear, candidate.tactic.inputs[i]));
        kept.push_back(std::move(data));
        inputAddresses.push_back(kept.back()->data);
    }
    std::vector<std::shared_ptr<GuardedBuffer>> buffers;
    std::vector<void*> outputAddresses;
    for (const TnTensor& output : runner->outputs()) {
        buffers.push_back(std::make_shared<GuardedBuffer>(output.bytes));
        if (buffers.back()->data() == nullptr) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes, " bytes of output");
        }
        outputAddresses.push_back(buffers.back()->data());
    }
    const auto poison = [&] {
        for (const std::shared_ptr<GuardedBuffer>& buffer : buffers) {
            std::memset(buffer->data(), 0xff, static_cast<size_t>(buffer->bytes()));
        }
    };
    poison();
    if (support::Status launched = runner->launch(inputAddresses, outputAddresses); !launched.ok()) {
        return launched.toString();
    }
    support::Result<std::string> differs = difference(task, candidate, expected, buffers, record);
    if (!differs.ok()) {
        const bool isPacked = task.convertTo() && ir::isOpaque(task.convertTo()->format);
        return isPacked ? support::unsupported(kIsPacked) : differs;
    }
    if (!differs->empty() || candidate.tactic.mayAlias.empty()) {
        return differs;
    }
    // The plan may have it write where it reads.
    std::vector<std::shared_ptr<std::byte>> copies;
    std::vector<void*> ownAddresses;
    for (const ir::ConstantPtr& input : kept) {
        copies.push_back(pagesFor(input->bytes));
        std::memcpy(copies.back().get(), input->data, static_cast<size_t>(input->bytes));
        ownAddresses.push_back(copies.back().get());
    }
    poison();
    const support::Result<bool> inPlace = runner->launchInPlace(ownAddresses, outputAddresses);
    if (!inPlace.ok()) {
        return support::cat("in place: ", inPlace.status().toString());
    }
    differs = *inPlace ? difference(task, candidate, expected, buffers, record) : support::Result<std::string>("");
    return differs.ok() && !differs->empty() ? support::cat("in place: ", *differs) : differs;
}

} // namespace tenon::schedule
