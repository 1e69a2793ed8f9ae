#include "core/runtime/kernel_set.h"

#include "core/runtime/loaded_program.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

namespace tenon::runtime {

using registry::RegistrySnapshot;
using registry::RuntimeEntry;
using registry::TextSink;
using support::cat;
using support::Result;
using support::Status;

namespace {

// The requirement that covers a kernel; verifyPlan made sure that there is one.
const plan::ModuleRequirement* requirementOf(const plan::Plan& plan, const plan::PlanKernel& kernel) {
    for (const plan::ModuleRequirement& requirement : plan.requirements) {
        if (requirement.runtime == kernel.runtime && requirement.blobVersion == kernel.blobVersion) {
            return &requirement;
        }
    }
    return nullptr;
}

} // namespace

Status statusOf(TnCode code, const std::string& what, const std::string& reason) {
    if (code == TN_OK) {
        return {};
    }
    return support::makeError(registry::codeOf(code), what, ": ",
                              reason.empty() ? cat("code ", code, ", without a reason (a defect of the module)")
                                             : reason);
}

Result<std::shared_ptr<const KernelSet>> KernelSet::load(const plan::Plan& plan, const std::vector<bool>& wanted,
                                                         std::shared_ptr<const RegistrySnapshot> snapshot) {
    const std::shared_ptr<KernelSet> set(new KernelSet);
    set->mSnapshot = std::move(snapshot);
    set->mEntries.resize(plan.kernels.size());
    for (size_t i = 0; i < plan.kernels.size(); ++i) {
        if (!wanted[i]) {
            continue;
        }
        const plan::PlanKernel& kernel = plan.kernels[i];
        const plan::ModuleRequirement* requirement = requirementOf(plan, kernel);
        const std::string built = requirement == nullptr ? std::string()
                                                         : cat("the plan was built with module '", requirement->name,
                                                               "' ", requirement->version);
        auto found = set->mSnapshot->requireRuntime(kernel.runtime, kernel.blobVersion,
                                                    requirement == nullptr ? std::string_view() : requirement->name);
        if (!found.ok()) {
            return std::move(found).status().withContext(built);
        }
        Entry& entry = set->mEntries[i];
        entry.runtime = *found;
        entry.runtimeIndex = 0;
        while (entry.runtimeIndex < static_cast<int32_t>(set->mRuntimes.size()) &&
               set->mRuntimes[static_cast<size_t>(entry.runtimeIndex)] != entry.runtime) {
            ++entry.runtimeIndex;
        }
        if (entry.runtimeIndex == static_cast<int32_t>(set->mRuntimes.size())) {
            set->mRuntimes.push_back(entry.runtime);
        }
        const TnKernelRuntime& table = entry.runtime->table;
        TextSink reason;
        const TnCode code = table.deserialize(table.self, kernel.blob->data(), kernel.blob->size(), kernel.blobVersion,
                                              &entry.kernel, reason.sink());
        TN_RETURN_IF_ERROR(statusOf(code,
                                    cat("kernel ", i, " '", kernel.tactic, "' was refused by '", kernel.runtime, "'"),
                                    std::string(reason.text()))
                               .withContext(built));
        if (entry.kernel == nullptr) {
            return support::internalError("'", kernel.runtime, "' returned no kernel for '", kernel.tactic,
                                          "' and no error: a defect of module '", entry.runtime->origin.module, "'");
        }
    }
    return std::shared_ptr<const KernelSet>(set);
}

KernelSet::~KernelSet() {
    for (const Entry& entry : mEntries) {
        if (entry.kernel != nullptr) {
            entry.runtime->table.kernel_destroy(entry.kernel);
        }
    }
}

std::vector<uint32_t> runtimePlacements(const KernelSet& kernels, std::span<const LoadedProgram* const> programs) {
    std::vector<uint32_t> uses(kernels.runtimes().size(), 0);
    for (const LoadedProgram* program : programs) {
        for (const ProgramStep& step : program->steps) {
            if (step.kernel >= 0) {
                uses[static_cast<size_t>(kernels.at(step.kernel).runtimeIndex)] |= 1U << step.placement;
            }
        }
    }
    return uses;
}

Result<std::unique_ptr<SessionSet>> SessionSet::open(std::shared_ptr<const KernelSet> kernels, const DeviceSet& devices,
                                                     std::span<const uint32_t> uses, const SessionOptions& options) {
    std::unique_ptr<SessionSet> set(new SessionSet);
    set->mKernels = std::move(kernels);
    set->mPlacements = devices.size();
    set->mSessions.assign(set->mKernels->runtimes().size() * set->mPlacements, nullptr);
    TnSessionInfo info{};
    info.struct_size = sizeof(info);
    info.threads = options.team->threads();
    info.context = options.resourceContext;
    // Modules call it without a check.
    info.resource = options.resource != nullptr ? options.resource : [](void*, TnString) -> void* { return nullptr; };
    for (size_t i = 0; i < set->mSessions.size(); ++i) {
        const RuntimeEntry* const runtime = set->mKernels->runtimes()[i / set->mPlacements];
        info.placement = static_cast<TnPlacement>(i % set->mPlacements);
        const bool onHost = info.placement == TN_PLACEMENT_HOST;
        info.device = onHost ? 0 : devices.at(info.placement).number();
        info.team = onHost ? options.team->table() : nullptr;
        if ((uses[i / set->mPlacements] & (1U << info.placement)) == 0) {
            continue;
        }
        TextSink reason;
        const TnCode code =
            runtime->table.session_create(runtime->table.self, &info, &set->mSessions[i], reason.sink());
        TN_RETURN_IF_ERROR(statusOf(code, cat("'", runtime->name, "' opened no session"), std::string(reason.text())));
    }
    return set;
}

SessionSet::~SessionSet() {
    for (size_t i = 0; i < mSessions.size(); ++i) {
        if (mSessions[i] != nullptr) {
            mKernels->runtimes()[i / mPlacements]->table.session_destroy(mSessions[i]);
        }
    }
}

} // namespace tenon::runtime
