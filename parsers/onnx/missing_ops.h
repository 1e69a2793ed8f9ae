// Why ops of the ONNX standard are not imported: what Tenon would need for them.
// Used where a model is refused.
#pragma once

#include <string>
#include <string_view>

namespace tenon::onnx {

// What it is that Tenon lacks, and what would bring the op. Empty for what is no op of the standard (up to opset 28), or is imported.
std::string whyMissing(std::string_view op);

} // namespace tenon::onnx
