#include "core/runtime/weight_program.h"

#include "core/runtime/context_streams.h"
#include "core/runtime/kernel_set.h"
#include "core/runtime/loaded_program.h"
#include "core/runtime/program_instance.h"
#include "core/support/text.h"
#include "registry/host_backend.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace tenon::runtime {

using plan::PlanTensor;
using support::Code;
using support::makeError;
using support::Result;
using support::Status;

namespace {

Result<std::shared_ptr<std::byte>> zeroedBytes(int64_t bytes) {
    const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
    constexpr auto kAlign = std::align_val_t(kMemoryAlignment);
    auto* const memory = static_cast<std::byte*>(::operator new(size, kAlign, std::nothrow));
    if (memory == nullptr) {
        return makeError(Code::kOutOfMemory, "no memory for ", support::formatBytes(bytes), " of derived weights");
    }
    std::memset(memory, 0, size);
    return std::shared_ptr<std::byte>(memory,
                                      [](std::byte* p) { ::operator delete(p, std::align_val_t(kMemoryAlignment)); });
}

// Addresses of all constants: fresh memory for those that steps write.
struct ConstantMemory {
    std::vector<const std::byte*> addresses;
    std::vector<DerivedConstant> derived;

    Status allocate(const LoadedProgram& program, const WeightProgramOptions& options);
    // Copies what steps wrote on devices back.
    Status fetch(const LoadedProgram& program, const DeviceSet& devices, const ConstantTable& constants) const;
};

Status ConstantMemory::allocate(const LoadedProgram& program, const WeightProgramOptions& options) {
    const plan::Plan& plan = *program.plan;
    addresses.assign(plan.constants.size(), nullptr);
    std::vector<bool> written(plan.constants.size(), false);
    for (const ProgramStep& step : program.steps) {
        for (const int32_t output : step.outputs) {
            const ProgramTensor& tensor = program.tensors[static_cast<size_t>(output)];
            if (tensor.role == PlanTensor::Role::kConstant) {
                written[static_cast<size_t>(tensor.storage)] = true;
            }
        }
    }
    for (size_t i = 0; i < written.size(); ++i) {
        if (written[i]) {
            TN_ASSIGN_OR_RETURN(const std::shared_ptr<std::byte> memory, zeroedBytes(plan.constants[i].bytes));
            derived.push_back({static_cast<int32_t>(i), plan.constants[i].bytes, memory});
            addresses[i] = memory.get();
        }
    }
    for (const ProgramStep& step : program.steps) {
        for (const int32_t input : step.inputs) {
            if (input < 0 || program.tensors[static_cast<size_t>(input)].role != PlanTensor::Role::kConstant) {
                continue;
            }
            const auto index = static_cast<size_t>(program.tensors[static_cast<size_t>(input)].storage);
            const plan::PlanConstant& constant = plan.constants[index];
            if (addresses[index] != nullptr || constant.bytes == 0) {
                continue;
            }
            const std::byte* const replaced =
                options.source ? options.source(static_cast<int32_t>(index)) : static_cast<const std::byte*>(nullptr);
            addresses[index] = replaced != nullptr ? replaced : constant.data;
            if (addresses[index] == nullptr) {
                return makeError(
                    Code::kInvalidFile, "the weights '", constant.identity.empty() ? constant.name : constant.identity,
                    "', which step '", program.planStep(step).name,
                    "' of the weight program needs, were left out of the plan. Give them, or build the plan "
                    "with its weights");
            }
        }
    }
    return {};
}

Status ConstantMemory::fetch(const LoadedProgram& program, const DeviceSet& devices,
                             const ConstantTable& constants) const {
    for (const ProgramStep& step : program.steps) {
        for (const int32_t output : step.outputs) {
            const ProgramTensor& tensor = program.tensors[static_cast<size_t>(output)];
            const TnPlacement placement = tensor.fixed.placement;
            if (tensor.role != PlanTensor::Role::kConstant || placement == TN_PLACEMENT_HOST) {
                continue;
            }
            const auto index = static_cast<size_t>(tensor.storage);
            TN_ASSIGN_OR_RETURN(const DeviceStream stream, DeviceStream::create(devices.at(placement)));
            TN_RETURN_IF_ERROR(devices.at(placement).copy(const_cast<std::byte*>(addresses[index]),
                                                          constants.at(placement)[index],
                                                          program.plan->constants[index].bytes, stream.get()));
            TN_RETURN_IF_ERROR(devices.at(placement).synchronize(stream.get()));
        }
    }
    return {};
}

// Leaves the steps that lead to the wanted constants from constants with bytes.
void keepNeeded(LoadedProgram& program, std::vector<bool> needed) {
    const auto isConstant = [](const ProgramTensor& tensor) { return tensor.role == PlanTensor::Role::kConstant; };
    if (!std::all_of(program.tensors.begin(), program.tensors.end(), isConstant)) {
        return; // values in between: everything runs
    }
    std::vector<ProgramStep> kept;
    const auto constantOf = [&](int32_t tensor) {
        return static_cast<size_t>(program.tensors[static_cast<size_t>(tensor)].storage);
    };
    for (auto step = program.steps.rbegin(); step != program.steps.rend(); ++step) {
        if (std::none_of(step->outputs.begin(), step->outputs.end(),
                         [&](int32_t output) { return needed[constantOf(output)]; })) {
            continue;
        }
        for (const int32_t input : step->inputs) {
            if (input >= 0 && program.plan->constants[constantOf(input)].data == nullptr) {
                needed[constantOf(input)] = true;
            }
        }
        kept.push_back(std::move(*step));
    }
    std::reverse(kept.begin(), kept.end());
    program.steps = std::move(kept);
    program.segments[0].end = static_cast<int32_t>(program.steps.size());
}

} // namespace

