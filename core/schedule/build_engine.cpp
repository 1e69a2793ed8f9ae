#include "core/schedule/build_engine.h"

#include "core/ir/editor.h"
#include "core/ir/printer.h"
#include "core/passes/pipeline.h"
#include "core/schedule/build_notes.h"
#include "core/schedule/choice_check.h"
#include "core/schedule/contradictions.h"
#include "core/schedule/copy_costs.h"
#include "core/schedule/coverage.h"
#include "core/schedule/graph_checks.h"
#include "core/schedule/layout_offers.h"
#include "core/schedule/plan_race.h"
#include "core/schedule/profile_choice.h"
#include "core/schedule/quantized_weights.h"
#include "core/schedule/whole_plan.h"
#include "core/support/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

namespace tenon::schedule {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kMaxVerificationRounds = 32;
// Of weights: two plans and what they derive are in memory while they run against each other.
constexpr int64_t kMostRacedBytes = int64_t{1} << 30;
constexpr const char* kSelect = "select and verify"; // a phase that others lie in

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Constant folding asks the oracle.
class FoldingEvaluator final : public passes::Evaluator {
public:
    explicit FoldingEvaluator(Oracle& oracle) : mOracle(oracle) {}
    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node) override {
        return mOracle.evaluate(node);
    }

private:
    Oracle& mOracle;
};

// One profile's regions, candidates and choice.
struct ProfileBuild {
    std::vector<RegionEntry> regions;
    std::unique_ptr<Conversions> conversions;
    ProfileChoice choice;
    std::vector<SwapCost> swaps;
};

class EngineBuilder {
public:
    EngineBuilder(BuildInput input, const BuildOptions& options,
                  std::shared_ptr<const registry::RegistrySnapshot> snapshot)
        : mInput(std::move(input)), mOptions(options), mAsked(options.precision) {
        // The caller's progress sink may ask to stop; from then on nothing is timed any more.
        mOptions.cancelled = [this, asked = options.cancelled] { return mStopped || (asked && asked()); };
        mContext.snapshot = std::move(snapshot);
        mContext.options = &mOptions;
        mContext.phases = std::make_shared<BuildPhases>();
    }

    support::Result<BuildResult> run() {
        Clock::time_point begin = Clock::now();
        TN_ASSIGN_OR_RETURN(mContext.targets, describeTargets(*mContext.snapshot, mOptions));
        TN_RETURN_IF_ERROR(prepareTimes());
        TN_RETURN_IF_ERROR(optimise());
        TimingCache* const times = mOptions.timingCache ? mOptions.timingCache : &mOwnTimes;
        mTimer = std::make_unique<TacticTimer>(mContext, times);
        const bool mayMeasure = mOptions.replayLedger.empty() && !mOptions.errorOnCacheMiss;
        mTimer->forbidMeasuring(!mayMeasure);
        mCopyCosts = std::make_unique<CopyCosts>(mContext, times, mOptions.level > 0 && mayMeasure);
        mRaces = std::make_unique<PlanRaces>(mContext, times, mayMeasure);
        mCheck = std::make_unique<ChoiceCheck>(mContext, *mInput.graph, *mTimer,
                                               [this](std::string text) { note(std::move(text)); });
        mProfiles.resize(mInput.profiles.size());
        for (size_t p = 0; p < mProfiles.size(); ++p) {
            TN_RETURN_IF_ERROR(scheduleProfile(p).withContext(support::cat("while scheduling profile ", p)));
        }
        noteOptions();
        TN_RETURN_IF_ERROR(assemble());
        mResult.timedTactics = mTimer->measured();
        mResult.cacheHits = mTimer->cacheHits();
        reportTimes(*mTimer, mOptions.log);
        if (const std::string text = textOfUncompared(mCheck->verdicts()); mOptions.verify && !text.empty()) {
            mOptions.log.warning(text);
        }
        if (mContext.targets.size() > 1) {
            const Target& device = mContext.targets[1];
            mResult.device = RecordedTarget{device.backend, device.json, device.fingerprint};
        }
        mResult.seconds = secondsSince(begin);
        mOptions.log.info("built in ", mResult.seconds, " s; where the time went: ", mContext.phases->text());
        return std::move(mResult);
    }

private:
    support::Status prepareTimes() {
        if (!mOptions.replayLedger.empty()) {
            TN_ASSIGN_OR_RETURN(mOwnTimes, timesOf(mOptions.replayLedger));
            mOptions.timingCache = &mOwnTimes;
            std::vector<std::string> usable;
            for (const registry::ProviderEntry& provider : mContext.snapshot->providers()) {
                if (mContext.providerAllowed(provider.name)) {
                    usable.push_back(provider.name);
                }
            }
            TN_RETURN_IF_ERROR(requireProviders(mOptions.replayLedger, usable));
            TN_ASSIGN_OR_RETURN(mReplayedGains, sparedOf(mOptions.replayLedger, mContext.snapshot->providers()));
        }
        return {};
    }

