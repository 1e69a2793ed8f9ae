// Where the elements of a structural format lie: one table per logical dimension, whose entries add up to the offset.
//
// Who uses it: layout conversions. What it must not know: element types, ops.
#pragma once

#include "backends/common/call.h"

namespace tenon::kernels {

// offset(c) = sum over d of tables[d][c[d]], in elements. Throws for opaque formats.
std::vector<Dims> offsetTables(const TnFormat& format, const Dims& dims);

} // namespace tenon::kernels
