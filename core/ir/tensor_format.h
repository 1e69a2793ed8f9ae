// Layouts of tensors: the ABI's TnFormat as a value type with equality, hash, sizes and text.
// Used by the scheduler, plans, and the host side of modules. Knows no library.
#pragma once

#include "core/ir/data_type.h"
#include "tenon/module/abi.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ir {

using TensorFormat = TnFormat;

TensorFormat linearFormat(int32_t rank);                        // row-major
TensorFormat permutedFormat(const std::vector<int32_t>& order); // outermost first
TensorFormat blockedFormat(int32_t rank, const std::vector<TnBlock>& blocks);
TensorFormat channelsLastFormat(int32_t rank); // N, spatial..., C

bool equal(const TensorFormat& a, const TensorFormat& b);
// True if ranks, orders, blocks and the provider's name are within the ABI's limits and consistent. The other functions take well-formed
// formats only: check what comes from a plan or a module.
bool isWellFormed(const TensorFormat& format);
bool isLinear(const TensorFormat& format);
bool isOpaque(const TensorFormat& format);
uint64_t hashOf(const TensorFormat& format);

// Bytes of a tensor of these extents, padding included; -1 on overflow.
int64_t bytesOf(const TensorFormat& format, DataType type, const int64_t* dims);
// Element offset of a coordinate in a structural format; dims are the logical extents.
int64_t offsetOf(const TensorFormat& format, const int64_t* dims, const int64_t* coordinate);

// "linear", "order(0,2,3,1)", "order(0,1,2,3) block(1:16)", "opaque(onednn:1f:2:4096)"; parse(print(f)) == f.
std::string toText(const TensorFormat& format);
std::optional<TensorFormat> formatOf(std::string_view text, int32_t rank);

} // namespace tenon::ir
