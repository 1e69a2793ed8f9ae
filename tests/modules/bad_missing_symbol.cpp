// A shared library that is no module.
#include "raw_module.h"

RAW_EXPORT int something_else() { return 1; }
