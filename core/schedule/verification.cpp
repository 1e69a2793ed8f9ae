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

// Extents to verify at: the optimum, unless that is large; then the smallest extents of the box, where a fusion's logic is the same.
std::vector<int64_t> samplePoint(const Task& task) {
    std::vector<int64_t> point = task.box().opt;
    constexpr int64_t kLargeElements = 1 << 22;
    int64_t elements = 0;
    for (const ir::Value* value : task.body().outputs()) {
        int64_t count = 1;
        for (int64_t dim : evaluateDims(task.body().pool(), value->type(), point)) {
            count *= std::max<int64_t>(dim, 1);
        }
        elements = std::max(elements, count);
    }
    if (elements > kLargeElements) {
        for (size_t s = 0; s < point.size(); ++s) {
            point[s] = std::max<int64_t>(task.box().bounds[s].min, 1);
        }
    }
    return point;
}

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

bool Verifier::check(const Task& task, Candidate& candidate) {
    std::string key = verificationKey(mContext, task, candidate);
    auto known = mResults.find(key);
    if (known == mResults.end()) {
        known = mResults.emplace(key, verify(task, candidate)).first;
    }
    if (known->second.verdict == Verdict::kWrong) {
        candidate.state = CandidateState::kWrong;
        candidate.reason = known->second.reason;
        return false;
    }
    return true;
}

Verification Verifier::verify(const Task& task, Candidate& candidate) {
    const std::string& module = moduleHash(candidate.provider);
    if (const auto& earlier = candidate.time.verified; earlier && !module.empty() && earlier->module == module) {
        return {Verdict::kVerified, "", earlier->maxAbs, earlier->maxRel, module};
    }
    const auto begin = std::chrono::steady_clock::now();
    Verification found = compareWithOracle(task, candidate);
    mSpentSeconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (found.verdict == Verdict::kVerified) {
        found.module = module;
        mTimer.keepVerified(task, candidate, {found.maxAbs, found.maxRel, module});
    }
    return found;
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

std::string Verifier::bodyProblem(const RegionEntry& region) {
    if (!region.replaced || !mContext.options->verify || mContext.cancelled()) {
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
    const auto [known, added] = mBodyProblems.emplace(support::cat(region.task->key(), "/", (*nodes)->key()), "");
    if (added) {
        const auto begin = std::chrono::steady_clock::now();
        known->second = compareBody(region, verbatim);
        mSpentSeconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    return known->second;
}

std::string Verifier::compareBody(const RegionEntry& region, const Body& verbatim) {
    const Task& task = *region.task;
    const std::vector<int64_t> point = samplePoint(task);
    const std::vector<ir::ConstantPtr> inputs = TacticTimer::testInputs(task, point);
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
    const support::Result<std::vector<ir::ConstantPtr>> expected = mOracle.run(*verbatim.graph, outer, point, standIn);
    const support::Result<std::vector<ir::ConstantPtr>> actual = mOracle.run(task.body(), inputs, point, standIn);
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
            return support::cat("its body differs from its nodes in ", difference.mismatched, " of ", answer.elements(),
                                " elements of '", region.outputs[o]->name(), "' (largest difference ",
                                difference.maxAbs, ")");
        }
    }
    return {};
}

support::Result<Verifier::Expected> Verifier::expectedOf(const Task& task, const Candidate& candidate,
                                                         const std::vector<ir::ConstantPtr>& inputs,
                                                         const std::vector<int64_t>& point) {
    if (task.convertFrom()) {
        return Expected{inputs, {}}; // a conversion keeps the values
    }
    constexpr int64_t kMostKept = int64_t{1} << 31;
    const std::string key = support::cat(task.key(), "/", candidate.provider);
    const auto known = mExpected.find(key);
    if (known != mExpected.end()) {
        return known->second;
    }
    Expected answer;
    const StandIn standIn{inHurry(), &candidate};
    TN_ASSIGN_OR_RETURN(answer.outputs, mOracle.run(task.body(), inputs, point, standIn));
    answer.quantized = quantizedOutputs(mOracle, task.body(), inputs, point, standIn);
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
                                                  Verification& result) const {
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
        result.maxAbs = std::max(result.maxAbs, difference.maxAbs);
        result.maxRel = std::max(result.maxRel, difference.maxRel);
        if (difference.mismatched > 0) {
            return support::cat("differs from the reference in ", difference.mismatched, " of ",
                                expected[o]->elements(), " elements of output ", o, " (largest difference ",
                                difference.maxAbs, ", first at element ", difference.firstIndex, ")");
        }
    }
    return std::string();
}

