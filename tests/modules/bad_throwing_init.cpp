// Breaks the rule that no exception crosses the border.
#include "raw_module.h"

#include <stdexcept>

namespace {
TnCode init(const TnHost*, const TnRegistrar*, void**, TnSink*) { throw std::runtime_error("no such table"); }
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_throwing_init");
    table.init = init;
    return &table;
}
