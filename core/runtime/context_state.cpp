#include "core/runtime/context_state.h"

#include "core/plan/tensor_span.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::runtime {

using support::cat;
using support::invalidArgument;
using support::Result;
using support::Status;

Result<std::unique_ptr<ContextState>> ContextState::create(std::shared_ptr<const LoadedPlan> plan,
                                                           const ContextOptions& options) {
    if (options.threads < 0) {
        return invalidArgument("a context cannot run on ", options.threads, " threads; 0 takes all there are");
    }
    std::unique_ptr<ContextState> context(new ContextState(std::move(plan), options));
    TN_RETURN_IF_ERROR(context->open());
    return context;
}

ContextState::ContextState(std::shared_ptr<const LoadedPlan> plan, const ContextOptions& options)
    : mPlan(std::move(plan)), mOptions(options), mInputs(*mPlan) {}

ContextState::~ContextState() {
    if (mStreams != nullptr) {
        static_cast<void>(mStreams->settle()); // nobody to tell
    }
}

Status ContextState::open() {
    const plan::Plan& plan = mPlan->plan();
    ThreadTeamOptions team;
    team.threads = mOptions.threads > 0 ? mOptions.threads : mPlan->threads();
    team.processors = mOptions.processors;
    TN_ASSIGN_OR_RETURN(mTeam, ThreadTeam::start(team));
    const SessionOptions session{mTeam.get(), mOptions.resourceContext, mOptions.resource};
    const DeviceSet& devices = mPlan->devices();
    TN_ASSIGN_OR_RETURN(mSessions, SessionSet::open(mPlan->kernels(), devices, mPlan->runtimeUses(), session));
    TN_ASSIGN_OR_RETURN(mStreams, ContextStreams::open(devices));
    mInstances.resize(plan.programs.size());
    mAddresses.assign(plan.bindings.size(), nullptr);
    mBoundAddresses.assign(plan.bindings.size(), nullptr);
    mSymbols.assign(plan.symbols.size(), 0);
    mReportedZeroDivision.assign(plan.expressions.size(), false);
    for (TnPlacement placement = 0; placement < static_cast<TnPlacement>(devices.size()); ++placement) {
        const bool primary = placement == devices.primary();
        const AllocatorCallbacks allocator = devices.allocator(placement, mOptions.allocator);
        const int64_t arenaBytes = mPlan->largestArenaBytes(placement);
        GrowingBuffer pinned;
        if (placement == TN_PLACEMENT_HOST && !devices.hostOnly() && arenaBytes > 0) {
            // What is there goes to the device or comes from it.
            pinned = GrowingBuffer(devices.at(devices.primary()).hostAllocator());
            static_cast<void>(pinned.reserve(arenaBytes, "the arena in host memory")); // else ordinary memory serves
        }
        mAllocators.push_back(allocator);
        mArenas.push_back(pinned.bytes() > 0 ? std::move(pinned) : GrowingBuffer(allocator));
        if (!primary || mOptions.ownArena) {
            TN_RETURN_IF_ERROR(mArenas.back().reserve(arenaBytes, "the arena of activations"));
        }
    }
    mArenaAddresses.assign(devices.size(), nullptr);
    mTrace = devices.hostOnly() ? nullptr : devices.at(devices.primary()).trace();
    return setProfile(0);
}

Status ContextState::setProfile(int32_t profile) {
    if (profile < 0 || profile >= mPlan->profileCount()) {
        return invalidArgument("there is no profile ", profile, "; the plan has ", mPlan->profileCount(),
                               ", numbered from 0");
    }
    auto& instance = mInstances[static_cast<size_t>(profile)];
    if (instance == nullptr) {
        TN_ASSIGN_OR_RETURN(
            instance, ProgramInstance::create(mPlan->program(profile), *mSessions, mPlan->devices(), mAllocators));
    }
    mProfile = profile;
    mInputs.select(profile);
    TN_RETURN_IF_ERROR(settle()); // events of the timer may be in use
    mTimer.reset(mPlan->program(profile), mPlan->devices());
    if (mProfiler.report != nullptr) {
        TN_RETURN_IF_ERROR(mTimer.arm());
    }
    mHasTimes = false;
    mShapesDirty = mPrepareDirty = mBindDirty = true;
    mCurrentRecording = nullptr;
    mDataKnown = false;
    return {};
}

