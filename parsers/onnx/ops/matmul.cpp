// Matrix products.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

namespace {

bool matmul(NodeImport& node) { return node.output(0, node.add("matmul", {node.input(0), node.input(1)})); }

// alpha * A' * B' + beta * C
bool gemm(NodeImport& node) {
    ITensor* a = node.input(0);
    ITensor* b = node.input(1);
    if (!a || !b) {
        return false;
    }
    double alpha = node.number("alpha", 1);
    double beta = node.number("beta", 1);
    ITensor* product = node.add(
        "matmul", {a, b},
        Attributes().with("trans_a", node.integer("transA", 0) != 0).with("trans_b", node.integer("transB", 0) != 0));
    if (alpha != 1 && product) {
        product = node.add("binary.mul", {product, node.scalarOf(alpha, a->getType())});
    }
    if (node.hasInput(2) && beta != 0) {
        ITensor* c = node.input(2);
        if (beta != 1 && c) {
            c = node.add("binary.mul", {c, node.scalarOf(beta, a->getType())});
        }
        product = node.add("binary.add", {product, c});
    }
    return node.output(0, product);
}

bool einsum(NodeImport& node) {
    std::vector<ITensor*> inputs;
    for (size_t i = 0; i < node.inputCount(); ++i) {
        inputs.push_back(node.input(i));
    }
    return node.output(0, node.add("einsum", inputs, Attributes().with("equation", node.string("equation", ""))));
}

} // namespace

void addMatmulImporters(ImporterTable& table) {
    table.add("MatMul", 1, matmul);
    table.add("Gemm", 1, gemm);
    table.add("Einsum", 12, einsum);
}

} // namespace tenon::onnx
