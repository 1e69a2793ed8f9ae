#include "core/api/modules.h"

#include "core/api/plugin_runtime.h"
#include "registry/module_registry.h"

#include <mutex>

namespace tenon::api {

std::shared_ptr<const registry::RegistrySnapshot> snapshotForRun(const Reporter& reporter) {
    auto& modules = registry::ModuleRegistry::process();
    static std::once_flag once;
    std::call_once(once, [&] {
        if (const support::Status status = modules.addInProcess({}, {pluginKernelRuntime()}, nullptr); !status.ok()) {
            reporter.report(status);
        }
    });
    modules.setLogger(reporter.log());
    auto snapshot = modules.snapshot(registry::Purpose::kRun);
    modules.setLogger(support::defaultLogger()); // the registry outlives the user's logger
    return snapshot;
}

} // namespace tenon::api
