// Normalisations.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

bool batchNormalization(NodeImport& node) {
    if (node.integer("training_mode", 0) != 0) {
        return node.refuse("training_mode is not supported; export the model in evaluation mode");
    }
    if (node.opset() < 9 && node.integer("spatial", 1) == 0) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR, "attribute 'spatial' = 0 is not supported");
    }
    return node.output(0, node.add("batch_norm",
                                   {node.input(0), node.input(1), node.input(2), node.input(3), node.input(4)},
                                   Attributes().with("epsilon", node.number("epsilon", 1e-5))));
}

bool instanceNormalization(NodeImport& node) {
    return node.output(0, node.add("instance_norm", {node.input(0), node.input(1), node.input(2)},
                                   Attributes().with("epsilon", node.number("epsilon", 1e-5))));
}

bool layerNormalization(NodeImport& node) {
    if (node.hasOutput(1) || node.hasOutput(2)) {
        return node.refuse("the outputs Mean and InvStdDev are not supported");
    }
    return node.output(
        0, node.add("layer_norm", {node.input(0), node.input(1), node.optionalInput(2)},
                    Attributes().with("axis", node.integer("axis", -1)).with("epsilon", node.number("epsilon", 1e-5))));
}

bool groupNormalization(NodeImport& node) {
    ITensor* x = node.input(0);
    ITensor* scale = node.input(1);
    ITensor* bias = node.input(2);
    int64_t groups = node.integer("num_groups", 0);
    if (node.opset() < 21 && x && scale && bias) {
        // Opset 18 has one scale and bias per group.
        int64_t channels = x->getDimensions().nbDims > 1 ? x->getDimensions().d[1] : -1;
        if (channels < 0 || groups <= 0 || channels % groups != 0) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                             cat("the ", channels, " channels must be known and divide into ", groups, " groups"));
        }
        auto spread = [&](ITensor* perGroup) {
            ITensor* column = node.add("unsqueeze", {perGroup}, Attributes().with("axes", std::vector<int64_t>{1}));
            ITensor* spreadOut = node.add("expand", {column, node.integersOf({groups, channels / groups})});
            return node.add("reshape", {spreadOut, node.integersOf({-1})});
        };
        scale = spread(scale);
        bias = spread(bias);
    }
    return node.output(0, node.add("group_norm", {x, scale, bias},
                                   Attributes().with("groups", groups).with("epsilon", node.number("epsilon", 1e-5))));
}

bool rmsNormalization(NodeImport& node) {
    return node.output(
        0, node.add("rms_norm", {node.input(0), node.input(1)},
                    Attributes().with("axis", node.integer("axis", -1)).with("epsilon", node.number("epsilon", 1e-5))));
}

bool lrn(NodeImport& node) {
    return node.output(0, node.add("lrn", {node.input(0)},
                                   Attributes()
                                       .with("alpha", node.number("alpha", 1e-4))
                                       .with("beta", node.number("beta", 0.75))
                                       .with("bias", node.number("bias", 1))
                                       .with("size", node.integer("size", 1))));
}

bool lpNormalization(NodeImport& node) {
    return node.output(0,
                       node.add("lp_norm", {node.input(0)},
                                Attributes().with("axis", node.integer("axis", -1)).with("p", node.integer("p", 2))));
}

// (x - mean) / sqrt(variance) over `axes`; the epsilon is ONNX's.
bool meanVarianceNormalization(NodeImport& node) {
    ITensor* x = node.input(0);
    if (!x) {
        return false;
    }
    Attributes axes;
    axes.with("axes", node.integers("axes", {0, 2, 3})).with("keep_dims", true);
    ITensor* centred = node.add("binary.sub", {x, node.add("reduce.mean", {x}, axes)});
    ITensor* variance = node.add("reduce.mean", {node.add("binary.mul", {centred, centred})}, axes);
    ITensor* deviation =
        node.add("binary.add", {node.add("unary.sqrt", {variance}), node.scalarOf(1e-9, x->getType())});
    return node.output(0, node.add("binary.div", {centred, deviation}));
}

} // namespace

void addNormalizationImporters(ImporterTable& table) {
    table.add("BatchNormalization", 7, batchNormalization);
    table.add("InstanceNormalization", 6, instanceNormalization);
    table.add("LayerNormalization", 17, layerNormalization);
    table.add("GroupNormalization", 18, groupNormalization);
    table.add("RMSNormalization", 23, rmsNormalization);
    table.add("LRN", 1, lrn);
    table.add("LpNormalization", 1, lpNormalization);
    table.add("MeanVarianceNormalization", 9, meanVarianceNormalization);
}

} // namespace tenon::onnx
