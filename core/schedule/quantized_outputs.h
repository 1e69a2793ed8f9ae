// What quantized outputs stand for: the real numbers before they were rounded. Two correct kernels may round a number that lies half-way between
// two integers to either, after the last bit of a sum came out another way; so a kernel is held to the real numbers, not to the reference's integers.
// Where a region rounds to integers and back on its way, each such rounding may move what comes out by half a step of its own.
// Used by verification. Knows quantize; no kernel.
#pragma once

#include "core/schedule/oracle.h"
#include "core/schedule/tensor_data.h"

#include <optional>
#include <vector>

namespace tenon::schedule {

// An output before it is rounded, as if nothing had been rounded before: integers in their own units, cut to their range.
struct QuantizedOutput {
    std::vector<double> exact;
    double slack = 0; // what rounding may move it
};

// By output of the body: nothing where no rounding was before it, or it could not be computed.
std::vector<std::optional<QuantizedOutput>> quantizedOutputs(Oracle& oracle, const ir::Graph& body,
                                                             const std::vector<ir::ConstantPtr>& inputs,
                                                             const std::vector<int64_t>& symbolValues,
                                                             const StandIn& standIn);

// Each integer is the reference's own, or one that the real number may be rounded to, give or take what the tolerance of its computation moves it.
Difference compareQuantized(const ir::Constant& actual, const ir::Constant& reference, const QuantizedOutput& expected,
                            const Tolerance& tolerance);

} // namespace tenon::schedule
