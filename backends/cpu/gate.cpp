#include "backends/cpu/gate.h"

#include "backends/cpu/product_head.h"
#include "backends/cpu/program.h"
#include "backends/cpu/readers.h"

namespace tenon::cpu {

namespace {

// One number for each channel of each image.
bool isGate(const module::ValueView& gate, const module::ValueView& image) {
    return gate.rank() == 4 && image.rank() == 4 && gate.isStatic(1) && image.isStatic(1) && gate.isStatic(2) &&
           gate.isStatic(3) && gate.dim(1).opt == image.dim(1).opt && gate.dim(2).opt == 1 && gate.dim(3).opt == 1 &&
           gate.dim(0).expr == image.dim(0).expr && gate.dtype() == TN_F32;
}

} // namespace

int32_t gatedInput(const module::NodeView& node) {
    if (node.op() != "binary.mul" || !node.hasInput(0) || !node.hasInput(1)) {
        return -1;
    }
    for (const int32_t image : {0, 1}) {
        if (isGate(node.input(1 - image), node.input(image)) && isFullShape(node.input(image), node.output(0)) &&
            !isGate(node.input(image), node.output(0))) {
            return image;
        }
    }
    return -1;
}

bool beginsWithGate(const module::GraphView& body) {
    return body.nodeCount() >= 2 && gatedInput(body.node(0)) >= 0 && body.node(1).op() == "conv" &&
           body.node(1).inputIndex(0) == body.node(0).outputIndex(0);
}

std::vector<std::vector<int32_t>> gatedProducts(const module::GraphView& graph) {
    const Readers readers(graph);
    std::vector<std::vector<int32_t>> found;
    for (size_t n = 0; n < graph.nodeCount(); ++n) {
        std::vector<int32_t> nodes{static_cast<int32_t>(n)};
        const int32_t next = gatedInput(graph.node(n)) >= 0 ? readers.onlyReader(nodes.back()) : -1;
        if (next < 0 || !isWeightedOneByOne(graph.node(static_cast<size_t>(next))) ||
            graph.node(static_cast<size_t>(next)).inputIndex(0) != graph.node(n).outputIndex(0)) {
            continue;
        }
        nodes.push_back(next);
        found.push_back(nodes);
        const int32_t sum = readers.onlyReader(next);
        if (sum >= 0 && graph.node(static_cast<size_t>(sum)).op() == "binary.add") {
            nodes.push_back(sum);
            found.push_back(nodes);
        }
    }
    return found;
}

} // namespace tenon::cpu