Status ContextState::checkBinding(int32_t binding, bool input, const char* what) const {
    const auto count = static_cast<int32_t>(mPlan->plan().bindings.size());
    if (binding < 0 || binding >= count) {
        return invalidArgument(what, ": there is no binding ", binding, "; the plan has ", count);
    }
    if (input && !bindingAt(binding).isInput) {
        return invalidArgument(what, ": '", bindingAt(binding).name,
                               "' is an output; its shape follows from the inputs");
    }
    return {};
}

Status ContextState::setInputShape(int32_t binding, std::span<const int64_t> dims) {
    TN_RETURN_IF_ERROR(checkBinding(binding, true, "setInputShape"));
    TN_ASSIGN_OR_RETURN(const bool changed, mInputs.setShape(binding, dims));
    if (changed) {
        mShapesDirty = true;
        mCurrentRecording = nullptr;
    }
    return {};
}

Status ContextState::setShapeValues(int32_t binding, std::span<const int64_t> values) {
    TN_RETURN_IF_ERROR(checkBinding(binding, true, "setShapeValues"));
    const ContextInput& input = mInputs.at(binding);
    if (!input.isShapeInput) {
        return invalidArgument("setShapeValues: '", bindingAt(binding).name,
                               "' is no shape input: no extent depends on its elements");
    }
    TN_RETURN_IF_ERROR(mInputs.checkValues(binding, values));
    const bool same =
        input.hasValues && std::equal(values.begin(), values.end(), input.values.begin(), input.values.end());
    mShapesDirty = mShapesDirty || !same;
    if (!same || input.fromAddress) {
        // A run that is not done may still copy the old ones.
        TN_RETURN_IF_ERROR(settle());
        mCurrentRecording = nullptr;
    }
    mBindDirty = mBindDirty || input.fromAddress;
    mInputs.setValues(binding, values);
    // The copy may have moved, or taken the place of nothing.
    mBindDirty = mBindDirty || mBoundAddresses[static_cast<size_t>(binding)] != addressFor(binding);
    return {};
}

Status ContextState::readShapeInputs() {
    TN_ASSIGN_OR_RETURN(const bool changed, mInputs.readValues(mAddresses));
    if (changed) {
        mShapesDirty = true;
        mCurrentRecording = nullptr;
    }
    return {};
}

Status ContextState::inferShapes() {
    TN_RETURN_IF_ERROR(mInputs.require());
    TN_RETURN_IF_ERROR(readShapeInputs());
    if (!mShapesDirty) {
        return {};
    }
    TN_RETURN_IF_ERROR(mInputs.solve(mSymbols));
    TN_ASSIGN_OR_RETURN(const plan::ExprIndex zero, instance().evaluate(0, mSymbols));
    if (zero >= 0 && !mReportedZeroDivision[static_cast<size_t>(zero)]) {
        mReportedZeroDivision[static_cast<size_t>(zero)] = true;
        mOptions.log.warning("an extent of '", mPlan->plan().networkName,
                             "' divides by zero with these input shapes (expression ", zero,
                             " of the plan); the quotient is taken as 0");
    }
    mShapesDirty = false;
    mPrepareDirty = true;
    mDataKnown = false;
    return {};
}

Status ContextState::prepare() {
    TN_RETURN_IF_ERROR(inferShapes());
    if (mPrepareDirty) {
        TN_RETURN_IF_ERROR(settle());
        TN_RETURN_IF_ERROR(instance().prepare(0));
        mPrepareDirty = false;
        mBindDirty = true;
    }
    return {};
}

