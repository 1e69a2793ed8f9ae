// Attributes of sliding windows as ONNX writes them.
// Used by the importers of convolution and pooling.
#pragma once

#include "parsers/onnx/node_import.h"

namespace tenon::onnx {

// Number of spatial dimensions, or -1 with the reason set.
int32_t spatialRank(NodeImport& node, ITensor* x);
// Attributes that windows share. Every list is checked for its length here, so that the message can name the attribute.
bool addWindow(NodeImport& node, Attributes& attributes, int32_t spatial, bool dilations);
// "kernel" from kernel_shape.
bool addKernel(NodeImport& node, Attributes& attributes, int32_t spatial);
// Between [N, spatial..., C] and [N, C, spatial...]. Null passes through.
ITensor* channelsFirst(NodeImport& node, ITensor* x, int32_t spatial);
ITensor* channelsLast(NodeImport& node, ITensor* x, int32_t spatial);

} // namespace tenon::onnx
