#include "core/plan/metadata.h"

#include "core/plan/plan_generated.h"

#include <cstring>
#include <string_view>

namespace tenon::plan {

namespace {

using flatbuffers::Offset;

template <class T>
using Vector = Offset<flatbuffers::Vector<T>>;

class Encoder {
public:
    std::vector<std::byte> encode(const Plan& plan, const DataPlaces& places);

private:
    Offset<flatbuffers::String> text(std::string_view value) {
        return mBuilder.CreateSharedString(value.data(), value.size());
    }
    Vector<int64_t> longs(const std::vector<int64_t>& values) { return mBuilder.CreateVector(values); }
    Vector<int32_t> ints(const std::vector<int32_t>& values) { return mBuilder.CreateVector(values); }
    Vector<Offset<flatbuffers::String>> texts(const std::vector<std::string>& values);

    int32_t formatIndex(const ir::TensorFormat& format);
    Offset<fb::Format> format(const ir::TensorFormat& format);
    Offset<fb::Symbol> symbol(const ir::Symbol& symbol);
    Offset<fb::Binding> binding(const PlanBinding& binding);
    Vector<Offset<fb::ProfileRange>> ranges(const std::vector<std::array<std::vector<int64_t>, 3>>& profiles);
    Offset<fb::Constant> constant(const PlanConstant& constant, const DataPlaces::Place& place);
    Offset<fb::Kernel> kernel(const PlanKernel& kernel, const DataPlaces::Place& place);
    Offset<fb::Requirement> requirement(const ModuleRequirement& requirement);
    Offset<fb::Tensor> tensor(const PlanTensor& tensor);
    Offset<fb::Step> step(const PlanStep& step);
    Offset<fb::Program> program(const PlanProgram& program);

