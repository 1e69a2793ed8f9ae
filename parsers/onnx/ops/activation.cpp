// Activations and softmax.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <cmath>
#include <limits>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

// Activation with attributes of the same names and the given defaults.
bool withAlpha(NodeImport& node, const char* op, double fallback) {
    return node.output(0, node.add(op, {node.input(0)}, Attributes().with("alpha", node.number("alpha", fallback))));
}

bool relu(NodeImport& node) { return node.output(0, node.add("activation.relu", {node.input(0)})); }
bool sigmoid(NodeImport& node) { return node.output(0, node.add("activation.sigmoid", {node.input(0)})); }
bool tanh(NodeImport& node) { return node.output(0, node.add("activation.tanh", {node.input(0)})); }
bool softsign(NodeImport& node) { return node.output(0, node.add("activation.softsign", {node.input(0)})); }
bool softplus(NodeImport& node) { return node.output(0, node.add("activation.softplus", {node.input(0)})); }
bool mish(NodeImport& node) { return node.output(0, node.add("activation.mish", {node.input(0)})); }
bool hardSwish(NodeImport& node) { return node.output(0, node.add("activation.hard_swish", {node.input(0)})); }
bool leakyRelu(NodeImport& node) { return withAlpha(node, "activation.leaky_relu", 0.01); }
bool elu(NodeImport& node) { return withAlpha(node, "activation.elu", 1.0); }
bool celu(NodeImport& node) { return withAlpha(node, "activation.celu", 1.0); }
bool thresholdedRelu(NodeImport& node) { return withAlpha(node, "activation.thresholded_relu", 1.0); }
bool swish(NodeImport& node) { return withAlpha(node, "activation.silu", 1.0); }

bool selu(NodeImport& node) {
    return node.output(0, node.add("activation.selu", {node.input(0)},
                                   Attributes()
                                       .with("alpha", node.number("alpha", 1.67326319217681884765625))
                                       .with("gamma", node.number("gamma", 1.05070102214813232421875))));
}

// Selu-1 had other constants by default.
bool selu1(NodeImport& node) {
    return node.output(
        0,
        node.add("activation.selu", {node.input(0)},
                 Attributes().with("alpha", node.number("alpha", 1.6732)).with("gamma", node.number("gamma", 1.0507))));
}

bool hardSigmoid(NodeImport& node) {
    return node.output(
        0, node.add("activation.hard_sigmoid", {node.input(0)},
                    Attributes().with("alpha", node.number("alpha", 0.2)).with("beta", node.number("beta", 0.5))));
}

bool gelu(NodeImport& node) {
    std::string form = node.string("approximate", "none");
    if (form != "none" && form != "tanh") {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'approximate' is '", form, "'; 'none' and 'tanh' exist"));
    }
    return node.output(0, node.add(form == "tanh" ? "activation.gelu_tanh" : "activation.gelu_erf", {node.input(0)}));
}

bool prelu(NodeImport& node) { return node.output(0, node.add("prelu", {node.input(0), node.input(1)})); }

// PRelu-1 to 6 take a slope per channel that is not broadcast by numpy's rules.
bool prelu1(NodeImport& node) {
    ITensor* x = node.input(0);
    ITensor* slope = node.input(1);
    if (node.rank(slope) == 1 && node.rank(x) > 2 && slope->getDimensions().d[0] != 1) {
        std::vector<int64_t> shape(static_cast<size_t>(node.rank(x)) - 1, 1);
        shape[0] = -1;
        slope = node.add("reshape", {slope, node.integersOf(shape)});
    }
    return node.output(0, node.add("prelu", {x, slope}));
}

// Bounds as attributes (to opset 10).
bool clip6(NodeImport& node) {
    double infinity = std::numeric_limits<double>::infinity();
    return node.output(
        0, node.add("activation.clip", {node.input(0)},
                    Attributes().with("min", node.number("min", -infinity)).with("max", node.number("max", infinity))));
}

// Bounds as inputs: constants become attributes, anything else is max and min.
bool clip11(NodeImport& node) {
    ITensor* x = node.input(0);
    double infinity = std::numeric_limits<double>::infinity();
    std::optional<double> low = node.hasInput(1) ? node.constantScalar(1) : -infinity;
    std::optional<double> high = node.hasInput(2) ? node.constantScalar(2) : infinity;
    if (low && high) {
        return node.output(0, node.add("activation.clip", {x}, Attributes().with("min", *low).with("max", *high)));
    }
    if (node.hasInput(1)) {
        x = node.add("binary.max", {x, node.input(1)});
    }
    if (node.hasInput(2)) {
        x = node.add("binary.min", {x, node.input(2)});
    }
    return node.output(0, x);
}

