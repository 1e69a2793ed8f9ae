// Verifies what core/ir cannot: that every op is known, its attributes and operand counts fit, and recorded types are
// compatible with what inference says. Used between passes in debug builds and tests, and on graphs read from text.
// Changes nothing but the graph's ExprPool, which inference builds in; so not for graphs that other threads read.
#pragma once

#include "core/ops/op_registry.h"

namespace tenon::ops {

// The first problem, with the node's name; ok when there is none. A recorded extent may be more precise than the
// inferred one, or unknown; it may not contradict it.
support::Status verifyOps(const OpRegistry& registry, const ir::Graph& graph);

} // namespace tenon::ops
