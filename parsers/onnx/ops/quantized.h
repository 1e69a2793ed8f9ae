// Operators on quantized tensors, written as the real operator between dequantize and quantize: one representation, whatever the model has.
// Used by the importers of QLinear* and *Integer ops.
#pragma once

#include "parsers/onnx/node_import.h"

namespace tenon::onnx {

// Inputs x, x + 1, x + 2 are a quantized tensor, its scale and its zero point, which may be left out. Several scales lie along `axis`.
// Real numbers are f32. Null after a failure.
ITensor* dequantized(NodeImport& node, size_t x, int64_t axis = 0);
// The same where scale and zero point are elsewhere; `zero` may be null.
ITensor* dequantized(NodeImport& node, ITensor* x, ITensor* scale, ITensor* zero, int64_t axis = 0);
// Inputs scale and scale + 1 are scale and zero point of the result, whose element type is that of the zero point, else that of `like`.
ITensor* quantized(NodeImport& node, ITensor* real, size_t scale, const ITensor* like);
// A scale as f32.
ITensor* realScale(NodeImport& node, ITensor* scale);
// An i32 bias in units of x_scale * w_scale.
ITensor* dequantizedBias(NodeImport& node, ITensor* bias, ITensor* xScale, ITensor* wScale);

} // namespace tenon::onnx
