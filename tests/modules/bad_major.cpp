// Built for a major version of the ABI that does not exist yet.
#include "raw_module.h"

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) {
    static TnModule table = rawModule("bad_major");
    table.abi_major = TN_ABI_MAJOR + 1;
    return &table;
}
