#include "core/api/modules.h"

#include "core/api/plugin_runtime.h"
#include "registry/module_registry.h"

#include <algorithm>
#include <mutex>

namespace tenon::api {

namespace {

// As manifests list it.
std::vector<std::string> entriesOf(const plan::Plan& plan) {
    std::vector<std::string> entries;
    for (const plan::PlanDevice& device : plan.devices) {
        entries.push_back("backend:" + device.backend);
    }
    const auto add = [&](const plan::PlanProgram& program) {
        for (const plan::PlanStep& step : program.steps) {
            if (step.kernel < 0 || static_cast<size_t>(step.kernel) >= plan.kernels.size()) {
                continue;
            }
            std::string entry = "runtime:" + plan.kernels[static_cast<size_t>(step.kernel)].runtime;
            if (std::find(entries.begin(), entries.end(), entry) == entries.end()) {
                entries.push_back(std::move(entry));
            }
        }
    };
    bool derives = false; // weights that were left out: they are computed when the plan is loaded
    for (const plan::PlanProgram& program : plan.programs) {
        add(program);
        for (const plan::PlanTensor& tensor : program.tensors) {
            const auto index = static_cast<size_t>(tensor.constant);
            derives = derives || (tensor.role == plan::PlanTensor::Role::kConstant && index < plan.constants.size() &&
                                  plan.constants[index].derived && plan.constants[index].data == nullptr);
        }
    }
    if (derives) {
        add(plan.weightProgram);
    }
    return entries;
}

} // namespace

void registerPluginRuntime(const Reporter& reporter) {
    auto& modules = registry::ModuleRegistry::process();
    static std::once_flag once;
    std::call_once(once, [&] {
        if (const support::Status status = modules.addInProcess({}, {pluginKernelRuntime()}, nullptr); !status.ok()) {
            reporter.report(status);
        }
    });
}

std::shared_ptr<const registry::RegistrySnapshot> snapshotForRun(const plan::Plan& plan, const Reporter& reporter) {
    registerPluginRuntime(reporter);
    auto& modules = registry::ModuleRegistry::process();
    modules.setLogger(reporter.log());
    auto snapshot = modules.snapshotWith(entriesOf(plan));
    modules.setLogger(support::defaultLogger()); // the registry outlives the user's logger
    return snapshot;
}

} // namespace tenon::api
