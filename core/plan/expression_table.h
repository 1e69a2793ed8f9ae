// Evaluating a plan's table of expressions.
// Used by plan verification and by the runtime's shape program. Knows ExprNode and its arithmetic, no tensor.
#pragma once

#include "core/ir/dim_expr.h"

#include <cstdint>
#include <span>

namespace tenon::plan {

/// How many of ExprNode::operands an operator has.
int32_t operandCount(ir::ExprOp op);

/// True when the operator divides and its second operand is zero: the result is 0 then.
bool dividesByZero(ir::ExprOp op, int64_t divisor);

/// Fills `values`, one per expression. Precondition: verifyPlan accepted the table; `symbols` has a value for each symbol.
void evaluateTable(std::span<const ir::ExprNode> table, std::span<const int64_t> symbols, std::span<int64_t> values);

} // namespace tenon::plan