Result<std::vector<int64_t>> ContextState::shape(int32_t binding) {
    TN_RETURN_IF_ERROR(checkBinding(binding, false, "shape"));
    if (bindingAt(binding).isInput) {
        return mInputs.at(binding).dims;
    }
    const bool complete = mInputs.missing().empty();
    if (complete) {
        TN_RETURN_IF_ERROR(inferShapes());
    }
    const LoadedProgram& program = mPlan->program(mProfile);
    std::vector<int64_t> dims;
    for (const int32_t reg : program.bindingDims[static_cast<size_t>(binding)]) {
        const bool known =
            program.shapes.isConstant(reg) || (complete && (program.shapes.stageOf(reg) == 0 || mDataKnown));
        dims.push_back(known ? instance().registerValue(reg) : -1);
    }
    return dims;
}

Result<int64_t> ContextState::bytes(int32_t binding) {
    TN_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape(binding));
    if (std::find(dims.begin(), dims.end(), -1) != dims.end()) {
        return int64_t{-1};
    }
    return plan::spanOf(bindingAt(binding).format, bindingAt(binding).dtype, dims.data());
}

Status ContextState::setAddress(int32_t binding, void* address) {
    TN_RETURN_IF_ERROR(checkBinding(binding, false, "setAddress"));
    const plan::PlanBinding& info = bindingAt(binding);
    // Kernels of devices read and write 16 bytes at once.
    constexpr int64_t kDevicePacks = 16;
    const bool onDevice = info.placement != TN_PLACEMENT_HOST;
    const int64_t alignment =
        std::max<int64_t>({1, ir::bitsOf(info.dtype) / 8, info.format.alignment, onDevice ? kDevicePacks : 1});
    if (reinterpret_cast<uintptr_t>(address) % static_cast<uintptr_t>(alignment) != 0) {
        return invalidArgument("the address of '", info.name, "' is not aligned to ", alignment, " bytes, as ",
                               info.format.alignment > 1 ? "its format demands"
                               : onDevice                ? "kernels of its device need"
                                                         : "its element type needs");
    }
    const auto index = static_cast<size_t>(binding);
    const void* const before = addressFor(binding);
    ContextInput& input = mInputs.at(binding);
    if (input.isShapeInput) {
        if (input.fromAddress && address == nullptr) {
            input.hasValues = false;
        }
        input.fromAddress = address != nullptr;
    }
    mAddresses[index] = address;
    mBindDirty = mBindDirty || mBoundAddresses[index] != addressFor(binding);
    if (addressFor(binding) != before) {
        mCurrentRecording = nullptr; // a replay binds nothing
    }
    return {};
}

void* ContextState::addressFor(int32_t binding) const {
    const auto index = static_cast<size_t>(binding);
    const ContextInput& input = mInputs.at(binding);
    // Kernels read the values, and so does nobody else: the copy is not written to.
    return input.isShapeInput && !input.fromAddress && input.hasValues ? const_cast<int64_t*>(input.contents.data())
                                                                       : mAddresses[index];
}

Status ContextState::setArena(void* memory, int64_t bytes) {
    const int64_t alignment = mAllocators[static_cast<size_t>(mPlan->devices().primary())].alignment;
    if (reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(alignment) != 0) {
        return invalidArgument("the context's memory must be aligned to ", alignment, " bytes");
    }
    if (memory != nullptr && bytes < mPlan->arenaBytes(mProfile)) {
        return invalidArgument("the context's memory has ", bytes, " bytes, profile ", mProfile, " needs ",
                               mPlan->arenaBytes(mProfile));
    }
    mUserArena = static_cast<std::byte*>(memory);
    mUserArenaBytes = memory == nullptr ? 0 : bytes;
    mBindDirty = true;
    mCurrentRecording = nullptr;
    return {};
}

Status ContextState::settle() {
    if (mInFlight) {
        TN_RETURN_IF_ERROR(mStreams->settle());
        mInFlight = false;
    }
    return {};
}

