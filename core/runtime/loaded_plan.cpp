#include "core/runtime/loaded_plan.h"

#include "core/runtime/weight_program.h"
#include "core/support/text.h"
#include "registry/host_backend.h"

#include <algorithm>

namespace tenon::runtime {

using support::Code;
using support::makeError;
using support::Result;
using support::Status;

void LoadedPlan::meetMachine(const LoadOptions& options) {
    const registry::HostDescription& host = registry::hostDescription();
    const std::string here = options.machine.has_value() ? *options.machine : registry::hostFingerprint(host);
    // A fingerprint may carry the size of the thread team after that of the machine.
    const bool same = mPlan.targetFingerprint.substr(0, here.size()) == here;
    if (!mPlan.targetFingerprint.empty() && !here.empty() && !same) {
        options.log.info("the plan was timed on another machine (", mPlan.targetFingerprint, ", this is ", here,
                         "): it runs, but another choice of tactics may be faster here");
    }
    // Kernels were chosen for that many; a plan that travelled takes what the machine has.
    mThreads = same && mPlan.hostThreads > 0 ? std::min(mPlan.hostThreads, host.threads) : host.cores;
}

Status LoadedPlan::checkConstants() const {
    for (const LoadedProgram& program : mPrograms) {
        for (const ProgramStep& step : program.steps) {
            for (const int32_t input : step.inputs) {
                if (input < 0) {
                    continue;
                }
                const ProgramTensor& tensor = program.tensors[static_cast<size_t>(input)];
                if (tensor.role != plan::PlanTensor::Role::kConstant) {
                    continue;
                }
                const plan::PlanConstant& constant = mPlan.constants[static_cast<size_t>(tensor.storage)];
                if (constant.data == nullptr && constant.bytes > 0 && !constant.derived) {
                    return makeError(Code::kInvalidFile, "the weights '", constant.name, "', which step '",
                                     program.planStep(step).name,
                                     "' reads, were left out of the plan. Build it with its weights");
                }
            }
        }
    }
    return {};
}

// Derived constants that programs read and the plan does not hold: the weight program makes them here.
Status LoadedPlan::deriveMissing(const AllocatorCallbacks& allocator) {
    std::vector<bool> missing(mPlan.constants.size(), false);
    bool any = false;
    for (const LoadedProgram& program : mPrograms) {
        for (const ProgramStep& step : program.steps) {
            for (const int32_t input : step.inputs) {
                if (input < 0 ||
                    program.tensors[static_cast<size_t>(input)].role != plan::PlanTensor::Role::kConstant) {
                    continue;
                }
                const auto index = static_cast<size_t>(program.tensors[static_cast<size_t>(input)].storage);
                const plan::PlanConstant& constant = mPlan.constants[index];
                if (constant.derived && constant.data == nullptr && constant.bytes > 0) {
                    missing[index] = true;
                    any = true;
                }
            }
        }
    }
    if (!any) {
        return {};
    }
    WeightProgramOptions only;
    only.wanted = missing;
    only.allocator = allocator;
    TN_ASSIGN_OR_RETURN(std::vector<DerivedConstant> derived, runWeightProgram(mPlan, mSnapshot, only));
    for (DerivedConstant& each : derived) {
        const auto index = static_cast<size_t>(each.constant);
        if (missing[index]) {
            missing[index] = false;
            mPlan.constants[index].data = each.data.get();
            mDerived.push_back(std::move(each.data));
        }
    }
    for (size_t i = 0; i < missing.size(); ++i) {
        if (missing[i]) {
            return support::invalidFile("the weights '", mPlan.constants[i].name,
                                        "' are not in the plan, and its weight program does not compute them");
        }
    }
    return {};
}

Result<std::shared_ptr<const LoadedPlan>> LoadedPlan::load(plan::Plan plan,
                                                           std::shared_ptr<const registry::RegistrySnapshot> snapshot,
                                                           const LoadOptions& options) {
    // Programs keep pointers to the plan, so it gets its final place first.
    const std::shared_ptr<LoadedPlan> loaded(new LoadedPlan);
    loaded->mPlan = std::move(plan);
    loaded->mSnapshot = std::move(snapshot);
    loaded->meetMachine(options);
    TN_ASSIGN_OR_RETURN(loaded->mDevices, DeviceSet::bind(loaded->mPlan, loaded->mSnapshot, options.log));
    std::vector<bool> wanted(loaded->mPlan.kernels.size(), false);
    for (const plan::PlanProgram& source : loaded->mPlan.programs) {
        TN_ASSIGN_OR_RETURN(LoadedProgram program, loadProgram(loaded->mPlan, source));
        markKernels(program, wanted);
        loaded->mPrograms.push_back(std::move(program));
    }
    TN_RETURN_IF_ERROR(loaded->checkConstants());
    TN_ASSIGN_OR_RETURN(loaded->mKernels, KernelSet::load(loaded->mPlan, wanted, loaded->mSnapshot));
    TN_RETURN_IF_ERROR(loaded->deriveMissing(options.allocator));
    std::vector<const std::byte*> host;
    for (const plan::PlanConstant& constant : loaded->mPlan.constants) {
        host.push_back(constant.data);
    }
    std::vector<const LoadedProgram*> programs;
    for (const LoadedProgram& program : loaded->mPrograms) {
        programs.push_back(&program);
    }
    TN_ASSIGN_OR_RETURN(loaded->mConstants, ConstantTable::upload(*loaded->mDevices, loaded->mPlan, std::move(host),
                                                                  programs, options.allocator));
    loaded->mRuntimeUses = runtimePlacements(*loaded->mKernels, programs);
    loaded->mInputCount =
        static_cast<int32_t>(std::count_if(loaded->mPlan.bindings.begin(), loaded->mPlan.bindings.end(),
                                           [](const auto& binding) { return binding.isInput; }));
    return std::shared_ptr<const LoadedPlan>(loaded);
}

int32_t LoadedPlan::bindingOf(std::string_view name) const {
    for (size_t i = 0; i < mPlan.bindings.size(); ++i) {
        if (mPlan.bindings[i].name == name) {
            return static_cast<int32_t>(i);
        }
    }
    return -1;
}

int64_t LoadedPlan::largestArenaBytes(TnPlacement placement) const {
    int64_t bytes = 0;
    for (const plan::PlanProgram& program : mPlan.programs) {
        bytes = std::max(bytes, program.arenaAt(placement));
    }
    return bytes;
}

} // namespace tenon::runtime
