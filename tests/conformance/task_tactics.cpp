#include "tests/conformance/task_tactics.h"

#include "tests/conformance/text_sink.h"

#include <fstream>
#include <sstream>

namespace tenon::conformance {

namespace {

// What the processor can, as the host backend says it: some kernels want instructions that not every processor has.
std::string hostJson() {
    std::ifstream description("/proc/cpuinfo");
    std::string isa;
    for (std::string line; isa.empty() && std::getline(description, line);) {
        const size_t colon = line.find(':');
        if (colon == std::string::npos || !(line.starts_with("flags") || line.starts_with("Features"))) {
            continue;
        }
        std::istringstream flags(line.substr(colon + 1));
        for (std::string flag; flags >> flag;) {
            isa += module::text(isa.empty() ? "\"" : ",\"", flag, '"');
        }
    }
    return module::text("{\"isa\":[", isa, "]}");
}

} // namespace

Refusal supportOf(const ModuleTables& tables, const TnTask& task) {
    TextSink reason;
    const TnTarget target = targetOf(tables, 1);
    const TnTacticProvider& provider = *tables.providers.at(0);
    const TnCode code = provider.supports(provider.self, &target, &task, &reason.sink);
    return {code, reason.text};
}

TnTactic KeptTactic::table() const {
    TnTactic table{};
    table.struct_size = sizeof table;
    table.id = id;
    table.name = module::toTn(name);
    table.inputs = inputs.data();
    table.outputs = outputs.data();
    table.port_stride = sizeof(TnPortFormat);
    table.traits = traits;
    table.may_alias = mayAlias.empty() ? nullptr : mayAlias.data();
    return table;
}

TnTarget targetOf(const ModuleTables& tables, int threads) {
    static const std::string kBackend = "host";
    static const std::string kJson = hostJson();
    const DeviceTarget& device = tables.device;
    const bool isHost = device.name.empty();
    TnTarget target{};
    target.struct_size = sizeof target;
    target.placement = isHost ? TN_PLACEMENT_HOST : 1;
    target.backend = module::toTn(isHost ? kBackend : device.name);
    target.json = module::toTn(isHost ? kJson : device.json);
    target.fingerprint = module::toTn(isHost ? kBackend : device.fingerprint);
    target.threads = threads;
    return target;
}

std::vector<KeptTactic> tacticsOf(const ModuleTables& tables, const TnTask& task, int threads, Refusal& refusal) {
    struct Collector {
        std::vector<KeptTactic> tactics;
        const TnTacticProvider* provider = nullptr;
        size_t inputs = 0;
        size_t outputs = 0;
    } collector;
    collector.inputs = static_cast<size_t>(task.body->input_count);
    collector.outputs = static_cast<size_t>(task.body->output_count);
    TnTacticSink sink{&collector, [](void* context, const TnTactic* tactic) {
                          auto* to = static_cast<Collector*>(context);
                          KeptTactic kept;
                          kept.provider = to->provider;
                          kept.id = tactic->id;
                          kept.name = std::string(module::view(tactic->name));
                          kept.traits = tactic->traits;
                          const module::StridedRange<TnPortFormat> inputs(
                              tactic->inputs, static_cast<int64_t>(to->inputs), tactic->port_stride);
                          const module::StridedRange<TnPortFormat> outputs(
                              tactic->outputs, static_cast<int64_t>(to->outputs), tactic->port_stride);
                          kept.inputs.assign(inputs.begin(), inputs.end());
                          kept.outputs.assign(outputs.begin(), outputs.end());
                          if (tactic->may_alias != nullptr) {
                              kept.mayAlias.assign(tactic->may_alias, tactic->may_alias + to->outputs);
                          }
                          to->tactics.push_back(std::move(kept));
                      }};
    const TnTarget target = targetOf(tables, threads);
    for (const TnTacticProvider* provider : tables.providers) {
        TextSink reason;
        collector.provider = provider;
        TnCode code = provider->supports(provider->self, &target, &task, &reason.sink);
        if (code == TN_OK) {
            code = provider->enumerate(provider->self, &target, &task, &sink, &reason.sink);
        }
        if (code != TN_OK || collector.tactics.empty()) {
            refusal = {code == TN_OK ? TN_UNSUPPORTED : code, reason.text};
        }
    }
    return collector.tactics;
}

} // namespace tenon::conformance
