// Ops that change or describe shapes and move whole blocks.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <algorithm>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

bool reshape1(NodeImport& node) {
    return node.output(0, node.add("reshape", {node.input(0), node.integersOf(node.integers("shape"))}));
}

bool reshape(NodeImport& node) {
    return node.output(0, node.add("reshape", {node.input(0), node.input(1)},
                                   Attributes().with("allow_zero", node.integer("allowzero", 0))));
}

bool flatten(NodeImport& node) {
    return node.output(0, node.add("flatten", {node.input(0)}, Attributes().with("axis", node.integer("axis", 1))));
}

const char* squeezeOp(NodeImport& node) { return node.op() == "Squeeze" ? "squeeze" : "unsqueeze"; }

// Axes as attribute (to opset 12), as input (from 13).
bool squeeze1(NodeImport& node) {
    Attributes attributes;
    if (node.has("axes")) {
        attributes.with("axes", node.integers("axes"));
    }
    return node.output(0, node.add(squeezeOp(node), {node.input(0)}, attributes));
}

bool squeeze13(NodeImport& node) {
    return node.output(0, node.add(squeezeOp(node), {node.input(0), node.optionalInput(1)}));
}

bool transpose(NodeImport& node) {
    Attributes attributes;
    if (node.has("perm")) {
        attributes.with("perm", node.integers("perm"));
    }
    return node.output(0, node.add("transpose", {node.input(0)}, attributes));
}

bool concat(NodeImport& node) {
    std::vector<ITensor*> inputs;
    for (size_t i = 0; i < node.inputCount(); ++i) {
        inputs.push_back(node.input(i));
    }
    ITensor* joined = node.add("concat", inputs, Attributes().with("axis", node.integer("axis", 1)));
    return node.output(0, joined);
}

bool split(NodeImport& node) {
    Attributes attributes;
    attributes.with("axis", node.integer("axis", 0));
    std::vector<ITensor*> operands = {node.input(0)};
    if (node.opset() < 13) {
        if (node.has("split")) {
            operands.push_back(node.integersOf(node.integers("split")));
        }
    } else if (node.hasInput(1)) {
        operands.push_back(node.input(1));
    }
    std::vector<ITensor*> outputs =
        node.addMany("split", operands, attributes, static_cast<int32_t>(node.outputCount()));
    for (size_t i = 0; i < outputs.size(); ++i) {
        if (!node.output(i, outputs[i])) {
            return false;
        }
    }
    return !outputs.empty();
}

bool slice1(NodeImport& node) {
    std::vector<int64_t> starts = node.integers("starts");
    std::vector<int64_t> axes(starts.size());
    for (size_t i = 0; i < axes.size(); ++i) {
        axes[i] = static_cast<int64_t>(i);
    }
    return node.output(
        0, node.add("slice", {node.input(0), node.integersOf(starts), node.integersOf(node.integers("ends")),
                              node.integersOf(node.integers("axes", axes))}));
}

bool slice(NodeImport& node) {
    return node.output(0, node.add("slice", {node.input(0), node.input(1), node.input(2), node.optionalInput(3),
                                             node.optionalInput(4)}));
}

bool padMode(NodeImport& node, Attributes& attributes) {
    std::string mode = node.string("mode", "constant");
    if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'mode' is '", mode, "'; constant, reflect, edge and wrap exist"));
    }
    attributes.with("mode", mode);
    return true;
}

bool pad1(NodeImport& node) {
    Attributes attributes;
    if (!padMode(node, attributes)) {
        return false;
    }
    attributes.with("value", node.number("value", 0));
    return node.output(
        0, node.add("pad", {node.input(0), node.integersOf(node.integers(node.has("pads") ? "pads" : "paddings"))},
                    attributes));
}

bool pad11(NodeImport& node) {
    Attributes attributes;
    if (!padMode(node, attributes)) {
        return false;
    }
    ITensor* value = nullptr;
    if (node.hasInput(2)) {
        if (std::optional<double> constant = node.constantScalar(2)) {
            attributes.with("value", *constant);
        } else {
            value = node.input(2);
        }
    }
    return node.output(0, node.add("pad", {node.input(0), node.input(1), value, node.optionalInput(3)}, attributes));
}

bool expand(NodeImport& node) { return node.output(0, node.add("expand", {node.input(0), node.input(1)})); }
bool tile(NodeImport& node) { return node.output(0, node.add("tile", {node.input(0), node.input(1)})); }
bool size(NodeImport& node) { return node.output(0, node.add("size", {node.input(0)})); }

bool shape(NodeImport& node) {
    return node.output(
        0, node.add("shape", {node.input(0)},
                    Attributes().with("start", node.integer("start", 0)).with("end", node.integer("end", INT64_MAX))));
}

bool depthToSpace(NodeImport& node) {
    std::string mode = node.string("mode", "DCR");
    return node.output(
        0,
        node.add("depth_to_space", {node.input(0)},
                 Attributes().with("block", node.integer("blocksize", 0)).with("mode", mode == "CRD" ? "crd" : "dcr")));
}

bool spaceToDepth(NodeImport& node) {
    if (std::string mode = node.string("mode", "DCR"); mode != "DCR") {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'mode' is '", mode, "'; only DCR is supported"));
    }
    return node.output(
        0, node.add("space_to_depth", {node.input(0)}, Attributes().with("block", node.integer("blocksize", 0))));
}

} // namespace

void addShapeImporters(ImporterTable& table) {
    table.add("Reshape", 1, reshape1);
    table.add("Reshape", 5, reshape);
    table.add("Flatten", 1, flatten);
    table.add("Squeeze", 1, squeeze1);
    table.add("Squeeze", 13, squeeze13);
    table.add("Unsqueeze", 1, squeeze1);
    table.add("Unsqueeze", 13, squeeze13);
    table.add("Transpose", 1, transpose);
    table.add("Concat", 1, concat);
    table.add("Split", 2, split);
    table.add("Slice", 1, slice1);
    table.add("Slice", 10, slice);
    table.add("Pad", 1, pad1);
    table.add("Pad", 11, pad11);
    table.add("Expand", 8, expand);
    table.add("Tile", 6, tile);
    table.add("Shape", 1, shape);
    table.add("Size", 1, size);
    table.add("DepthToSpace", 1, depthToSpace);
    table.add("SpaceToDepth", 1, spaceToDepth);
}

} // namespace tenon::onnx
