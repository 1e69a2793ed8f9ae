// Finds that its machine lacks something, after having registered a part.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink* reason) {
    static TnTacticProvider provider = rawProvider("never_seen");
    registrar->add_provider(registrar->context, &provider);
    rawSay(reason, "libfast.so.2 is missing: install the package libfast2");
    return TN_ENVIRONMENT;
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_failing_init");
    table.init = init;
    return &table;
}
