// A module of another name whose provider has the name of one that is there already.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink*) {
    static TnTacticProvider provider = rawProvider("good");
    return registrar->add_provider(registrar->context, &provider);
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("same_provider");
    table.init = init;
    return &table;
}
