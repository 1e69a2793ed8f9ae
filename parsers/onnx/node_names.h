// How messages and layers call a node, whether it has a name or not.
#pragma once

#include "parsers/onnx/onnx_ml.pb.h"
#include "parsers/onnx/text.h"

#include <cstdint>
#include <string>

namespace tenon::onnx {

inline bool isStandard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

inline std::string describe(const tenon_onnx::NodeProto& node, int32_t index) {
    std::string name = node.name().empty() ? cat("node ", index) : cat("node ", index, " '", node.name(), "'");
    return cat(name, " (", isStandard(node.domain()) ? "" : node.domain() + "::", node.op_type(), ")");
}

inline std::string titleOf(const tenon_onnx::NodeProto& node, int32_t index) {
    if (!node.name().empty()) {
        return node.name();
    }
    return node.output_size() > 0 && !node.output(0).empty() ? node.output(0) : cat(node.op_type(), "_", index);
}

} // namespace tenon::onnx