    support::Status optimise() {
        BuildPhase progress(mOptions.progress, "optimise graph", 1);
        const PhaseTimer phase(mContext.phases.get(), "optimise graph");
        Oracle oracle(mContext);
        oracle.stayOnHost();
        FoldingEvaluator evaluator(oracle);
        mWeights = std::make_unique<ir::Graph>("weights", mInput.graph->poolPtr());
        passes::PassContext passContext{
            *mInput.graph, mContext.snapshot->ops(), mWeights.get(), &evaluator, mOptions.log, {}};
        if (mContext.targets.size() == 1 && !mOptions.precision.stronglyTyped) {
            TN_RETURN_IF_ERROR(widenHalves(passContext));
        }
        TN_RETURN_IF_ERROR(passes::runPipeline(passContext));
        if (!mInput.profiles.empty()) {
            ir::SymbolBox box = mInput.profiles[0];
            coverSymbols(box, mInput.graph->pool());
            TN_ASSIGN_OR_RETURN(passContext.unwantedIntegers, unwantedQuantizedWeights(mContext, *mInput.graph, box));
            if (!passContext.unwantedIntegers.empty()) {
                TN_RETURN_IF_ERROR(passes::runPipeline(passContext));
            }
        }
        separateOutputs(*mInput.graph);
        TN_RETURN_IF_ERROR(refuseRunTimeOperands(*mInput.graph, mContext.snapshot->ops()));
        TN_RETURN_IF_ERROR(refuseUnbacked(*mInput.graph));
        mInput.graph->freeze();
        progress.step(1);
        return {};
    }

    // The host has no kernels that are fast on halves as they lie in a graph. A network that computes in bf16, and nowhere in f32, may still be
    // computed in bf16 once it is widened.
    support::Status widenHalves(passes::PassContext& context) {
        bool brains = false;
        bool singles = false;
        for (const ir::Node* node : context.graph.nodes()) {
            for (const ir::Value* value : node->outputs()) {
                brains = brains || value->type().dtype == ir::DataType::kBF16;
                singles = singles ||
                          (value->type().dtype == ir::DataType::kF32 && node->op() != "cast" && node->op() != "const");
            }
        }
        if (brains && !singles) {
            mOptions.precision.computeTypes |= uint64_t{1} << TN_BF16;
        }
        return passes::runPass(context, *passes::findPass("widen_halves")).status();
    }

    // Symbols that passes added have no bounds of the user's.
    static void coverSymbols(ir::SymbolBox& box, const ir::ExprPool& pool) {
        while (box.bounds.size() < pool.symbols().size()) {
            box.bounds.push_back({});
            box.opt.push_back(1);
        }
    }

    // An output that is an input, a constant, or the same value as another output gets a copy of its own to be written.
    static void separateOutputs(ir::Graph& graph) {
        ir::GraphEditor editor(graph);
        std::set<const ir::Value*> seen;
        for (size_t i = 0; i < graph.outputs().size(); ++i) {
            ir::Value* value = graph.outputs()[i];
            bool produced = value->producer() && value->producer()->op() != "const";
            if (produced && seen.insert(value).second) {
                continue;
            }
            ir::NodeSpec spec;
            spec.op = "identity";
            spec.name = value->name() + ".copy";
            spec.inputs = {value};
            spec.outputTypes = {value->type()};
            spec.source = value->producer() ? value->producer()->source() : ir::SourceSet(value->name());
            ir::Node* copy = editor.addNode(std::move(spec));
            editor.setOutput(i, copy->output(0));
            seen.insert(copy->output(0));
        }
    }

