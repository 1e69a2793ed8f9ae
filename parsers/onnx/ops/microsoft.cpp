// Operators of the domain com.microsoft that quantizers write: real operators between dequantize and quantize.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/ops/quantized.h"
#include "parsers/onnx/ops/window.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

namespace {

using nvinfer1::DataType;
using nvonnxparser::ErrorCode;

bool quantizedBinary(NodeImport& node, const char* op) {
    ITensor* a = dequantized(node, 0);
    ITensor* b = dequantized(node, 3);
    return node.output(0, quantized(node, node.add(op, {a, b}), 6, node.input(0)));
}

bool qLinearAdd(NodeImport& node) { return quantizedBinary(node, "binary.add"); }
bool qLinearMul(NodeImport& node) { return quantizedBinary(node, "binary.mul"); }

// Of one operand: x, its scale and zero point, those of the result.
bool quantizedUnary(NodeImport& node, const char* op, const Attributes& attributes) {
    ITensor* x = dequantized(node, 0);
    return node.output(0, quantized(node, node.add(op, {x}, attributes), 3, node.input(0)));
}

bool qLinearSigmoid(NodeImport& node) { return quantizedUnary(node, "activation.sigmoid", {}); }

bool qLinearLeakyRelu(NodeImport& node) {
    return quantizedUnary(node, "activation.leaky_relu", Attributes().with("alpha", node.number("alpha", 0.01)));
}

bool qLinearSoftmax(NodeImport& node) {
    ITensor* x = node.input(0);
    const int64_t axis = node.integer("axis", -1);
    const int32_t rank = node.rank(x);
    if (x && node.integer("opset", 13) < 13 && axis != -1 && axis != rank - 1) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         "a softmax of before opset 13 over other than the last dimension is not supported");
    }
    return quantizedUnary(node, "softmax", Attributes().with("axis", axis));
}

bool qLinearReduceMean(NodeImport& node) {
    Attributes attributes;
    attributes.with("keep_dims", node.integer("keepdims", 1));
    if (node.has("axes")) {
        attributes.with("axes", node.integers("axes"));
    }
    return quantizedUnary(node, "reduce.mean", attributes);
}

// A pooling of images whose channels may be last.
template <class Pool>
bool quantizedPool(NodeImport& node, const Pool& pool) {
    ITensor* x = dequantized(node, 0);
    const int32_t spatial = spatialRank(node, x);
    if (spatial < 0) {
        return false;
    }
    const bool last = node.integer("channels_last", 0) != 0;
    ITensor* result = pool(last ? channelsFirst(node, x, spatial) : x, spatial);
    return node.output(0, quantized(node, last ? channelsLast(node, result, spatial) : result, 3, node.input(0)));
}

bool qLinearGlobalAveragePool(NodeImport& node) {
    return quantizedPool(node, [&](ITensor* x, int32_t spatial) {
        std::vector<int64_t> axes;
        for (int64_t axis = 2; axis < spatial + 2; ++axis) {
            axes.push_back(axis);
        }
        return node.add("reduce.mean", {x}, Attributes().with("axes", axes).with("keep_dims", true));
    });
}

bool qLinearAveragePool(NodeImport& node) {
    return quantizedPool(node, [&](ITensor* x, int32_t spatial) -> ITensor* {
        Attributes attributes;
        attributes.with("ceil_mode", node.integer("ceil_mode", 0))
            .with("count_include_pad", node.integer("count_include_pad", 0));
        if (!addWindow(node, attributes, spatial, true) || !addKernel(node, attributes, spatial)) {
            return nullptr;
        }
        return node.add("pool.avg", {x}, attributes);
    });
}

bool qLinearConcat(NodeImport& node) {
    std::vector<ITensor*> parts;
    for (size_t i = 2; i < node.inputCount(); i += 3) {
        parts.push_back(dequantized(node, i));
    }
    if (parts.empty()) {
        return node.refuse("there is nothing to join");
    }
    ITensor* joined = node.add("concat", parts, Attributes().with("axis", node.integer("axis", 1)));
    return node.output(0, quantized(node, joined, 0, node.input(2)));
}

