#include "registry/host_api.h"

#include "core/support/build_info.h"
#include "registry/text_sink.h"

namespace tenon::registry {

using support::Severity;

HostApi::HostApi(std::string moduleName, std::shared_ptr<HostLog> log, CurrentSnapshot current)
    : mModule(std::move(moduleName)), mLog(std::move(log)), mCurrent(std::move(current)) {
    mHost.struct_size = sizeof(mHost);
    mHost.context = this;
    mHost.log = &HostApi::logLine;
    mHost.get_extension = &HostApi::extension;
    mImporters.struct_size = sizeof(mImporters);
    mImporters.context = this;
    mImporters.visit = &HostApi::visitImporters;
}

void HostApi::logLine(void* context, int32_t severity, TnString text) {
    const auto& self = *static_cast<const HostApi*>(context);
    Severity level = Severity::kError; // a number that nobody knows must not hide the line
    if (severity >= TN_LOG_INTERNAL_ERROR && severity <= TN_LOG_VERBOSE) {
        level = static_cast<Severity>(severity);
    }
    self.mLog->logger().log(level, support::cat("[", self.mModule, "] ", toView(text)));
}

const void* HostApi::extension(void* context, TnString name) {
    const auto& self = *static_cast<const HostApi*>(context);
    return toView(name) == "tenon.importers/1" ? &self.mImporters : nullptr;
}

void HostApi::visitImporters(void* context, void* visitorContext, void (*visitor)(void*, const TnOnnxImporter*)) {
    const auto& self = *static_cast<const HostApi*>(context);
    const std::shared_ptr<const RegistrySnapshot> snapshot = self.mCurrent ? self.mCurrent() : nullptr;
    if (snapshot == nullptr || visitor == nullptr) {
        return;
    }
    for (const ImporterEntry& entry : snapshot->importers()) {
        visitor(visitorContext, &entry.table);
    }
}

TnHostInfo hostInfo() {
    TnHostInfo info{};
    info.struct_size = sizeof(info);
    info.abi_major = TN_ABI_MAJOR;
    info.abi_minor = TN_ABI_MINOR;
    info.op_set = TN_OP_SET;
    info.version = toTn(support::versionText());
    return info;
}

} // namespace tenon::registry