    support::Status scheduleProfile(size_t index) {
        ProfileBuild& profile = mProfiles[index];
        ir::SymbolBox& box = mInput.profiles[index];
        const ir::Graph& graph = *mInput.graph;
        coverSymbols(box, graph.pool());
        TN_RETURN_IF_ERROR(checkSizes(graph, box));
        TN_RETURN_IF_ERROR(checkOperands(graph, mContext.snapshot->ops(), box));
        profile.conversions = std::make_unique<Conversions>(mContext, box);
        if (mOptions.level > 0) {
            profile.conversions->setTimer(mTimer.get());
        }
        profile.conversions->setCopyCosts(mCopyCosts.get());
        TN_ASSIGN_OR_RETURN(profile.regions, collectRegions(mContext, graph, box, mTasks));
        {
            const PhaseTimer phase(mContext.phases.get(), "enumerate tactics");
            enumerateWithLayouts(mContext, graph, profile.regions);
        }
        TN_RETURN_IF_ERROR(everyNodeCovered(mContext, profile.regions));
        if (index == 0) {
            placeBindings(profile.regions);
        }
        if (mOptions.level > 0) {
            timeTactics(profile.regions);
        }
        if (mOptions.verifyAll) {
            verifyAll(profile.regions);
        }
        if (!mTimer->forbiddenMisses().empty() && (mOptions.errorOnCacheMiss || !mOptions.replayLedger.empty())) {
            return support::makeError(support::Code::kBuildFailed, mTimer->forbiddenMisses().size(),
                                      " tactics have no recorded time, and measuring was forbidden; the first: ",
                                      mTimer->forbiddenMisses().front(), "; this build is for ",
                                      mContext.host().fingerprint,
                                      ". What is to be replayed or found in a cache must be of the same model, shapes, "
                                      "options, processor and threads");
        }
        TN_RETURN_IF_ERROR(everyNodeRan(mContext, profile.regions));
        return selectVerified(profile);
    }

    // Bindings are where most of the work is, as users of such devices expect: on the device, if anything can run there. Inputs that shapes
    // depend on are read by the runtime itself.
    void placeBindings(const std::vector<RegionEntry>& regions) {
        TnPlacement placement = TN_PLACEMENT_HOST;
        for (const RegionEntry& region : regions) {
            for (const Candidate& candidate : region.task->candidates) {
                placement = std::max(placement, candidate.placement);
            }
        }
        for (const plan::PlanBinding& binding : mInput.bindings) {
            mBindings.push_back(binding.isShapeInput ? TN_PLACEMENT_HOST : placement);
        }
    }

    void noteOptions() {
        for (std::string& text : notesOfUnusedTypes(mContext, mAsked, mProfiles[0].regions)) {
            note(std::move(text));
        }
        if (std::string text = noteOfLevel(mOptions.level); !text.empty()) {
            note(std::move(text));
        }
    }

    // Times that nobody measured: the plan says so.
    void noteEstimates() {
        for (const Target& target : mContext.targets) {
            if (!mContext.canRun(target.placement) && mTimer->estimated() > 0) {
                mNotes.push_back(support::cat(mTimer->estimated(), " tactics for the recorded device ", target.backend,
                                              " (", target.fingerprint,
                                              ") have no recorded time: what providers estimate stands in for it"));
                mOptions.log.warning(mNotes.back());
            }
        }
    }