Status ContextState::bindIfNeeded() {
    if (!mBindDirty && !instance().buffersMoved()) {
        return {};
    }
    const LoadedProgram& program = mPlan->program(mProfile);
    for (size_t i = 0; i < mAddresses.size(); ++i) {
        const auto binding = static_cast<int32_t>(i);
        mBoundAddresses[i] = addressFor(binding);
        if (mBoundAddresses[i] != nullptr || !program.bindingUsed[i]) {
            continue;
        }
        int64_t dims[TN_MAX_DIMS] = {};
        for (size_t d = 0; d < program.bindingDims[i].size(); ++d) {
            dims[d] = instance().registerValue(program.bindingDims[i][d]);
        }
        if (plan::spanOf(bindingAt(binding).format, bindingAt(binding).dtype, dims) != 0) {
            return invalidArgument(bindingAt(binding).isInput ? "input '" : "output '", bindingAt(binding).name,
                                   "' has no address: call setTensorAddress before running");
        }
    }
    const DeviceSet& devices = mPlan->devices();
    const int64_t needed = mPlan->arenaBytes(mProfile);
    const GrowingBuffer& own = mArenas[static_cast<size_t>(devices.primary())];
    if (mUserArena != nullptr ? mUserArenaBytes < needed : own.bytes() < needed) {
        return invalidArgument("profile ", mProfile, " needs ", needed, " bytes of memory for its activations, ",
                               mUserArena != nullptr ? cat("it was given ", mUserArenaBytes)
                                                     : std::string("and none was given: the context was made without"));
    }
    for (size_t placement = 0; placement < devices.size(); ++placement) {
        mArenaAddresses[placement] = arenaAt(static_cast<TnPlacement>(placement));
    }
    instance().bind({mArenaAddresses, mBoundAddresses, &mPlan->constants()}, mStreams->current());
    mBindDirty = false;
    return {};
}

Status ContextState::runSegment(int32_t segment) {
    if (segment > 0) {
        TN_RETURN_IF_ERROR(instance().fetch(segment, mSymbols));
        TN_RETURN_IF_ERROR(instance().evaluate(segment, mSymbols).status());
        TN_RETURN_IF_ERROR(settle());
        TN_RETURN_IF_ERROR(instance().prepare(segment));
        mBindDirty = true;
    }
    TN_RETURN_IF_ERROR(bindIfNeeded());
    mInFlight = true;
    return instance().launch(segment, mProfiler.report != nullptr ? &mTimer : nullptr);
}

Status ContextState::run() {
    if (mPlan->program(mProfile).segments.size() > 1) {
        // The last run left the values that it fetched; this one begins with upper bounds again.
        mShapesDirty = true;
    }
    if (mShapesDirty || mPrepareDirty) {
        TN_RETURN_IF_ERROR(prepare());
    }
    for (int32_t segment = 0; segment < instance().segmentCount(); ++segment) {
        TN_RETURN_IF_ERROR(runSegment(segment));
    }
    return {};
}

// Everything that a recorded run depends on besides the plan.
void ContextState::collectRunKey() {
    mRunKey.clear();
    mRunKey.push_back(mProfile);
    for (int32_t i = 0; i < static_cast<int32_t>(mAddresses.size()); ++i) {
        const ContextInput& input = mInputs.at(i);
        mRunKey.insert(mRunKey.end(), input.dims.begin(), input.dims.end());
        mRunKey.insert(mRunKey.end(), input.values.begin(), input.values.end());
        mRunKey.push_back(static_cast<int64_t>(reinterpret_cast<intptr_t>(addressFor(i))));
    }
    for (size_t placement = 0; placement < mArenas.size(); ++placement) {
        mRunKey.push_back(
            static_cast<int64_t>(reinterpret_cast<intptr_t>(arenaAt(static_cast<TnPlacement>(placement)))));
    }
}

