// pattern_byte_map: all that happens element by element between one quantized tensor and another, with numbers as the other operands.
//
//   dequantize(x), dequantize(x)   of one value of 8 bits
//   pointwise ops, and roundings   quantize and dequantize with one scale and zero point
//   quantize                       to 8 bits
//
// Such a region is a table of 256 entries, however many ops it has. pattern_pointwise has those without roundings between; here are those with.
#include "core/passes/node_order.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <set>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMaxNodes = 64;

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops) : mGraph(graph), mOps(ops), mOrder(graph) {}

    // The largest such region that ends with the quantize; empty: there is none with a rounding inside.
    std::vector<Node*> endingAt(Node* last) const {
        if (!isByteQuantize(last) || !oneScaleOf(*last)) {
            return {};
        }
        std::set<Node*> members{last};
        std::set<Node*> best;
        size_t roundings = 0;
        while (members.size() < kMaxNodes) {
            const std::set<const Value*> operands = operandsOf(members);
            if (roundings > 0 && operands.size() == 1 && isWholeByte(**operands.begin(), *last)) {
                best = members;
            }
            // Nearest to the end first: a node is decided on after all its readers.
            Node* next = nullptr;
            for (const Value* value : operands) {
                Node* const producer = value->producer();
                if (producer != nullptr && mayJoin(*producer, members) &&
                    (next == nullptr || mOrder.at(next) < mOrder.at(producer))) {
                    next = producer;
                }
            }
            if (next == nullptr) {
                break;
            }
            members.insert(next);
            roundings += next->op() == "quantize" ? 1 : 0;
        }
        return mOrder.sorted({best.begin(), best.end()});
    }

private:
    static bool isNumber(const Value& value) {
        return value.constant() != nullptr && value.constant()->elements() == 1;
    }

    // What the members read from outside, numbers aside.
    static std::set<const Value*> operandsOf(const std::set<Node*>& members) {
        std::set<const Value*> operands;
        for (const Node* node : members) {
            for (const Value* input : node->inputs()) {
                if (input != nullptr && !isNumber(*input) && members.count(input->producer()) == 0) {
                    operands.insert(input);
                }
            }
        }
        return operands;
    }

    bool isWholeByte(const Value& value, const Node& last) const {
        const ir::DataType type = value.type().dtype;
        return (type == ir::DataType::kI8 || type == ir::DataType::kU8) && value.constant() == nullptr &&
               sameShape(mGraph.pool(), value.type(), last.output(0)->type());
    }

    bool mayJoin(const Node& node, const std::set<Node*>& members) const {
        const Value& value = *node.output(0);
        return isPointwise(mOps, node) && !value.isGraphOutput() && !node.settings().debugOutput &&
               !value.quantization() && std::all_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) {
                   return members.count(use.node) != 0;
               });
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    NodeOrder mOrder;
};

} // namespace

void findByteMaps(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    const Finder finder(graph, ops);
    for (Node* node : graph.nodes()) {
        std::vector<Node*> nodes = finder.endingAt(node);
        if (!nodes.empty()) {
            regions.push_back({"byte map", std::move(nodes)});
        }
    }
}

} // namespace tenon::passes
