// Gather, scatter, one-hot, trilu.
#include "parsers/onnx/importer_registry.h"

namespace tenon::onnx {

namespace {

bool gather(NodeImport& node) {
    return node.output(
        0, node.add("gather", {node.input(0), node.input(1)}, Attributes().with("axis", node.integer("axis", 0))));
}

bool gatherElements(NodeImport& node) {
    return node.output(0, node.add("gather_elements", {node.input(0), node.input(1)},
                                   Attributes().with("axis", node.integer("axis", 0))));
}

bool gatherNd(NodeImport& node) {
    return node.output(0, node.add("gather_nd", {node.input(0), node.input(1)},
                                   Attributes().with("batch_dims", node.integer("batch_dims", 0))));
}

bool scatterElements(NodeImport& node) {
    return node.output(
        0, node.add(
               "scatter_elements", {node.input(0), node.input(1), node.input(2)},
               Attributes().with("axis", node.integer("axis", 0)).with("reduction", node.string("reduction", "none"))));
}

bool scatterNd(NodeImport& node) {
    return node.output(0, node.add("scatter_nd", {node.input(0), node.input(1), node.input(2)},
                                   Attributes().with("reduction", node.string("reduction", "none"))));
}

bool oneHot(NodeImport& node) {
    ITensor* depth = node.input(1);
    if (depth && depth->getType() != nvinfer1::DataType::kINT64) {
        depth = node.add("cast", {depth}, Attributes().with("to", nvinfer1::DataType::kINT64));
    }
    return node.output(0, node.add("one_hot", {node.input(0), depth, node.input(2)},
                                   Attributes().with("axis", node.integer("axis", -1))));
}

bool trilu(NodeImport& node) {
    return node.output(0, node.add("trilu", {node.input(0), node.optionalInput(1)},
                                   Attributes().with("upper", node.integer("upper", 1))));
}

} // namespace

void addIndexImporters(ImporterTable& table) {
    table.add("Gather", 1, gather);
    table.add("GatherElements", 11, gatherElements);
    table.add("GatherND", 11, gatherNd);
    table.add("Scatter", 9, scatterElements);
    table.add("ScatterElements", 11, scatterElements);
    table.add("ScatterND", 11, scatterNd);
    table.add("OneHot", 9, oneHot);
    table.add("Trilu", 14, trilu);
}

} // namespace tenon::onnx
