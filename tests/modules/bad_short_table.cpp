// A kernel runtime whose table ends before version 1.0 of the ABI does.
#include "raw_module.h"

namespace {
TnCode init(const TnHost*, const TnRegistrar* registrar, void**, TnSink*) {
    static TnKernelRuntime table{};
    table.struct_size = 64;
    table.name = rawText("short");
    return registrar->add_kernel_runtime(registrar->context, &table);
}
} // namespace

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_short_table");
    table.init = init;
    return &table;
}
