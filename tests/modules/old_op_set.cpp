// Compiled against an op set that lacks whatever this one added: takes everything, which the host must not believe.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink*) {
    static TnTacticProvider provider = rawProvider("old_op_set");
    provider.supports = [](void*, const TnTarget*, const TnTask*, TnSink*) -> TnCode { return TN_OK; };
    return registrar->add_provider(registrar->context, &provider);
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("old_op_set");
    table.op_set = TN_OP_SET - 1;
    table.init = init;
    return &table;
}
