// Fails without a reason.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar*, void**, TnSink*) { return TN_INTERNAL; }
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_silent_init");
    table.init = init;
    return &table;
}
