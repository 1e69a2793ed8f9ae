// QuantizeLinear and DequantizeLinear, per tensor and per axis.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

bool noBlocks(NodeImport& node) {
    if (node.integer("block_size", 0) != 0) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR, "blocked quantization (block_size) is not supported");
    }
    return true;
}

bool quantizeLinear(NodeImport& node) {
    if (!noBlocks(node)) {
        return false;
    }
    ITensor* zero = node.optionalInput(2);
    nvinfer1::DataType type = zero ? zero->getType() : nvinfer1::DataType::kUINT8;
    if (int64_t asked = node.integer("output_dtype", 0); asked != 0) {
        std::optional<nvinfer1::DataType> known = elementTypeOf(static_cast<int32_t>(asked));
        if (!known) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_DATATYPE,
                             "attribute 'output_dtype' is no supported element type");
        }
        type = *known;
    }
    return node.output(0, node.add("quantize", {node.input(0), node.input(1), zero},
                                   Attributes().with("axis", node.integer("axis", 1)).with("to", type)));
}

bool dequantizeLinear(NodeImport& node) {
    ITensor* scale = node.input(1);
    if (!scale || !noBlocks(node)) {
        return false;
    }
    return node.output(0, node.add("dequantize", {node.input(0), scale, node.optionalInput(2)},
                                   Attributes().with("axis", node.integer("axis", 1)).with("to", scale->getType())));
}

} // namespace

void addQuantizeImporters(ImporterTable& table) {
    table.add("QuantizeLinear", 10, quantizeLinear);
    table.add("DequantizeLinear", 10, dequantizeLinear);
    // As the standard's, for element types that its older opsets lack.
    table.add("com.microsoft::QuantizeLinear", 1, quantizeLinear);
    table.add("com.microsoft::DequantizeLinear", 1, dequantizeLinear);
}

} // namespace tenon::onnx
