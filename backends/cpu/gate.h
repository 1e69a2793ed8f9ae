// A gate: the multiplication of each channel of each image with a number, the end of a squeeze-and-excite block.
//
// Who uses it: products with packed weights, which let their input through it; the module proposes the regions. What it must not know: kernels.
#pragma once

#include "tenon/module/graph_view.hpp"

#include <vector>

namespace tenon::cpu {

// Which input of a multiplication is the image, if the other one is a gate; else -1.
int32_t gatedInput(const module::NodeView& node);
// A gate and the convolution of what it lets through.
bool beginsWithGate(const module::GraphView& body);
// The nodes of gates with the convolution with windows of one behind them, and of those with the sum behind that.
std::vector<std::vector<int32_t>> gatedProducts(const module::GraphView& graph);

} // namespace tenon::cpu
