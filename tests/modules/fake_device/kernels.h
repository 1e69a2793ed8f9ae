// The fake device's tactic provider and kernel runtime. Used by the module, and by tests that make plans by hand.
//   activation.relu   in any dense layout that is offered        binary.add   equal extents, linear
//   matmul            rank 2; a constant second operand may come packed: an opaque layout, which only `convert` here makes
//   unary.neg         its launch may not be recorded              convert      between dense layouts, and into the packed layout
// FAKEGPU_LIES names tactics that are offered as well, estimated to be the fastest: "half" computes one half of a relu, "inplace" one that is
// right unless it is told to write where it reads, which it says it may.
#pragma once

#include "tenon/module/module.hpp"

#include <memory>
#include <string_view>

namespace tenon::fake {

inline constexpr std::string_view kRuntimeName = "fakegpu.kernels";
inline constexpr uint32_t kBlobVersion = 1;

// The one byte of a blob.
enum class Kind : uint8_t { kRelu = 1, kAdd, kMatmul, kMatmulPacked, kNeg, kConvert, kPack, kHalfRelu, kTwicePlaced };

std::unique_ptr<const module::Provider> makeProvider();
std::unique_ptr<module::KernelRuntime> makeRuntime();

} // namespace tenon::fake