Verification Verifier::compareWithOracle(const Task& task, const Candidate& candidate) {
    Verification result;
    auto skip = [&](const std::string& why) {
        result.verdict = Verdict::kNotVerified;
        result.reason = why;
        return result;
    };
    auto wrong = [&](const std::string& why) {
        result.verdict = Verdict::kWrong;
        result.reason = why;
        return result;
    };
    if (candidate.tactic.isReference() && task.body().nodes().size() == 1) {
        return skip(kIsReference);
    }
    if (!mContext.options->verify) {
        return skip("verification was switched off");
    }
    if (!mContext.canRun(candidate.placement)) {
        return skip("its device is not here");
    }
    if (mContext.cancelled()) {
        return skip("the build was stopped");
    }
    const std::vector<int64_t> point = samplePoint(task);
    const std::vector<ir::ConstantPtr> inputs = TacticTimer::testInputs(task, point);
    const support::Result<Expected> expected = expectedOf(task, candidate, inputs, point);
    if (!expected.ok()) {
        return skip(expected.status().toString());
    }
    support::Result<CompiledKernel> compiled = mTimer.compiled(task, candidate);
    if (!compiled.ok()) {
        return wrong(compiled.status().toString());
    }
    support::Result<std::unique_ptr<KernelRunner>> opened = KernelRunner::open(mContext, candidate, *compiled);
    if (!opened.ok()) {
        return wrong(opened.status().toString());
    }
    KernelRunner& runner = **opened;
    support::Status prepared = runner.prepare(task, point);
    if (!prepared.ok()) {
        return wrong(prepared.toString());
    }
    std::vector<ir::ConstantPtr> kept;
    std::vector<const void*> inputAddresses;
    for (size_t i = 0; i < inputs.size(); ++i) {
        const PortLayout linear = linearPort(inputs[i]->dtype, static_cast<int32_t>(inputs[i]->dims.size()));
        support::Result<ir::ConstantPtr> data = laidOut(mContext, inputs[i], linear, candidate.tactic.inputs[i]);
        if (!data.ok()) {
            return skip(data.status().toString());
        }
        kept.push_back(*data);
        inputAddresses.push_back((*data)->data);
    }
    std::vector<std::shared_ptr<GuardedBuffer>> buffers;
    std::vector<void*> outputAddresses;
    for (const TnTensor& output : runner.outputs()) {
        buffers.push_back(std::make_shared<GuardedBuffer>(output.bytes));
        if (buffers.back()->data() == nullptr) {
            return skip(support::cat("no memory for ", output.bytes, " bytes of output"));
        }
        outputAddresses.push_back(buffers.back()->data());
    }
    const auto poison = [&] {
        for (const std::shared_ptr<GuardedBuffer>& buffer : buffers) {
            std::memset(buffer->data(), 0xff, static_cast<size_t>(buffer->bytes()));
        }
    };
    poison();
    support::Status launched = runner.launch(inputAddresses, outputAddresses);
    if (!launched.ok()) {
        return wrong(launched.toString());
    }
    support::Result<std::string> differs = difference(task, candidate, *expected, buffers, result);
    if (differs.ok() && differs->empty() && !candidate.tactic.mayAlias.empty()) {
        // The plan may have it write where it reads.
        std::vector<std::shared_ptr<std::byte>> copies;
        std::vector<void*> ownAddresses;
        for (const ir::ConstantPtr& input : kept) {
            copies.push_back(pagesFor(input->bytes));
            std::memcpy(copies.back().get(), input->data, static_cast<size_t>(input->bytes));
            ownAddresses.push_back(copies.back().get());
        }
        poison();
        const support::Result<bool> inPlace = runner.launchInPlace(ownAddresses, outputAddresses);
        if (!inPlace.ok()) {
            return wrong(support::cat("in place: ", inPlace.status().toString()));
        }
        if (*inPlace) {
            differs = difference(task, candidate, *expected, buffers, result);
            if (differs.ok() && !differs->empty()) {
                return wrong(support::cat("in place: ", *differs));
            }
        }
    }
    if (!differs.ok()) {
        const bool isPacked = task.convertTo() && ir::isOpaque(task.convertTo()->format);
        return skip(isPacked ? std::string(kIsPacked) : differs.status().toString());
    }
    if (!differs->empty()) {
        return wrong(*differs);
    }
    result.verdict = Verdict::kVerified;
    return result;
}

} // namespace tenon::schedule
