// What passes and patterns ask of quantize and dequantize nodes.
// Used by passes and patterns only. Knows those two ops; no kernel.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"

#include <optional>

namespace tenon::passes {

// A quantize or dequantize with one constant scale and one constant zero point, or none, of finite numbers.
struct OneScale {
    double scale = 1;
    double zero = 0;
};
std::optional<OneScale> oneScaleOf(const ir::Node& node);
// Between f32 and integers of 8 bits.
bool isByteQuantize(const ir::Node* node);
bool isByteDequantize(const ir::Node* node);
// The smallest and the largest integer of an element type of 8 bits.
double lowestCode(ir::DataType type);
double highestCode(ir::DataType type);
// Scales and zero points are equal, by number.
bool sameParameters(const ir::Node& a, const ir::Node& b);

// A dequantize of constant weights that a convolution or product multiplies with what is dequantized too: kernels that compute in integers want
// the weights as they are.
bool isQuantizedWeight(const ir::Node& node);

// Computed element by element: a pointwise op, or quantize and dequantize with one scale and zero point for all.
bool isElementwise(const ops::OpDef& def, const ir::Node& node);

} // namespace tenon::passes
