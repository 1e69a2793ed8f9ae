// Built for a later minor version: its tables are longer than this host knows, and it must load all the same.
#include "raw_module.h"

namespace {
struct LongerProvider {
    TnTacticProvider known;
    void (*somethingNew)();
};

TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink*) {
    static LongerProvider provider{rawProvider("newer_minor"), nullptr};
    provider.known.struct_size = sizeof(provider);
    return registrar->add_provider(registrar->context, &provider.known);
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("newer_minor");
    table.abi_minor = TN_ABI_MINOR + 7;
    table.init = init;
    return &table;
}
