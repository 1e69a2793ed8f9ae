// What the host offers to a module: log and extensions. One object per module, so that its lines carry its name.
// Used by the module loader. Knows snapshots only through the function it is given.
#pragma once

#include "core/support/log.h"
#include "registry/registry_snapshot.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace tenon::registry {

/// Where modules' log lines go: changeable, because the registry outlives the loggers of the API. Thread-safe.
class HostLog {
public:
    explicit HostLog(support::Logger logger) : mLogger(logger) {}
    void setLogger(support::Logger logger) {
        const std::lock_guard<std::mutex> lock(mMutex);
        mLogger = logger;
    }
    support::Logger logger() const {
        const std::lock_guard<std::mutex> lock(mMutex);
        return mLogger;
    }

private:
    mutable std::mutex mMutex;
    support::Logger mLogger;
};

/// The TnHost of one module. Must stay where it is while the module is initialised.
class HostApi {
public:
    using CurrentSnapshot = std::function<std::shared_ptr<const RegistrySnapshot>()>;

    HostApi(std::string moduleName, std::shared_ptr<HostLog> log, CurrentSnapshot current);
    HostApi(const HostApi&) = delete;
    HostApi& operator=(const HostApi&) = delete;

    const TnHost* table() const noexcept { return &mHost; }

private:
    static void logLine(void* context, int32_t severity, TnString text);
    static const void* extension(void* context, TnString name);
    static void visitImporters(void* context, void* visitorContext, void (*visitor)(void*, const TnOnnxImporter*));

    std::string mModule;
    std::shared_ptr<HostLog> mLog;
    CurrentSnapshot mCurrent;
    TnHost mHost{};
    TnImporterList mImporters{};
};

/// What TnModuleQuery is given.
TnHostInfo hostInfo();

} // namespace tenon::registry
