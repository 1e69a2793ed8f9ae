// Finds the host too old, and says so in the only way there is.
#include "raw_module.h"

RAW_EXPORT const TnModule* tenon_module_query_v1(const TnHostInfo*) { return nullptr; }