    void timeTactics(const std::vector<RegionEntry>& regions) {
        std::vector<Task*> tasks;
        std::set<const Task*> seen;
        int32_t count = 0;
        for (const RegionEntry& region : regions) {
            if (seen.insert(region.task.get()).second) {
                tasks.push_back(region.task.get());
                count += static_cast<int32_t>(region.task->candidates.size());
            }
        }
        BuildPhase progress(mOptions.progress, "time tactics", count);
        const PhaseTimer phase(mContext.phases.get(), "time tactics");
        int32_t done = 0;
        mTimer->compileAhead(tasks);
        for (Task* task : tasks) {
            // Alone at the task, a candidate is chosen whatever its time; the time still decides whether a fusion over it pays.
            std::vector<Candidate*> references;
            std::vector<Candidate*> others;
            for (Candidate& candidate : task->candidates) {
                (candidate.tactic.isReference() ? references : others).push_back(&candidate);
            }
            others.erase(std::remove_if(others.begin(), others.end(),
                                        [](const Candidate* each) { return each->tactic.isFreeAlias(); }),
                         others.end());
            mTimer->time(*task, others);
            // Where there is no fast tactic, or each failed, the reference stands in.
            if (!task->hasFast()) {
                mTimer->time(*task, references);
            }
            done += static_cast<int32_t>(task->candidates.size());
            if (!progress.step(done)) {
                mStopped = true;
            }
        }
        // What is taken again may contradict others. Not where a device computes: other guests of the machine do not slow it down.
        while (mContext.targets.size() == 1 && timeContradictions(regions, tasks)) {
        }
    }

    // Whether anything was timed.
    bool timeContradictions(const std::vector<RegionEntry>& regions, const std::vector<Task*>& tasks) {
        std::map<const Task*, int32_t> taskIds;
        for (Task* task : tasks) {
            taskIds.emplace(task, static_cast<int32_t>(taskIds.size()));
        }
        std::map<const ir::Node*, int32_t> nodeIds;
        std::vector<TimedRegion> timed;
        for (const RegionEntry& region : regions) {
            const Candidate* fastest = region.task->fastestOnHost();
            const bool isFree = std::any_of(region.task->candidates.begin(), region.task->candidates.end(),
                                            [](const Candidate& each) { return each.tactic.isFreeAlias(); });
            if (fastest == nullptr && !isFree) {
                continue;
            }
            TimedRegion entry{{}, taskIds.at(region.task.get()), isFree ? 0 : fastest->time.us};
            for (const ir::Node* node : region.nodes) {
                entry.nodes.push_back(nodeIds.emplace(node, static_cast<int32_t>(nodeIds.size())).first->second);
            }
            timed.push_back(std::move(entry));
        }
        const std::vector<std::vector<int32_t>> groups = contradictingTasks(timed);
        BuildPhase progress(mOptions.progress, "time fusions again, beside their parts",
                            static_cast<int32_t>(groups.size()));
        const PhaseTimer phase(mContext.phases.get(), "time contradictions");
        int32_t done = 0;
        bool hasTimed = false;
        for (const std::vector<int32_t>& group : groups) {
            std::vector<Task*> together;
            for (const int32_t task : group) {
                together.push_back(tasks[static_cast<size_t>(task)]);
            }
            hasTimed = mTimer->timeTogether(together) || hasTimed;
            mStopped = !progress.step(++done) || mStopped;
            if (mContext.cancelled()) {
                return false;
            }
        }
        return hasTimed;
    }

    // Tactics that nobody may choose are compared as well: for authors of modules.
    void verifyAll(std::vector<RegionEntry>& regions) {
        BuildPhase progress(mOptions.progress, "compare all tactics", static_cast<int32_t>(regions.size()));
        const PhaseTimer phase(mContext.phases.get(), "verify all");
        std::set<const Task*> seen;
        int32_t done = 0;
        for (RegionEntry& region : regions) {
            mStopped = !progress.step(++done) || mStopped;
            if (!seen.insert(region.task.get()).second) {
                continue;
            }
            for (Candidate& candidate : region.task->candidates) {
                if (candidate.state == CandidateState::kTimed || candidate.state == CandidateState::kOpen) {
                    if (mCheck->passes(*region.task, candidate, Reach::kUsual)) {
                        mCheck->passes(*region.task, candidate, Reach::kMaximum);
                    }
                }
            }
        }
    }

    // What the plan will hold, as far as a device's compiler makes it.
    static CompiledKernels::Wanted chosenOf(const ProfileBuild& profile) {
        CompiledKernels::Wanted wanted;
        for (const ChosenCandidate& chosen : profile.choice.selection.chosen) {
            const int32_t index = profile.choice.builder->taskCandidate(chosen.candidate);
            if (index != SelectionBuilder::kHostShape) {
                const Task& task = *profile.choice.builder->region(chosen.region).task;
                const Candidate& candidate = task.candidates[static_cast<size_t>(index)];
                if (candidate.placement != TN_PLACEMENT_HOST) {
                    wanted.emplace_back(&task, &candidate);
                }
            }
        }
        return wanted;
    }

