// What matmul_integer and conv_integer take, whoever computes them: two operands of bytes, and perhaps the zero points of each.
//
// Who uses it: the reference and the cpu backend, each of which brings its own loops. What it must not know: how sums are made.
#pragma once

#include "backends/common/kernel_table.h"

namespace tenon::kernels {

// The row of the table.
KernelDef integerProduct(std::string_view op, Plan (*plan)(const Call&));

// How many zero points `operand` has: none, one for all or one for each of `count`. Throws Failure for another number.
int64_t zeroPoints(const Call& call, size_t operand, int64_t count);

// Groups of a conv_integer. Throws Failure where image and weights do not fit.
int64_t groupsOfIntegers(const Call& call);

} // namespace tenon::kernels
