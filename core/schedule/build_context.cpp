#include "core/schedule/build_context.h"

#include "core/support/text.h"
#include "registry/host_backend.h"
#include "registry/text_sink.h"

#include <algorithm>

namespace tenon::schedule {

TnTarget Target::view() const {
    TnTarget target{};
    target.struct_size = sizeof(target);
    target.placement = TN_PLACEMENT_HOST;
    target.backend = {backend.data(), backend.size()};
    target.json = {json.data(), json.size()};
    target.fingerprint = {fingerprint.data(), fingerprint.size()};
    target.threads = threads;
    return target;
}

support::Result<Target> describeHostTarget(const registry::RegistrySnapshot& snapshot, int32_t threads) {
    const registry::BackendEntry* entry = snapshot.backend("host");
    if (!entry) {
        return support::internalError("the built-in host backend is missing");
    }
    registry::TextSink json;
    registry::TextSink fingerprint;
    registry::TextSink reason;
    const TnBackend& host = entry->table;
    TnCode code = host.describe(host.self, 0, json.sink(), fingerprint.sink(), reason.sink());
    if (code != TN_OK) {
        return support::makeError(support::Code::kEnvironment,
                                  "the host backend cannot describe this machine: ", reason.text());
    }
    Target target;
    target.json = json.text();
    target.fingerprint = fingerprint.text();
    target.threads = threads > 0 ? threads : registry::hostDescription().cores;
    target.fingerprint += support::cat("/threads=", target.threads);
    return target;
}

bool BuildContext::providerAllowed(std::string_view name) const {
    const std::vector<std::string>& allowed = options->providers;
    return allowed.empty() || std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

} // namespace tenon::schedule
