#include "registry/target_description.h"

#include "registry/host_backend.h"
#include "registry/text_sink.h"

namespace tenon::registry {

using support::Code;
using support::Result;

TnTarget TargetDescription::toTn() const {
    TnTarget target{};
    target.struct_size = sizeof(target);
    target.placement = placement;
    target.backend = registry::toTn(backend);
    target.json = registry::toTn(json);
    target.fingerprint = registry::toTn(fingerprint);
    target.threads = threads;
    target.device = device;
    return target;
}

Result<TargetDescription> describeTarget(const BackendEntry& backend, int32_t device, TnPlacement placement,
                                         int32_t threads) {
    TextSink reason;
    const int32_t count = backend.table.device_count(backend.table.self, reason.sink());
    if (device < 0 || device >= count) {
        return support::makeError(Code::kEnvironment, "backend '", backend.name, "' has ", count,
                                  " usable devices, and number ", device, " was asked for",
                                  reason.text().empty() ? "" : ": ", reason.text());
    }
    TextSink json;
    TextSink fingerprint;
    reason.clear();
    if (backend.table.describe(backend.table.self, device, json.sink(), fingerprint.sink(), reason.sink()) != TN_OK) {
        return support::makeError(Code::kEnvironment, "backend '", backend.name, "' cannot describe device ", device,
                                  ": ", reason.textOr("it gave no reason"));
    }
    TargetDescription target;
    target.placement = placement;
    target.backend = backend.name;
    target.json = json.text();
    target.fingerprint = fingerprint.text();
    target.threads = threads >= 1 ? threads : hostDescription().cores;
    target.device = device;
    return target;
}

TargetDescription hostTarget(int32_t threads) {
    TargetDescription target;
    target.json = hostJson(hostDescription());
    target.fingerprint = hostFingerprint(hostDescription());
    target.threads = threads >= 1 ? threads : hostDescription().cores;
    return target;
}

} // namespace tenon::registry
