// pattern_integer_product: a product of integers with what makes real numbers of it, as dynamic quantization writes it.
//
//   matmul_integer(a, b, a_zero, b_zero)   b constant; or conv_integer
//   cast to f32
//   * scale                                often itself the product of the two operands' scales
//   + bias                                 a constant per column (channel, of a convolution), or one number
//   activation                             a pointwise op of one operand
//
// Every prefix from the scale on is a region of its own; each value between is read by the next node only.
#include "core/passes/node_order.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions), mOrder(graph) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            if ((node->op() == "matmul_integer" || node->op() == "conv_integer") &&
                node->input(1)->constant() != nullptr) {
                follow(*node);
            }
        }
    }

private:
    // The only reader of a value that nobody else sees; null otherwise.
    static Node* readerOf(const Node& node) {
        const Value& value = *node.output(0);
        return isPrivate(value) && !value.quantization() ? value.uses()[0].node : nullptr;
    }

    static Value* otherOperand(const Node& node, const Value* one) {
        return node.inputs().size() != 2 ? nullptr : node.input(0) == one ? node.input(1) : node.input(0);
    }

    // One number, or one per index of the dimension that weights make: the last one, of convolutions the second.
    bool isPerColumn(const Node& root, const Value& value) const {
        const auto dims = staticDims(mGraph.pool(), value.type());
        const int64_t rank = root.output(0)->type().rank();
        if (!dims || static_cast<int64_t>(dims->size()) > rank) {
            return false;
        }
        const int64_t missing = rank - static_cast<int64_t>(dims->size());
        const int64_t column = root.op() == "conv_integer" ? 1 : rank - 1;
        for (size_t d = 0; d < dims->size(); ++d) {
            if ((*dims)[d] != 1 && static_cast<int64_t>(d) + missing != column) {
                return false;
            }
        }
        return true;
    }

    void follow(Node& root) {
        Node* const cast = readerOf(root);
        if (cast == nullptr || cast->op() != "cast" || cast->output(0)->type().dtype != ir::DataType::kF32) {
            return;
        }
        Node* const scaled = readerOf(*cast);
        Value* const scale =
            scaled != nullptr && scaled->op() == "binary.mul" ? otherOperand(*scaled, cast->output(0)) : nullptr;
        if (scale == nullptr || scale == cast->output(0) || !isPerColumn(root, *scale)) {
            return;
        }
        Region region{"integer product", {&root, cast, scaled}};
        Node* const factors = scale->producer();
        if (factors != nullptr && factors->op() == "binary.mul" && isPrivate(*scale) &&
            std::all_of(factors->inputs().begin(), factors->inputs().end(),
                        [&](const Value* each) { return isPerColumn(root, *each); })) {
            region.nodes.push_back(factors);
        }
        record(region);
        const Node* last = scaled;
        Node* reader = readerOf(*last);
        if (reader != nullptr && reader->op() == "binary.add") {
            const Value* const bias = otherOperand(*reader, last->output(0));
            if (bias != nullptr && bias->constant() != nullptr && isPerColumn(root, *bias)) {
                region.nodes.push_back(reader);
                region.label += "+bias";
                record(region);
                last = reader;
                reader = readerOf(*last);
            }
        }
        if (reader != nullptr && isPointwise(mOps, *reader) && reader->inputs().size() == 1 &&
            reader->output(0)->type().dtype == ir::DataType::kF32) {
            region.nodes.push_back(reader);
            region.label += "+" + reader->op().substr(reader->op().find('.') + 1);
            record(region);
        }
    }

    void record(const Region& region) {
        mRegions.push_back(region);
        mRegions.back().nodes = mOrder.sorted(region.nodes);
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
    NodeOrder mOrder;
};

} // namespace

void findIntegerProducts(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