Result<std::vector<DerivedConstant>> runWeightProgram(const plan::Plan& plan,
                                                      std::shared_ptr<const registry::RegistrySnapshot> snapshot,
                                                      const WeightProgramOptions& options) {
    TN_ASSIGN_OR_RETURN(LoadedProgram program, loadProgram(plan, plan.weightProgram));
    if (program.segments.size() > 1) {
        return support::unsupported("the weight program waits for values of its own, which it cannot");
    }
    if (!options.wanted.empty()) {
        keepNeeded(program, options.wanted);
    }
    ConstantMemory memory;
    TN_RETURN_IF_ERROR(memory.allocate(program, options));
    std::vector<bool> wanted(plan.kernels.size(), false);
    markKernels(program, wanted);
    TN_ASSIGN_OR_RETURN(const std::shared_ptr<const DeviceSet> devices,
                        DeviceSet::bind(plan, snapshot, support::defaultLogger()));
    TN_ASSIGN_OR_RETURN(const std::shared_ptr<const KernelSet> kernels,
                        KernelSet::load(plan, wanted, std::move(snapshot)));
    const LoadedProgram* const programs[] = {&program};
    ThreadTeamOptions threads;
    threads.threads = options.threads > 0 ? options.threads : std::max(1, registry::hostDescription().cores);
    TN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadTeam> team, ThreadTeam::start(threads));
    SessionOptions session;
    session.team = team.get();
    TN_ASSIGN_OR_RETURN(const std::unique_ptr<SessionSet> sessions,
                        SessionSet::open(kernels, *devices, runtimePlacements(*kernels, programs), session));
    TN_ASSIGN_OR_RETURN(const ConstantTable constants,
                        ConstantTable::upload(*devices, plan, memory.addresses, programs, options.allocator));
    TN_ASSIGN_OR_RETURN(const std::unique_ptr<ContextStreams> streams, ContextStreams::open(*devices));
    std::vector<AllocatorCallbacks> allocators;
    std::vector<GrowingBuffer> arenas;
    std::vector<std::byte*> arenaAddresses;
    for (TnPlacement placement = 0; placement < static_cast<TnPlacement>(devices->size()); ++placement) {
        allocators.push_back(devices->allocator(placement, options.allocator));
        TN_RETURN_IF_ERROR(arenas.emplace_back(allocators.back())
                               .reserve(plan.weightProgram.arenaAt(placement), "the weight program"));
        arenaAddresses.push_back(arenas.back().data());
    }
    TN_ASSIGN_OR_RETURN(const std::unique_ptr<ProgramInstance> instance,
                        ProgramInstance::create(program, *sessions, *devices, allocators));

    const std::vector<int64_t> symbols(plan.symbols.size(), 0);
    TN_RETURN_IF_ERROR(instance->evaluate(0, symbols).status());
    TN_RETURN_IF_ERROR(instance->prepare(0));
    TN_RETURN_IF_ERROR(streams->use(nullptr));
    instance->bind({arenaAddresses, {}, &constants}, streams->current());
    const Status launched = instance->launch(0, nullptr);
    TN_RETURN_IF_ERROR(streams->settle());
    TN_RETURN_IF_ERROR(launched.withContext("while computing derived weights"));
    TN_RETURN_IF_ERROR(memory.fetch(program, *devices, constants));
    return std::move(memory.derived);
}

} // namespace tenon::runtime
