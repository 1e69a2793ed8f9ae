// The reference of all ops as markdown, made from their definitions. Used by the verb `tenon ops`.
#pragma once

#include "core/ops/op_registry.h"

#include <string>

namespace tenon::ops {

// One section per family, one entry per op: formula, operands, attributes with legal values and defaults, traits.
std::string opsMarkdown(const OpRegistry& registry);

} // namespace tenon::ops
