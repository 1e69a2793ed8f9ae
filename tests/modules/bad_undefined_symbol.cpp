// Was linked against a library that is not on this machine.
#include "raw_module.h"

extern "C" int tenon_test_nowhere_to_be_found();

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_undefined_symbol");
    table.op_set = static_cast<uint32_t>(tenon_test_nowhere_to_be_found());
    return &table;
}