    flatbuffers::FlatBufferBuilder mBuilder{64 * 1024};
    std::vector<ir::TensorFormat> mFormats; // distinct, in the order of first use
};

fb::DataType dtypeOf(ir::DataType type) { return static_cast<fb::DataType>(type); }

fb::Expression expression(const ir::ExprNode& node) {
    return {node.value,          node.scale,          node.operands[0].id,
            node.operands[1].id, node.operands[2].id, static_cast<fb::ExprOp>(node.op)};
}

Vector<Offset<flatbuffers::String>> Encoder::texts(const std::vector<std::string>& values) {
    std::vector<Offset<flatbuffers::String>> offsets;
    offsets.reserve(values.size());
    for (const std::string& value : values) {
        offsets.push_back(text(value));
    }
    return mBuilder.CreateVector(offsets);
}

int32_t Encoder::formatIndex(const ir::TensorFormat& format) {
    for (size_t i = 0; i < mFormats.size(); ++i) {
        if (ir::equal(mFormats[i], format)) {
            return static_cast<int32_t>(i);
        }
    }
    mFormats.push_back(format);
    return static_cast<int32_t>(mFormats.size() - 1);
}

Offset<fb::Format> Encoder::format(const ir::TensorFormat& format) {
    const auto order = mBuilder.CreateVector(format.order, static_cast<size_t>(format.rank));
    std::vector<fb::Block> list;
    for (int32_t i = 0; i < format.block_count; ++i) {
        list.emplace_back(format.blocks[i].dim, format.blocks[i].size);
    }
    const auto blocks = mBuilder.CreateVectorOfStructs(list);
    const auto provider =
        text({format.opaque_provider, ::strnlen(format.opaque_provider, sizeof(format.opaque_provider))});
    return fb::CreateFormat(mBuilder, order, blocks, format.outer_pitch, format.tail_zero != 0, format.alignment,
                            provider, format.opaque_id, format.opaque_version, format.opaque_bytes);
}

Offset<fb::Symbol> Encoder::symbol(const ir::Symbol& symbol) {
    return fb::CreateSymbol(mBuilder, text(symbol.name), static_cast<fb::SymbolSource>(symbol.source), symbol.input,
                            symbol.index);
}

Vector<Offset<fb::ProfileRange>> Encoder::ranges(const std::vector<std::array<std::vector<int64_t>, 3>>& profiles) {
    std::vector<Offset<fb::ProfileRange>> offsets;
    for (const auto& profile : profiles) {
        const auto min = longs(profile[0]);
        const auto opt = longs(profile[1]);
        const auto max = longs(profile[2]);
        offsets.push_back(fb::CreateProfileRange(mBuilder, min, opt, max));
    }
    return mBuilder.CreateVector(offsets);
}

Offset<fb::Binding> Encoder::binding(const PlanBinding& binding) {
    const auto name = text(binding.name);
    const auto dims = ints(binding.dims);
    const auto dimNames = texts(binding.dimNames);
    const auto profiles = ranges(binding.profiles);
    const auto values = ranges(binding.profileValues);
    return fb::CreateBinding(mBuilder, name, binding.isInput, dtypeOf(binding.dtype), formatIndex(binding.format), dims,
                             dimNames, binding.isShapeInput, profiles, values, binding.placement);
}

Offset<fb::Constant> Encoder::constant(const PlanConstant& constant, const DataPlaces::Place& place) {
    const auto name = text(constant.name);
    const auto identity = text(constant.identity);
    const auto dims = longs(constant.dims);
    return fb::CreateConstant(mBuilder, name, identity, dtypeOf(constant.dtype), dims, formatIndex(constant.format),
                              constant.bytes, place.offset, place.present, constant.derived);
}

Offset<fb::Kernel> Encoder::kernel(const PlanKernel& kernel, const DataPlaces::Place& place) {
    const auto runtime = text(kernel.runtime);
    const auto tactic = text(kernel.tactic);
    return fb::CreateKernel(mBuilder, runtime, kernel.blobVersion, tactic, place.offset, place.bytes);
}

Offset<fb::Requirement> Encoder::requirement(const ModuleRequirement& requirement) {
    const auto module = text(requirement.name);
    const auto version = text(requirement.version);
    const auto runtime = text(requirement.runtime);
    return fb::CreateRequirement(mBuilder, module, version, runtime, requirement.blobVersion);
}

Offset<fb::Tensor> Encoder::tensor(const PlanTensor& tensor) {
    int32_t storage = -1;
    switch (tensor.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput:
        storage = tensor.binding;
        break;
    case PlanTensor::Role::kConstant:
        storage = tensor.constant;
        break;
    case PlanTensor::Role::kActivation:
        break;
    }
    const auto name = text(tensor.name);
    const auto dims = ints(tensor.dims);
    return fb::CreateTensor(mBuilder, name, static_cast<fb::Role>(tensor.role), storage, dtypeOf(tensor.dtype),
                            tensor.placement, formatIndex(tensor.format), dims, tensor.offset, tensor.capacity);
}

Offset<fb::Step> Encoder::step(const PlanStep& step) {
    const auto name = text(step.name);
    const auto sources = texts(step.sources);
    const auto op = text(step.op);
    const auto inputs = ints(step.inputs);
    const auto outputs = ints(step.outputs);
    const auto scalars = ints(step.scalars);
    const auto symbols = ints(step.symbols);
    return fb::CreateStep(mBuilder, static_cast<fb::StepKind>(step.kind), name, sources, op, step.kernel, step.stream,
                          inputs, outputs, scalars, symbols, step.workspaceOffset, step.workspaceCapacity, step.traits,
                          step.placement);
}

Offset<fb::Program> Encoder::program(const PlanProgram& program) {
    const auto name = text(program.name);
    std::vector<fb::SymbolRange> box;
    for (const SymbolRange& range : program.box) {
        box.emplace_back(range.min, range.opt, range.max);
    }
    const auto boxOffset = mBuilder.CreateVectorOfStructs(box);
    std::vector<Offset<fb::Tensor>> tensors;
    for (const PlanTensor& each : program.tensors) {
        tensors.push_back(tensor(each));
    }
    const auto tensorsOffset = mBuilder.CreateVector(tensors);
    std::vector<Offset<fb::Step>> steps;
    for (const PlanStep& each : program.steps) {
        steps.push_back(step(each));
    }
    const auto stepsOffset = mBuilder.CreateVector(steps);
    const auto arenas = longs(program.deviceArenaBytes);
    return fb::CreateProgram(mBuilder, name, boxOffset, tensorsOffset, stepsOffset, program.arenaBytes, arenas);
}

std::vector<std::byte> Encoder::encode(const Plan& plan, const DataPlaces& places) {
    std::vector<Offset<fb::Symbol>> symbols;
    for (const ir::Symbol& each : plan.symbols) {
        symbols.push_back(symbol(each));
    }
    std::vector<fb::Expression> expressions;
    for (const ir::ExprNode& each : plan.expressions) {
        expressions.push_back(expression(each));
    }
    std::vector<Offset<fb::Binding>> bindings;
    for (const PlanBinding& each : plan.bindings) {
        bindings.push_back(binding(each));
    }
    std::vector<Offset<fb::Constant>> constants;
    for (size_t i = 0; i < plan.constants.size(); ++i) {
        constants.push_back(constant(plan.constants[i], places.constants[i]));
    }
    std::vector<Offset<fb::Kernel>> kernels;
    for (size_t i = 0; i < plan.kernels.size(); ++i) {
        kernels.push_back(kernel(plan.kernels[i], places.kernels[i]));
    }
    std::vector<Offset<fb::Requirement>> requirements;
    for (const ModuleRequirement& each : plan.requirements) {
        requirements.push_back(requirement(each));
    }
    std::vector<Offset<fb::Program>> programs;
    for (const PlanProgram& each : plan.programs) {
        programs.push_back(program(each));
    }
    const auto weightProgram = program(plan.weightProgram);
    std::vector<Offset<fb::Device>> devices;
    for (const PlanDevice& each : plan.devices) {
        devices.push_back(fb::CreateDevice(mBuilder, text(each.backend), text(each.json), text(each.fingerprint)));
    }
    // Last, when every format is known.
    std::vector<Offset<fb::Format>> formats;
    for (const ir::TensorFormat& each : mFormats) {
        formats.push_back(format(each));
    }

    const auto networkName = text(plan.networkName);
    const auto tenonVersion = text(plan.tenonVersion);
    const auto targetJson = text(plan.targetJson);
    const auto targetFingerprint = text(plan.targetFingerprint);
    const auto formatsOffset = mBuilder.CreateVector(formats);
    const auto symbolsOffset = mBuilder.CreateVector(symbols);
    const auto expressionsOffset = mBuilder.CreateVectorOfStructs(expressions);
    const auto bindingsOffset = mBuilder.CreateVector(bindings);
    const auto constantsOffset = mBuilder.CreateVector(constants);
    const auto kernelsOffset = mBuilder.CreateVector(kernels);
    const auto requirementsOffset = mBuilder.CreateVector(requirements);
    const auto programsOffset = mBuilder.CreateVector(programs);
    const auto devicesOffset = mBuilder.CreateVector(devices);
    const auto root = fb::CreateMetadata(mBuilder, networkName, tenonVersion, targetJson, targetFingerprint, plan.level,
                                         formatsOffset, symbolsOffset, expressionsOffset, bindingsOffset,
                                         constantsOffset, kernelsOffset, requirementsOffset, programsOffset,
                                         weightProgram, devicesOffset, plan.hostThreads, plan.stopped);
    fb::FinishMetadataBuffer(mBuilder, root);
    const auto* begin = reinterpret_cast<const std::byte*>(mBuilder.GetBufferPointer());
    return {begin, begin + mBuilder.GetSize()};
}

} // namespace

std::vector<std::byte> encodeMetadata(const Plan& plan, const DataPlaces& places) {
    return Encoder().encode(plan, places);
}

} // namespace tenon::plan
