// The nodes of a model-local function, where one of the model's nodes calls it.
//
// Who uses it: the graph importer. What it must not know: layers, importers, opsets.
#pragma once

#include "parsers/onnx/onnx_ml.pb.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::onnx {

// In the function's order. Its inputs and outputs have the caller's names, all else that is named there begins with `prefix`; attributes that
// refer to the function's own have the caller's value, else the function's default, else they are not there.
std::vector<std::unique_ptr<tenon_onnx::NodeProto>>
functionBody(const tenon_onnx::NodeProto& node, const tenon_onnx::FunctionProto& function, const std::string& prefix);

} // namespace tenon::onnx
