// The standard's operators on quantized tensors: QLinear* as real operators between dequantize and quantize, *Integer as themselves.
#include "parsers/onnx/ops/quantized.h"

#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/ops/window.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

using nvinfer1::DataType;

ITensor* realScale(NodeImport& node, ITensor* scale) {
    if (!scale || scale->getType() == DataType::kFLOAT) {
        return scale;
    }
    return node.add("cast", {scale}, Attributes().with("to", DataType::kFLOAT));
}

ITensor* dequantized(NodeImport& node, ITensor* x, ITensor* scale, ITensor* zero, int64_t axis) {
    if (!x || !scale) {
        return nullptr;
    }
    return node.add("dequantize", {x, realScale(node, scale), zero},
                    Attributes().with("axis", axis).with("to", DataType::kFLOAT));
}

ITensor* dequantized(NodeImport& node, size_t x, int64_t axis) {
    ITensor* scale = node.input(x + 1);
    return dequantized(node, node.input(x), scale, node.optionalInput(x + 2), axis);
}

ITensor* quantized(NodeImport& node, ITensor* real, size_t scale, const ITensor* like) {
    ITensor* step = node.input(scale);
    if (!real || !step || !like) {
        return nullptr;
    }
    ITensor* zero = node.optionalInput(scale + 1);
    return node.add("quantize", {real, realScale(node, step), zero},
                    Attributes().with("axis", 0).with("to", zero ? zero->getType() : like->getType()));
}

ITensor* dequantizedBias(NodeImport& node, ITensor* bias, ITensor* xScale, ITensor* wScale) {
    ITensor* scale = node.add("binary.mul", {realScale(node, xScale), realScale(node, wScale)});
    if (!bias || !scale) {
        return nullptr;
    }
    // One scale for all, whether it is written as a number or a list of one.
    return node.add("dequantize", {bias, scale, nullptr}, Attributes().with("axis", 0).with("to", DataType::kFLOAT));
}

namespace {

bool qLinearConv(NodeImport& node) {
    ITensor* x = node.input(0);
    ITensor* real = dequantized(node, 0);
    ITensor* weights = dequantized(node, 3);
    const int32_t spatial = spatialRank(node, real);
    Attributes attributes;
    if (!weights || spatial < 0 || !addWindow(node, attributes, spatial, true)) {
        return false;
    }
    attributes.with("group", node.integer("group", 1));
    const bool last = node.integer("channels_last", 0) != 0; // of the form with NHWC tensors, outside the standard
    if (last) {
        real = channelsFirst(node, real, spatial);
    }
    std::vector<ITensor*> operands{real, weights};
    if (node.hasInput(8)) {
        operands.push_back(dequantizedBias(node, node.input(8), node.input(1), node.input(4)));
    }
    ITensor* result = node.add("conv", operands, attributes);
    return node.output(0, quantized(node, last ? channelsLast(node, result, spatial) : result, 6, x));
}

// Scales may be one per row of a, and one per column of b.
bool qLinearMatMul(NodeImport& node) {
    ITensor* a = node.input(0);
    ITensor* b = node.input(3);
    if (!a || !b) {
        return false;
    }
    ITensor* left = dequantized(node, 0, std::max(node.rank(a) - 2, 0));
    ITensor* right = dequantized(node, 3, std::max(node.rank(b) - 1, 0));
    return node.output(0, quantized(node, node.add("matmul", {left, right}), 6, a));
}

bool matMulInteger(NodeImport& node) {
    return node.output(
        0, node.add("matmul_integer", {node.input(0), node.input(1), node.optionalInput(2), node.optionalInput(3)}));
}

bool convInteger(NodeImport& node) {
    ITensor* x = node.input(0);
    const int32_t spatial = spatialRank(node, x);
    Attributes attributes;
    if (spatial < 0 || !addWindow(node, attributes, spatial, true)) {
        return false;
    }
    attributes.with("group", node.integer("group", 1));
    return node.output(
        0, node.add("conv_integer", {x, node.input(1), node.optionalInput(2), node.optionalInput(3)}, attributes));
}

bool dynamicQuantizeLinear(NodeImport& node) {
    const std::vector<ITensor*> results = node.addMany("dynamic_quantize", {node.input(0)}, Attributes(), 3);
    for (size_t i = 0; i < results.size(); ++i) {
        if (node.hasOutput(i) && !node.output(i, results[i])) {
            return false;
        }
    }
    return !results.empty();
}

} // namespace

void addQuantizedImporters(ImporterTable& table) {
    table.add("QLinearConv", 10, qLinearConv);
    table.add("com.microsoft::QLinearConv", 1, qLinearConv);
    table.add("QLinearMatMul", 10, qLinearMatMul);
    table.add("MatMulInteger", 10, matMulInteger);
    table.add("ConvInteger", 10, convInteger);
    table.add("DynamicQuantizeLinear", 11, dynamicQuantizeLinear);
}

} // namespace tenon::onnx