bool qLinearWhere(NodeImport& node) {
    ITensor* x = dequantized(node, 1);
    ITensor* y = dequantized(node, 4);
    return node.output(0, quantized(node, node.add("where", {node.input(0), x, y}), 7, node.input(1)));
}

// alpha * A' * B' + C, C in units of alpha * a_scale * b_scale; real where there is no scale of the result.
bool qGemm(NodeImport& node) {
    const double alpha = node.number("alpha", 1);
    const bool transB = node.integer("transB", 0) != 0;
    ITensor* a = dequantized(node, 0);
    ITensor* b = dequantized(node, 3, transB ? 0 : 1);
    ITensor* result = node.add("matmul", {a, b},
                               Attributes().with("trans_a", node.integer("transA", 0) != 0).with("trans_b", transB));
    if (result && node.hasInput(6)) {
        result = node.add("binary.add", {result, dequantizedBias(node, node.input(6), node.input(1), node.input(4))});
    }
    if (result && alpha != 1) {
        result = node.add("binary.mul", {result, node.scalarOf(alpha, DataType::kFLOAT)});
    }
    return node.output(0, node.hasInput(7) ? quantized(node, result, 7, node.input(0)) : result);
}

// The product of integers, times both scales, plus a bias.
ITensor* scaledProduct(NodeImport& node, ITensor* product, ITensor* aScale, ITensor* bScale, size_t bias) {
    if (!product || !aScale || !bScale) {
        return nullptr;
    }
    ITensor* real = node.add("cast", {product}, Attributes().with("to", DataType::kFLOAT));
    real = node.add("binary.mul", {real, node.add("binary.mul", {aScale, bScale})});
    return node.hasInput(bias) ? node.add("binary.add", {real, node.input(bias)}) : real;
}

bool matMulIntegerToFloat(NodeImport& node) {
    ITensor* product =
        node.add("matmul_integer", {node.input(0), node.input(1), node.optionalInput(4), node.optionalInput(5)});
    return node.output(0, scaledProduct(node, product, node.input(2), node.input(3), 6));
}

bool dynamicQuantizeMatMul(NodeImport& node) {
    const std::vector<ITensor*> a = node.addMany("dynamic_quantize", {node.input(0)}, Attributes(), 3);
    if (a.empty()) {
        return false;
    }
    ITensor* product = node.add("matmul_integer", {a[0], node.input(1), a[2], node.optionalInput(3)});
    return node.output(0, scaledProduct(node, product, a[1], node.input(2), 4));
}

bool fusedMatMul(NodeImport& node) {
    if (node.integer("transBatchA", 0) != 0 || node.integer("transBatchB", 0) != 0) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         "attributes 'transBatchA' and 'transBatchB' are not supported");
    }
    ITensor* a = node.input(0);
    ITensor* product = node.add(
        "matmul", {a, node.input(1)},
        Attributes().with("trans_a", node.integer("transA", 0) != 0).with("trans_b", node.integer("transB", 0) != 0));
    const double alpha = node.number("alpha", 1);
    if (product && alpha != 1) {
        product = node.add("binary.mul", {product, node.scalarOf(alpha, a->getType())});
    }
    return node.output(0, product);
}

} // namespace

void addMicrosoftImporters(ImporterTable& table) {
    const auto add = [&](const char* op, Importer importer) {
        table.add(cat("com.microsoft::", op).c_str(), 1, importer);
    };
    add("QLinearAdd", qLinearAdd);
    add("QLinearMul", qLinearMul);
    add("QLinearSigmoid", qLinearSigmoid);
    add("QLinearLeakyRelu", qLinearLeakyRelu);
    add("QLinearSoftmax", qLinearSoftmax);
    add("QLinearReduceMean", qLinearReduceMean);
    add("QLinearGlobalAveragePool", qLinearGlobalAveragePool);
    add("QLinearAveragePool", qLinearAveragePool);
    add("QLinearConcat", qLinearConcat);
    add("QLinearWhere", qLinearWhere);
    add("QGemm", qGemm);
    add("MatMulIntegerToFloat", matMulIntegerToFloat);
    add("DynamicQuantizeMatMul", dynamicQuantizeMatMul);
    add("FusedMatMul", fusedMatMul);
}

} // namespace tenon::onnx
