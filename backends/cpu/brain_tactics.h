// The same kernels over tensors of f32 that lie in memory as bf16, where a build allows that: what is computed is computed in f32, so that nothing has
// to be converted between the products, which are multiplied in bf16.
//
// Who uses it: the module, for the tactics of each method. What it must not know: how methods compute.
#pragma once

#include "backends/cpu/methods.h"

#include <optional>

namespace tenon::cpu {

// The tactic with its tensors in bf16, constants aside; nothing where the method or op computes in its own types alone.
std::optional<module::Tactic> brainTactic(const Method& method, const module::TargetView& target,
                                          const module::TaskView& task, const module::Tactic& tactic);

} // namespace tenon::cpu
