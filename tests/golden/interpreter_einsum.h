// Part of the interpreter: einsum, as its definition says.
#pragma once

#include "tests/golden/interpreter_movement.h"

namespace tenon::golden {

Tensor einsum(const ir::Node& node, const std::vector<const Tensor*>& inputs, const Dims& dims);

} // namespace tenon::golden
