// A provider without one of the functions that it must have.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink*) {
    static TnTacticProvider good = rawProvider("good_half");
    static TnTacticProvider bad = rawProvider("bad_half");
    bad.compile = nullptr;
    registrar->add_provider(registrar->context, &good);
    registrar->add_provider(registrar->context, &bad); // the refusal is not even looked at
    return TN_OK;
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_null_entry");
    table.init = init;
    return &table;
}