Status ContextState::runRecorded() {
    TnStream* const stream = mStreams->current()[static_cast<size_t>(mPlan->devices().primary())];
    if (mCurrentRecording == nullptr) {
        TN_RETURN_IF_ERROR(inferShapes());
        collectRunKey();
        mCurrentRecording = mRecordings->find(mRunKey);
    }
    if (mCurrentRecording == nullptr) {
        const int64_t owned = instance().ownedBytes();
        TN_RETURN_IF_ERROR(prepare());
        if (instance().ownedBytes() != owned || mRecordings->full()) {
            TN_RETURN_IF_ERROR(settle());
        }
        if (instance().ownedBytes() != owned) {
            mRecordings->clear(); // they hold the addresses of what moved
        }
        TN_RETURN_IF_ERROR(bindIfNeeded());
        TN_RETURN_IF_ERROR(mRecordings->begin(stream));
        if (Status issued = instance().launch(0, nullptr); !issued.ok()) {
            mRecordings->abandon(stream);
            return issued.withContext("while recording a run");
        }
        TN_ASSIGN_OR_RETURN(mCurrentRecording, mRecordings->end(stream, mRunKey));
    }
    mInFlight = true;
    return mRecordings->replay(mCurrentRecording, stream);
}

Status ContextState::setRecording(bool on) {
    TN_RETURN_IF_ERROR(settle());
    mCurrentRecording = nullptr;
    mRecordings.reset();
    if (!on) {
        return {};
    }
    const LoadedProgram& program = mPlan->program(mProfile);
    if (!program.recordingRefusal.empty()) {
        return support::unsupported("runs of profile ", mProfile, " cannot be recorded: ", program.recordingRefusal);
    }
    const Device& device = mPlan->devices().at(mPlan->devices().primary());
    const TnCapture* const capture = device.capture();
    if (capture == nullptr) {
        return support::unsupported("runs cannot be recorded: backend '", device.name(), "' has no recording");
    }
    mRecordings = std::make_unique<RunRecordings>(*capture);
    return {};
}

Status ContextState::enqueue(void* stream) {
    const TraceRange range(mTrace, mPlan->plan().networkName);
    bool moved = false;
    TN_RETURN_IF_ERROR(mStreams->use(stream, moved));
    mBindDirty = mBindDirty || moved;
    const LoadedProgram& program = mPlan->program(mProfile);
    const bool recordable = program.recordingRefusal.empty();
    if (mStreams->userRecords() && !recordable) {
        return support::unsupported("this stream is being recorded, and the run cannot be: ", program.recordingRefusal);
    }
    TN_RETURN_IF_ERROR(mShapesDirty ? Status() : readShapeInputs());
    const bool replays =
        mRecordings != nullptr && recordable && !mStreams->userRecords() && mProfiler.report == nullptr;
    const Status ran = replays ? runRecorded() : run();
    const Status finished = mStreams->finish();
    TN_RETURN_IF_ERROR(ran);
    TN_RETURN_IF_ERROR(finished);
    mDataKnown = true;
    mHasTimes = mProfiler.report != nullptr;
    if (mHasTimes) {
        TN_RETURN_IF_ERROR(settle());
        mTimer.finish();
        if (mEmitsProfile) {
            reportTimes();
        }
    }
    return {};
}

Status ContextState::setProfiler(const StepProfiler& profiler) {
    mHasTimes = false;
    mProfiler = profiler;
    return profiler.report != nullptr ? mTimer.arm() : Status();
}

void ContextState::reportTimes() {
    const LoadedProgram& program = mPlan->program(mProfile);
    const std::span<const float> times = mTimer.milliseconds();
    for (size_t i = 0; i < times.size(); ++i) {
        if (times[i] >= 0) {
            mProfiler.report(mProfiler.context, program.planStep(program.steps[i]).name, times[i]);
        }
    }
}

bool ContextState::reportToProfiler() {
    if (mProfiler.report == nullptr || !mHasTimes) {
        return false;
    }
    reportTimes();
    return true;
}

int64_t ContextState::memoryBytes() const {
    int64_t bytes = 0;
    for (const GrowingBuffer& arena : mArenas) {
        bytes += arena.bytes();
    }
    for (const auto& instance : mInstances) {
        bytes += instance != nullptr ? instance->ownedBytes() : 0;
    }
    return bytes;
}

int64_t ContextState::preparedSteps() const {
    int64_t steps = 0;
    for (const auto& instance : mInstances) {
        steps += instance != nullptr ? instance->preparedSteps() : 0;
    }
    return steps;
}

} // namespace tenon::runtime
