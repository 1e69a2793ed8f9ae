// How many bytes of memory a tensor touches: what plan verification and the runtime check against buffers.
// Knows formats and extents, no plan.
#pragma once

#include "core/ir/data_type.h"
#include "core/ir/tensor_format.h"

#include <cstdint>
#include <string>

namespace tenon::plan {

/// Bytes from a tensor's first to its last element, padding inside blocks included. Differs from ir::bytesOf where rows
/// have an outer pitch: a view of some columns ends before its last row's pitch does. -1: a negative extent, overflow, or
/// rows longer than their pitch. Precondition: formatProblem(format, format.rank) is empty.
int64_t spanOf(const ir::TensorFormat& format, ir::DataType type, const int64_t* dims);

/// What makes a format unusable for a tensor of this rank ("dimension 1 stands twice in its order"); empty: nothing.
std::string formatProblem(const ir::TensorFormat& format, int64_t rank);

} // namespace tenon::plan
