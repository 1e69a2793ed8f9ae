// The order in which nodes are imported: producers first, whatever the order in the file.
// Used by the graph importer, for graphs and for the bodies of functions.
#pragma once

#include "parsers/onnx/onnx_ml.pb.h"

#include <cstdint>
#include <vector>

namespace tenon::onnx {

// Nodes in an order in which every producer comes first; equal models give equal orders. The second list names a cycle, if there is one.
std::vector<int32_t> sortNodes(const std::vector<const tenon_onnx::NodeProto*>& nodes, std::vector<int32_t>& cycle);

} // namespace tenon::onnx
