#include "core/runtime/program_instance.h"

#include "core/plan/tensor_span.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <cstring>

namespace tenon::runtime {

using plan::PlanTensor;
using plan::StepKind;
using registry::TextSink;
using support::cat;
using support::Code;
using support::makeError;
using support::Result;
using support::Status;

namespace {

constexpr int64_t kManyElements = INT32_MAX;

template <class T>
void storeAs(const std::vector<int32_t>& from, const std::vector<int64_t>& registers, std::byte* to) {
    for (size_t i = 0; i < from.size(); ++i) {
        const T value = static_cast<T>(registers[static_cast<size_t>(from[i])]);
        std::memcpy(to + i * sizeof(T), &value, sizeof(T));
    }
}

void storeIntegers(TnDataType dtype, const std::vector<int32_t>& from, const std::vector<int64_t>& registers,
                   void* to) {
    auto* const bytes = static_cast<std::byte*>(to);
    switch (dtype) {
    case TN_BOOL:
        for (size_t i = 0; i < from.size(); ++i) {
            bytes[i] = static_cast<std::byte>(registers[static_cast<size_t>(from[i])] != 0);
        }
        return;
    case TN_I8:
    case TN_U8:
        return storeAs<uint8_t>(from, registers, bytes);
    case TN_I16:
    case TN_U16:
        return storeAs<uint16_t>(from, registers, bytes);
    case TN_I32:
    case TN_U32:
        return storeAs<uint32_t>(from, registers, bytes);
    case TN_I64:
    case TN_U64:
        return storeAs<uint64_t>(from, registers, bytes);
    default: // verifyPlan lets no other type through
        return;
    }
}

int64_t loadInteger(TnDataType dtype, const std::byte* from, int64_t index) {
    const auto as = [&](auto sample) {
        std::memcpy(&sample, from + static_cast<size_t>(index) * sizeof(sample), sizeof(sample));
        return static_cast<int64_t>(sample);
    };
    switch (dtype) {
    case TN_BOOL:
        return as(uint8_t{}) != 0 ? 1 : 0;
    case TN_U8:
        return as(uint8_t{});
    case TN_I8:
        return as(int8_t{});
    case TN_I16:
        return as(int16_t{});
    case TN_U16:
        return as(uint16_t{});
    case TN_I32:
        return as(int32_t{});
    case TN_U32:
        return as(uint32_t{});
    case TN_I64:
        return as(int64_t{});
    case TN_U64:
        return as(uint64_t{});
    default:
        return 0;
    }
}

std::string extentsText(const TnTensor& tensor) {
    return cat('[', support::join(std::span(tensor.dims, static_cast<size_t>(std::max(tensor.rank, 0))), ","), ']');
}

} // namespace

void FixedSink::write(void* context, const char* text, size_t size) {
    auto& self = *static_cast<FixedSink*>(context);
    if (text != nullptr) {
        const size_t room = std::min(size, sizeof(self.mText) - self.mSize);
        std::memcpy(self.mText + self.mSize, text, room);
        self.mSize += room;
    }
}

Result<std::unique_ptr<ProgramInstance>> ProgramInstance::create(const LoadedProgram& program,
                                                                 const SessionSet& sessions, const DeviceSet& devices,
                                                                 std::span<const AllocatorCallbacks> allocators) {
    std::unique_ptr<ProgramInstance> instance(new ProgramInstance(program, devices));
    for (const AllocatorCallbacks& allocator : allocators) {
        instance->mWorkspaces.emplace_back(allocator);
    }
    instance->mRegisters = program.shapes.initialRegisters();
    instance->mExtents.assign(program.plan->symbols.size(), 0);
    for (const ProgramTensor& tensor : program.tensors) {
        instance->mTensors.push_back(tensor.fixed);
    }
    for (const TnPlacement placement : program.growingPlacements) {
        instance->mGrowing.emplace_back(allocators[static_cast<size_t>(placement)]);
    }
    instance->nameSteps();
    TN_RETURN_IF_ERROR(instance->createStates(sessions));
    return instance;
}

Status ProgramInstance::createStates(const SessionSet& sessions) {
    mItems.resize(mProgram.steps.size());
    for (size_t i = 0; i < mItems.size(); ++i) {
        const ProgramStep& step = mProgram.steps[i];
        Item& item = mItems[i];
        item.firstInput = mInputPointers.size();
        item.firstOutput = mOutputPointers.size();
        item.firstExtent = mExtentPointers.size();
        mInputPointers.resize(mInputPointers.size() + step.inputs.size());
        mOutputPointers.resize(mOutputPointers.size() + step.outputs.size());
        for (const int32_t symbol : step.symbols) {
            mExtentPointers.push_back(&mExtents[static_cast<size_t>(symbol)]);
        }
        if (step.placement != TN_PLACEMENT_HOST) {
            item.backend = &mDevices.at(step.placement).table();
        }
        if (step.kernel < 0) {
            continue;
        }
        const KernelSet::Entry& entry = sessions.kernels().at(step.kernel);
        item.table = &entry.runtime->table;
        item.kernel = entry.kernel;
        item.session = sessions.session(entry.runtimeIndex, step.placement);
        TextSink reason;
        const TnCode code = item.table->state_create(item.kernel, item.session, &item.state, reason.sink());
        if (code != TN_OK) {
            return statusOf(code, cat(describe(step), " could not be set up"), std::string(reason.text()));
        }
    }
    // The vectors have their final size: pointers into them stay valid from here on.
    for (Item& item : mItems) {
        item.args.struct_size = sizeof(item.args);
        item.args.inputs = mInputPointers.data() + item.firstInput;
        item.args.outputs = mOutputPointers.data() + item.firstOutput;
        item.args.extents = mExtentPointers.data() + item.firstExtent;
        item.args.reason = mReason.sink();
    }
    return {};
}

ProgramInstance::~ProgramInstance() {
    for (const Item& item : mItems) {
        if (item.state != nullptr) {
            item.table->state_destroy(item.state);
        }
    }
}

void ProgramInstance::nameSteps() {
    mTrace = mDevices.hostOnly() ? nullptr : mDevices.at(mDevices.primary()).trace();
    mTraceNames.resize(mTrace == nullptr ? mProgram.steps.size() : 0); // none is read
    for (size_t i = 0; mTrace != nullptr && i < mProgram.steps.size(); ++i) {
        const plan::PlanStep& from = mProgram.planStep(mProgram.steps[i]);
        std::string name;
        for (const std::string& source : from.sources) {
            name += cat(name.empty() ? "" : " + ", source);
        }
        mTraceNames.push_back(name.empty() || from.kind != StepKind::kLaunch
                                  ? cat(from.op, " ", name.empty() ? from.name : name)
                                  : std::move(name));
    }
}

std::string ProgramInstance::describe(const ProgramStep& step) const {
    const plan::PlanStep& from = mProgram.planStep(step);
    const std::string tactic =
        step.kernel >= 0 ? cat(", ", mProgram.plan->kernels[static_cast<size_t>(step.kernel)].tactic) : std::string();
    return cat("step '", from.name, "' (", from.op, tactic, ')');
}

Status ProgramInstance::checkRoom(const ProgramTensor& info, const TnTensor& tensor) const {
    int64_t room = INT64_MAX;
    switch (info.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput: {
        const plan::PlanBinding& binding = mProgram.plan->bindings[static_cast<size_t>(info.storage)];
        const std::vector<int32_t>& registers = mProgram.bindingDims[static_cast<size_t>(info.storage)];
        int64_t dims[TN_MAX_DIMS] = {};
        for (size_t d = 0; d < registers.size(); ++d) {
            dims[d] = registerValue(registers[d]);
        }
        room = plan::spanOf(binding.format, binding.dtype, dims);
        break;
    }
    case PlanTensor::Role::kConstant:
        room = mProgram.plan->constants[static_cast<size_t>(info.storage)].bytes;
        break;
    case PlanTensor::Role::kActivation:
        room = info.capacity == plan::kUnbounded ? INT64_MAX : info.offset + info.capacity;
        break;
    }
    if (tensor.bytes > 0 && (room < info.offset || tensor.bytes > room - info.offset)) {
        return support::internalError("tensor '", mProgram.tensorName(info.planIndex), "' needs ", tensor.bytes,
                                      " bytes at extents ", extentsText(tensor), ", the plan gives it ",
                                      std::max<int64_t>(room - info.offset, 0),
                                      ": the plan is inconsistent, build it again");
    }
    return {};
}

Status ProgramInstance::refreshTensor(size_t index) {
    const ProgramTensor& info = mProgram.tensors[index];
    TnTensor& tensor = mTensors[index];
    for (size_t d = 0; d < info.dims.size(); ++d) {
        tensor.dims[d] = registerValue(info.dims[d]);
    }
    if (!setSizes(tensor)) {
        return makeError(Code::kInvalidArgument, "tensor '", mProgram.tensorName(info.planIndex),
                         "' gets impossible extents ", extentsText(tensor), " from these input shapes");
    }
    return checkRoom(info, tensor);
}

Result<plan::ExprIndex> ProgramInstance::evaluate(int32_t from, std::span<const int64_t> symbols) {
    const plan::ExprIndex zeroDivision = mProgram.shapes.run(from, symbols, mRegisters);
    for (size_t i = 0; i < mTensors.size(); ++i) {
        const ProgramTensor& info = mProgram.tensors[i];
        if (!info.dynamic || info.stage < from) {
            continue;
        }
        const bool final = info.stage <= from;
        const Status status = refreshTensor(i);
        if (!status.ok() && final) {
            return status;
        }
        if (!status.ok()) {
            mTensors[i].elements = -1; // no upper bound: nothing may touch it before a later segment
        }
    }
    return zeroDivision;
}

void ProgramInstance::collectKey(const ProgramStep& step, std::vector<int64_t>& key) const {
    key.clear();
    const auto add = [&](int32_t index) {
        if (index >= 0) {
            const TnTensor& port = tensor(index);
            key.insert(key.end(), port.dims, port.dims + port.rank);
        }
    };
    std::for_each(step.inputs.begin(), step.inputs.end(), add);
    std::for_each(step.outputs.begin(), step.outputs.end(), add);
    for (const int32_t scalar : step.scalars) {
        key.push_back(registerValue(scalar));
    }
}

Status ProgramInstance::checkTraits(const ProgramStep& step) const {
    if ((step.traits & TN_TRAIT_ANY_EXTENT) != 0) {
        return {};
    }
    const auto check = [&](int32_t index) -> Status {
        if (index < 0 || (tensor(index).elements > 0 && tensor(index).elements <= kManyElements)) {
            return {};
        }
        return support::unsupported(describe(step), " cannot take tensor '", mProgram.tensorName(index),
                                    "' with extents ", extentsText(tensor(index)), ", ",
                                    tensor(index).elements == 0 ? "which is empty"
                                                                : "which has more than 2^31-1 elements",
                                    ". Build the plan with a profile that has these extents in it");
    };
    for (const int32_t index : step.inputs) {
        TN_RETURN_IF_ERROR(check(index));
    }
    for (const int32_t index : step.outputs) {
        TN_RETURN_IF_ERROR(check(index));
    }
    return {};
}

Status ProgramInstance::prepareKernel(size_t index) {
    const ProgramStep& step = mProgram.steps[index];
    Item& item = mItems[index];
    TN_RETURN_IF_ERROR(checkTraits(step));
    mScratchTensors.clear();
    const auto add = [this](int32_t port) {
        if (port < 0) {
            TnTensor none{};
            none.rank = -1;
            mScratchTensors.push_back(none);
        } else {
            mScratchTensors.push_back(tensor(port));
        }
    };
    std::for_each(step.inputs.begin(), step.inputs.end(), add);
    std::for_each(step.outputs.begin(), step.outputs.end(), add);
    mScratchScalars.clear();
    for (const int32_t scalar : step.scalars) {
        mScratchScalars.push_back(registerValue(scalar));
    }
    TnPrepareArgs args{};
    args.struct_size = sizeof(args);
    args.input_count = static_cast<int64_t>(step.inputs.size());
    args.output_count = static_cast<int64_t>(step.outputs.size());
    args.tensor_stride = sizeof(TnTensor);
    args.inputs = mScratchTensors.data();
    args.outputs = mScratchTensors.data() + step.inputs.size();
    args.scalars = mScratchScalars.data();
    args.scalar_count = static_cast<int64_t>(mScratchScalars.size());

    TextSink reason;
    const int64_t bytes = item.table->workspace(item.kernel, item.session, &args, reason.sink());
    if (bytes < 0) {
        return statusOf(TN_INVALID_ARGUMENT, cat(describe(step), " does not take these shapes"),
                        std::string(reason.text()));
    }
    item.workspaceBytes = bytes;
    GrowingBuffer& workspace = mWorkspaces[static_cast<size_t>(step.placement)];
    if (bytes > step.workspaceCapacity && bytes > workspace.bytes()) {
        TN_RETURN_IF_ERROR(workspace.reserve(bytes, "a kernel's workspace"));
        mBuffersMoved = true;
    }
    const TnCode code = item.table->prepare(item.state, &args, reason.sink());
    if (code != TN_OK) {
        std::string extents;
        for (const TnTensor& port : mScratchTensors) {
            extents += cat(extents.empty() ? "" : " ", extentsText(port));
        }
        return statusOf(code, cat(describe(step), " could not be prepared for extents ", extents),
                        std::string(reason.text()));
    }
    return {};
}

Status ProgramInstance::prepareStep(size_t index) {
    const ProgramStep& step = mProgram.steps[index];
    Item& item = mItems[index];
    if (item.prepared && !step.dynamic) {
        return {};
    }
    collectKey(step, mScratchKey);
    if (item.prepared && item.key == mScratchKey) {
        return {};
    }
    item.prepared = false;
    bool anyOutput = step.outputs.empty();
    for (const int32_t output : step.outputs) {
        const TnTensor& out = tensor(output);
        anyOutput = anyOutput || out.elements != 0;
        if (out.elements < 0) {
            return support::unsupported(
                describe(step), " writes tensor '", mProgram.tensorName(output),
                "', whose extents only the step itself finds out and have no bound; give them one "
                "when building");
        }
    }
    item.empty = !anyOutput && step.symbols.empty();
    item.workspaceBytes = 0;
    if (!item.empty) {
        switch (step.kind) {
        case StepKind::kLaunch:
        case StepKind::kConvert:
            TN_RETURN_IF_ERROR(prepareKernel(index));
            break;
        case StepKind::kCopy:
            if (tensor(step.inputs[0]).bytes != tensor(step.outputs[0]).bytes) {
                return support::internalError(describe(step), " copies ", tensor(step.inputs[0]).bytes, " bytes to ",
                                              tensor(step.outputs[0]).bytes, ": the plan is inconsistent");
            }
            break;
        case StepKind::kHostShape:
            if (tensor(step.outputs[0]).elements != static_cast<int64_t>(step.scalars.size())) {
                return support::internalError(describe(step), " has ", step.scalars.size(), " values for ",
                                              tensor(step.outputs[0]).elements, " elements: the plan is inconsistent");
            }
            break;
        case StepKind::kFetch:
        case StepKind::kLoop:
        case StepKind::kBranch:
        case StepKind::kAllocOutput:
        case StepKind::kDebugTap:
            break;
        }
    }
    item.key = mScratchKey;
    item.prepared = true;
    ++mPreparedSteps;
    return {};
}

Status ProgramInstance::prepare(int32_t segment) {
    for (size_t i = 0; i < mTensors.size() && !mGrowing.empty(); ++i) {
        const ProgramTensor& info = mProgram.tensors[i];
        if (info.capacity != plan::kUnbounded || info.stage > segment) {
            continue;
        }
        GrowingBuffer& buffer = mGrowing[static_cast<size_t>(info.storage)];
        const std::byte* const before = buffer.data();
        TN_RETURN_IF_ERROR(
            buffer.reserve(info.offset + mTensors[i].bytes, mProgram.tensorName(info.planIndex).c_str()));
        mBuffersMoved = mBuffersMoved || buffer.data() != before;
    }
    const Segment& part = mProgram.segments[static_cast<size_t>(segment)];
    for (int32_t i = part.begin; i < part.end; ++i) {
        TN_RETURN_IF_ERROR(prepareStep(static_cast<size_t>(i)));
    }
    return {};
}

std::byte* ProgramInstance::addressOf(int32_t index, const BaseAddresses& bases) const {
    if (index < 0) {
        return nullptr;
    }
    const ProgramTensor& info = mProgram.tensors[static_cast<size_t>(index)];
    const auto storage = static_cast<size_t>(info.storage);
    std::byte* base = nullptr;
    switch (info.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput:
        base = static_cast<std::byte*>(bases.bindings[storage]);
        break;
    case PlanTensor::Role::kConstant:
        // Steps that write constants belong to the weight program, whose derived constants are its own buffers.
        base = const_cast<std::byte*>(bases.constants->at(info.fixed.placement)[storage]);
        break;
    case PlanTensor::Role::kActivation:
        base = info.capacity == plan::kUnbounded ? mGrowing[storage].data()
                                                 : bases.arenas[static_cast<size_t>(info.fixed.placement)];
        break;
    }
    return base == nullptr ? nullptr : base + info.offset;
}

void ProgramInstance::bind(const BaseAddresses& bases, std::span<TnStream* const> streams) {
    mBases = bases;
    mStreams = streams;
    for (size_t i = 0; i < mItems.size(); ++i) {
        const ProgramStep& step = mProgram.steps[i];
        Item& item = mItems[i];
        for (size_t k = 0; k < step.inputs.size(); ++k) {
            mInputPointers[item.firstInput + k] = addressOf(step.inputs[k], bases);
        }
        for (size_t k = 0; k < step.outputs.size(); ++k) {
            mOutputPointers[item.firstOutput + k] = addressOf(step.outputs[k], bases);
        }
        const auto placement = static_cast<size_t>(step.placement);
        item.args.stream = streams[placement];
        const bool reserved = item.workspaceBytes <= step.workspaceCapacity;
        item.args.workspace = item.workspaceBytes == 0 ? nullptr
                              : reserved               ? bases.arenas[placement] + step.workspaceOffset
                                                       : mWorkspaces[placement].data();
    }
    mBuffersMoved = false;
}

TnCode ProgramInstance::launchStep(size_t index, Item& item) {
    const ProgramStep& step = mProgram.steps[index];
    const TraceRange range(mTrace, mTraceNames[index]);
    switch (step.kind) {
    case StepKind::kLaunch:
    case StepKind::kConvert:
        return item.table->launch(item.state, &item.args);
    case StepKind::kCopy:
        if (item.backend != nullptr) {
            return item.backend->copy(item.backend->self, item.args.outputs[0], item.args.inputs[0],
                                      tensor(step.outputs[0]).bytes, item.args.stream, mReason.sink());
        }
        std::memcpy(item.args.outputs[0], item.args.inputs[0], static_cast<size_t>(tensor(step.outputs[0]).bytes));
        return TN_OK;
    case StepKind::kHostShape:
        storeIntegers(tensor(step.outputs[0]).dtype, step.scalars, mRegisters, item.args.outputs[0]);
        return TN_OK;
    case StepKind::kFetch:
    case StepKind::kLoop:
    case StepKind::kBranch:
    case StepKind::kAllocOutput:
    case StepKind::kDebugTap:
        break;
    }
    return TN_INTERNAL; // loadProgram refuses these
}

Status ProgramInstance::waitFor(uint32_t placements) const {
    for (TnPlacement placement = 1; placement < static_cast<TnPlacement>(mDevices.size()); ++placement) {
        if ((placements & (1U << placement)) != 0) {
            TN_RETURN_IF_ERROR(mDevices.at(placement).synchronize(mStreams[static_cast<size_t>(placement)]));
        }
    }
    return {};
}

Status ProgramInstance::launch(int32_t segment, StepTimer* timer) {
    const Segment& part = mProgram.segments[static_cast<size_t>(segment)];
    for (int32_t i = part.begin; i < part.end; ++i) {
        const auto index = static_cast<size_t>(i);
        Item& item = mItems[index];
        if (item.empty) {
            if (timer != nullptr) {
                timer->skip(index);
            }
            continue;
        }
        const ProgramStep& step = mProgram.steps[index];
        if (step.waits != 0) [[unlikely]] {
            TN_RETURN_IF_ERROR(waitFor(step.waits));
        }
        if (timer != nullptr) {
            timer->begin(index, mStreams);
        }
        mReason.clear();
        const TnCode code = launchStep(index, item);
        if (code != TN_OK) [[unlikely]] {
            return launchFailed(index, code);
        }
        if (timer != nullptr) {
            timer->end(index, mStreams);
        }
    }
    return {};
}

Status ProgramInstance::launchFailed(size_t index, TnCode code) const {
    const std::string reason(mReason.text());
    return statusOf(code, cat(describe(mProgram.steps[index]), " failed"), reason);
}

Status ProgramInstance::fetch(int32_t segment, std::span<int64_t> symbols) {
    const Segment& part = mProgram.segments[static_cast<size_t>(segment)];
    TN_RETURN_IF_ERROR(waitFor(part.waits));
    const std::byte* const source = addressOf(part.fetchedFrom, mBases);
    for (size_t i = 0; i < part.fetchedSymbols.size(); ++i) {
        const auto symbol = static_cast<size_t>(part.fetchedSymbols[i]);
        const int64_t value = part.fetchedFrom >= 0
                                  ? loadInteger(tensor(part.fetchedFrom).dtype, source, static_cast<int64_t>(i))
                                  : mExtents[symbol];
        const plan::SymbolRange& range = mProgram.source->box[symbol];
        if (value < range.min || value > range.max) {
            return makeError(Code::kInternal, "a step found ", value, " for '", mProgram.plan->symbols[symbol].name,
                             "', outside the ", range.min, " to ", range.max, " that the plan was built for");
        }
        symbols[symbol] = value;
    }
    return {};
}

int64_t ProgramInstance::ownedBytes() const {
    int64_t bytes = 0;
    for (const GrowingBuffer& workspace : mWorkspaces) {
        bytes += workspace.bytes();
    }
    for (const GrowingBuffer& buffer : mGrowing) {
        bytes += buffer.bytes();
    }
    return bytes;
}

} // namespace tenon::runtime