    support::Status selectVerified(ProfileBuild& profile) {
        BuildPhase progress(mOptions.progress, kSelect, 1);
        for (int round = 0; round < kMaxVerificationRounds; ++round) {
            auto selecting = std::make_optional<PhaseTimer>(mContext.phases.get(), "select");
            const ChoiceInput input{mContext, *mInput.graph, profile.regions, *profile.conversions, mBindings, kSelect};
            const PlanRace race = [&](const ProfileChoice& with, const ProfileChoice& without) {
                return this->race(profile, with, without);
            };
            TN_ASSIGN_OR_RETURN(profile.choice,
                                maySpare() ? chooseSparing(input, race) : chooseWithout(input, mReplayedGains));
            selecting.reset();
            if (std::exchange(mRacedWrong, false)) {
                continue;
            }
            mTimer->compileAhead(chosenOf(profile));
            TN_ASSIGN_OR_RETURN(bool allTrusted, trust(profile, profile.choice, Reach::kUsual));
            if (allTrusted) {
                TN_ASSIGN_OR_RETURN(allTrusted, trust(profile, profile.choice, Reach::kMaximum));
            }
            if (allTrusted) {
                TN_RETURN_IF_ERROR(mCheck->keep({profile.regions, *profile.conversions}, profile.choice));
                noteSpared(profile.choice);
                profile.swaps = swapCosts(profile.choice.problem, profile.choice.selection);
                if (!profile.choice.selection.proven) {
                    mResult.proven = false;
                    mNotes.push_back("selection is the best found, not proven optimal");
                }
                progress.step(1);
                return {};
            }
        }
        return support::makeError(
            support::Code::kBuildFailed, "after ", kMaxVerificationRounds,
            " rounds of dropping wrong tactics there were still wrong ones; see the warnings above");
    }

    // A module is opened for all profiles. Whoever names providers wants those. On a device a percent of its time is worth more than the host's memory.
    bool maySpare() const {
        return mOptions.level > 0 && mProfiles.size() == 1 && mContext.targets.size() == 1 &&
               mOptions.providers.empty() && mOptions.replayLedger.empty() && !mContext.cancelled();
    }

    // Whole runs of two choices of the only profile. Nothing is run that was not compared with the reference.
    std::optional<RunTimes> race(ProfileBuild& profile, const ProfileChoice& with, const ProfileChoice& without) {
        if (constantBytes() > kMostRacedBytes) {
            mOptions.log.info("times of steps decide, since two plans of such weights would take too much memory");
            return std::nullopt;
        }
        for (const ProfileChoice* choice : {&with, &without}) {
            profile.conversions->spare(choice->spared);
            const support::Result<bool> trusted = trust(profile, *choice, Reach::kUsual);
            mRacedWrong = mRacedWrong || (trusted.ok() && !*trusted);
            if (!trusted.ok() || !*trusted) {
                return std::nullopt; // an error is met again by the selection that is kept
            }
        }
        BuildPhase progress(mOptions.progress, "race whole plans", 1, kSelect);
        const auto racing = [&](const ProfileChoice& choice) {
            return RacingPlan{
                choice.key, [&]() -> support::Result<plan::Plan> {
                    profile.conversions->spare(choice.spared);
                    TN_ASSIGN_OR_RETURN(
                        WholePlan whole,
                        wholePlan(networkParts(), {{&profile.regions, &choice, profile.conversions.get()}}, *mTimer));
                    return std::move(whole.plan);
                }};
        };
        const std::optional<RunTimes> times = mRaces->times(racing(with), racing(without));
        mStopped = !progress.step(1) || mStopped;
        return times;
    }

    int64_t constantBytes() const {
        int64_t bytes = 0;
        for (const ir::Node* node : mInput.graph->nodes()) {
            bytes += node->op() == "const" ? node->output(0)->constant()->bytes : 0;
        }
        return bytes;
    }

    void noteSpared(const ProfileChoice& choice) {
        for (const ProviderGain& gain : choice.gains) {
            std::string text = textOf(gain, mContext.snapshot->providers()[static_cast<size_t>(gain.provider)].name);
            mOptions.log.info(text);
            if (gain.isSpared) {
                mNotes.push_back(std::move(text));
            }
        }
    }