bool softmaxAlongAxis(NodeImport& node, const char* op) {
    return node.output(0, node.add(op, {node.input(0)}, Attributes().with("axis", node.integer("axis", -1))));
}

// Before opset 13 the dimensions from `axis` on are one.
bool softmaxFlattened(NodeImport& node, const char* op) {
    ITensor* x = node.input(0);
    int32_t rank = node.rank(x);
    int64_t axis = node.integer("axis", 1);
    if (rank < 0) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE, "the rank of the input is not known");
    }
    axis += axis < 0 ? rank : 0;
    if (axis == rank - 1) {
        return node.output(0, node.add(op, {x}, Attributes().with("axis", int64_t{-1})));
    }
    ITensor* flat = node.add("flatten", {x}, Attributes().with("axis", axis));
    ITensor* soft = node.add(op, {flat}, Attributes().with("axis", int64_t{-1}));
    return node.output(0, node.add("reshape", {soft, node.add("shape", {x})}, Attributes().with("allow_zero", true)));
}

bool softmax1(NodeImport& node) { return softmaxFlattened(node, "softmax"); }
bool softmax13(NodeImport& node) { return softmaxAlongAxis(node, "softmax"); }
bool logSoftmax1(NodeImport& node) { return softmaxFlattened(node, "log_softmax"); }
bool logSoftmax13(NodeImport& node) { return softmaxAlongAxis(node, "log_softmax"); }

// 1 where x is the first largest along the axis, else 0.
bool hardmax(NodeImport& node) {
    ITensor* x = node.input(0);
    if (node.rank(x) < 0) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE, "the rank of the input is not known");
    }
    int64_t axis = node.integer("axis", node.opset() >= 13 ? -1 : 1);
    axis += axis < 0 ? node.rank(x) : 0;
    if (node.opset() < 13 && axis != node.rank(x) - 1) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         "Hardmax over several dimensions (opset below 13) is not supported");
    }
    ITensor* largest = node.add("arg.max", {x}, Attributes().with("axis", axis).with("keep_dims", false));
    ITensor* depth = node.add("shape", {x}, Attributes().with("start", axis).with("end", axis + 1));
    ConstantTensor zeroOne;
    auto values = std::make_shared<std::vector<float>>(std::vector<float>{0, 1});
    zeroOne.dims = {2};
    zeroOne.count = 2;
    zeroOne.data = values->data();
    zeroOne.owner = values;
    ITensor* values01 = node.constantOf(std::move(zeroOne));
    if (x->getType() != nvinfer1::DataType::kFLOAT) {
        values01 = node.add("cast", {values01}, Attributes().with("to", x->getType()));
    }
    return node.output(0, node.add("one_hot", {largest, depth, values01}, Attributes().with("axis", axis)));
}

} // namespace

void addActivationImporters(ImporterTable& table) {
    table.add("Relu", 1, relu);
    table.add("Sigmoid", 1, sigmoid);
    table.add("Tanh", 1, tanh);
    table.add("Softsign", 1, softsign);
    table.add("Softplus", 1, softplus);
    table.add("Mish", 18, mish);
    table.add("HardSwish", 14, hardSwish);
    table.add("LeakyRelu", 1, leakyRelu);
    table.add("Elu", 1, elu);
    table.add("Celu", 12, celu);
    table.add("ThresholdedRelu", 10, thresholdedRelu);
    table.add("Swish", 24, swish);
    table.add("Selu", 1, selu1);
    table.add("Selu", 6, selu);
    table.add("HardSigmoid", 1, hardSigmoid);
    table.add("Gelu", 20, gelu);
    table.add("PRelu", 1, prelu1);
    table.add("PRelu", 7, prelu);
    table.add("Clip", 1, clip6);
    table.add("Clip", 11, clip11);
    table.add("Softmax", 1, softmax1);
    table.add("Softmax", 13, softmax13);
    table.add("LogSoftmax", 1, logSoftmax1);
    table.add("LogSoftmax", 13, logSoftmax13);
    table.add("Hardmax", 1, hardmax);
}

} // namespace tenon::onnx
