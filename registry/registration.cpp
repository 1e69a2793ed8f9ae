#include "registry/registration.h"

#include "registry/op_bridge.h"
#include "registry/table_check.h"
#include "registry/text_sink.h"

#include <new>

namespace tenon::registry {

using support::Status;

namespace {
std::string textOf(TnString text) { return std::string(toView(text)); }
} // namespace

Registration::Registration(EntryOrigin origin) : mOrigin(std::move(origin)) {
    mRegistrar.struct_size = sizeof(mRegistrar);
    mRegistrar.context = this;
    mRegistrar.add_backend = &Registration::add<TnBackend>;
    mRegistrar.add_provider = &Registration::add<TnTacticProvider>;
    mRegistrar.add_kernel_runtime = &Registration::add<TnKernelRuntime>;
    mRegistrar.add_op = &Registration::add<TnOpDef>;
    mRegistrar.add_parser = &Registration::add<TnParser>;
    mRegistrar.add_onnx_importer = &Registration::add<TnOnnxImporter>;
    mRegistrar.add_plugin_creator = &Registration::add<TnPluginCreator>;
}

template <class Table>
TnCode Registration::add(void* context, const Table* table) noexcept {
    auto& self = *static_cast<Registration*>(context);
    try {
        Status status;
        if (table == nullptr) {
            status = support::invalidArgument("a table is NULL");
        } else {
            const Table copy = completed(*table);
            status = checkTable(copy);
            if (status.ok()) {
                status = self.stage(copy);
            }
        }
        if (!status.ok() && self.mStatus.ok()) {
            self.mStatus = status;
        }
        return status.ok() ? TN_OK : TN_INVALID_ARGUMENT;
    } catch (const std::bad_alloc&) {
        return TN_OUT_OF_MEMORY;
    }
}

Status Registration::stage(const TnBackend& table) {
    mEntries.backends.push_back({textOf(table.name), textOf(table.version), mOrigin, table});
    return {};
}

Status Registration::stage(const TnTacticProvider& table) {
    mEntries.providers.push_back({textOf(table.name), textOf(table.version), table.rank, mOrigin, table});
    return {};
}

Status Registration::stage(const TnKernelRuntime& table) {
    mEntries.runtimes.push_back({textOf(table.name), table.blob_min, table.blob_max, mOrigin, table});
    return {};
}

Status Registration::stage(const TnOpDef& table) {
    TN_ASSIGN_OR_RETURN(ops::OpDef def, bridgeOp(table, mOrigin));
    mEntries.ops.push_back(std::move(def));
    return {};
}

Status Registration::stage(const TnParser& table) {
    mEntries.parsers.push_back({textOf(table.format), mOrigin, table});
    return {};
}

Status Registration::stage(const TnOnnxImporter& table) {
    // "ai.onnx" is another spelling of the standard domain.
    const std::string domain = textOf(table.domain);
    mEntries.importers.push_back({domain == "ai.onnx" ? std::string() : domain, textOf(table.op), mOrigin, table});
    return {};
}

Status Registration::stage(const TnPluginCreator& table) {
    mEntries.creators.push_back({textOf(table.plugin_namespace), mOrigin, table});
    return {};
}

} // namespace tenon::registry
