// Declares the function of each op family in ops.def. Used by the registry and the family files alone.
#pragma once

#include "core/ops/op_def.h"

#include <vector>

namespace tenon::ops {

#define TN_OP_FAMILY(prefix, title) std::vector<OpDef> prefix##Ops();
#include "core/ops/ops.def"
#undef TN_OP_FAMILY

} // namespace tenon::ops