    // False: something that the choice relies on is wrong and is out.
    support::Result<bool> trust(ProfileBuild& profile, const ProfileChoice& choice, Reach reach) {
        const PhaseTimer verifying(mContext.phases.get(), "verify");
        BuildPhase progress(mOptions.progress,
                            reach == Reach::kUsual ? "compare with the reference" : "compare at the largest shapes",
                            static_cast<int32_t>(choice.selection.chosen.size()), kSelect);
        return mCheck->passes({profile.regions, *profile.conversions}, choice, reach,
                              [&](int32_t done) { mStopped = !progress.step(done) || mStopped; });
    }

    void note(std::string text) {
        mOptions.log.warning(text);
        mNotes.push_back(std::move(text));
    }

    support::Status assemble() {
        BuildPhase progress(mOptions.progress, "write plan", 1);
        const PhaseTimer phase(mContext.phases.get(), "write plan");
        std::vector<ProfileParts> parts;
        for (const ProfileBuild& profile : mProfiles) {
            parts.push_back({&profile.regions, &profile.choice, profile.conversions.get()});
        }
        TN_ASSIGN_OR_RETURN(WholePlan whole, wholePlan(networkParts(), parts, *mTimer));
        mResult.plan = std::move(whole.plan);
        plan::Plan& plan = mResult.plan;
        std::vector<ProfileDecisions> decisions;
        std::vector<std::shared_ptr<Task>> conversionTasks;
        for (size_t p = 0; p < mProfiles.size(); ++p) {
            ProfileBuild& profile = mProfiles[p];
            ProfileDecisions decision;
            decision.views = std::move(whole.views[p]);
            decision.regions = &profile.regions;
            decision.builder = profile.choice.builder.get();
            decision.selection = profile.choice.selection;
            for (const ProviderGain& gain : profile.choice.gains) {
                if (gain.isSpared) {
                    decision.spared.push_back(gain);
                }
            }
            decision.swaps = std::move(profile.swaps);
            decisions.push_back(std::move(decision));
            conversionTasks.insert(conversionTasks.end(), profile.conversions->tasks().begin(),
                                   profile.conversions->tasks().end());
        }
        noteEstimates();
        if (std::string text = textOfGaps(mCheck->verdicts()); !text.empty()) {
            mOptions.log.info(text);
            mNotes.push_back(std::move(text));
        }
        mResult.cancelled = mContext.cancelled();
        if (mResult.cancelled) {
            plan.stopped = true;
            mNotes.emplace_back(kStoppedNote);
        }
        plan.ledgerJson =
            ledgerJson(mContext, mAsked, decisions, conversionTasks, mCopyCosts->used(), mCheck->verdicts(), mNotes);
        progress.step(1);
        return {};
    }

    NetworkParts networkParts() const { return {mContext, mInput, *mWeights, mBindings}; }

    BuildInput mInput;
    BuildOptions mOptions;
    PrecisionOptions mAsked; // before the network had a say
    BuildContext mContext;
    TimingCache mOwnTimes;
    std::unique_ptr<ir::Graph> mWeights;
    std::unique_ptr<TacticTimer> mTimer;
    std::unique_ptr<CopyCosts> mCopyCosts;
    std::unique_ptr<PlanRaces> mRaces;
    std::unique_ptr<ChoiceCheck> mCheck;
    std::vector<TnPlacement> mBindings; // placements, inputs first
    TaskPool mTasks;
    std::vector<ProfileBuild> mProfiles;
    std::vector<ProviderGain> mReplayedGains; // of providers that the ledger's plan does without
    std::vector<std::string> mNotes;
    BuildResult mResult;
    bool mStopped = false;
    bool mRacedWrong = false; // what was to be raced relies on something wrong, which is out
};

} // namespace

support::Result<BuildResult> buildEngine(BuildInput input, const BuildOptions& options,
                                         std::shared_ptr<const registry::RegistrySnapshot> snapshot) {
    if (!input.graph || input.profiles.empty()) {
        return support::internalError("a build needs a graph and at least one profile");
    }
    return EngineBuilder(std::move(input), options, std::move(snapshot)).run();
}

} // namespace tenon::schedule
