// pattern_epilogue: a convolution, deconvolution or matrix product with what follows it element by element.
//
//   bias        + a constant per output channel, or one number
//   scale       * one constant number
//   residual    + another tensor of the same shape
//   activation  a pointwise op of one operand, or x * f(x) (silu and hard swish written out)
//
// Each at most once, in any order; an activation is followed by a residual at most. Every prefix is a region of its own: conv+bias, conv+bias+relu.
// What is between is read by the next node only and is no output of the graph, so the set is convex: a residual cannot depend on it.
#include "core/passes/pattern_registry.h"

#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

enum class Part : uint8_t { kBias, kScale, kResidual, kActivation };

struct Step {
    Part part = Part::kBias;
    std::string label;
    std::vector<Node*> nodes; // the last one makes the value that goes on
};

// "activation.relu" -> "relu"
std::string shortName(const std::string& op) { return op.substr(op.find('.') + 1); }

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            if ((node->op() == "conv" || node->op() == "deconv" || node->op() == "matmul") &&
                node->outputs().size() == 1 && !node->settings().debugOutput) {
                follow(*node);
            }
        }
    }

private:
    void follow(Node& root) {
        Region region{root.op(), {&root}};
        bool seen[4] = {false, false, false, false};
        const Value* value = root.output(0);
        for (;;) {
            const auto step = next(root, *value);
            if (!step || seen[static_cast<size_t>(step->part)] ||
                (seen[static_cast<size_t>(Part::kActivation)] && step->part != Part::kResidual)) {
                return;
            }
            seen[static_cast<size_t>(step->part)] = true;
            region.label += "+" + step->label;
            region.nodes.insert(region.nodes.end(), step->nodes.begin(), step->nodes.end());
            mRegions.push_back(region);
            value = step->nodes.back()->output(0);
            if (step->nodes.back()->settings().debugOutput) {
                return;
            }
        }
    }

    std::optional<Step> next(const Node& root, const Value& value) const {
        if (value.uses().empty() || value.isGraphOutput() || value.quantization()) {
            return std::nullopt;
        }
        if (auto gate = gateOf(value)) {
            return gate;
        }
        Node* const reader = value.uses()[0].node;
        if (value.uses().size() != 1 || !isPointwise(mOps, *reader) ||
            !sameShape(mGraph.pool(), value.type(), reader->output(0)->type())) {
            return std::nullopt;
        }
        if (reader->inputs().size() == 1) {
            return Step{Part::kActivation, shortName(reader->op()), {reader}};
        }
        if (reader->inputs().size() != 2 || reader->output(0)->type().dtype != value.type().dtype) {
            return std::nullopt;
        }
        const Value* const other = reader->input(value.uses()[0].index == 0 ? 1 : 0);
        if (other == nullptr || other->type().dtype != value.type().dtype) {
            return std::nullopt;
        }
        if (reader->op() == "prelu" && value.uses()[0].index == 0 && other->constant() != nullptr) {
            return Step{Part::kActivation, "prelu", {reader}};
        }
        if (reader->op() == "binary.mul" && other->constant() != nullptr && other->constant()->elements() == 1) {
            return Step{Part::kScale, "scale", {reader}};
        }
        if (reader->op() != "binary.add") {
            return std::nullopt;
        }
        if (other->constant() != nullptr) {
            return isPerChannel(root, *other) ? std::optional<Step>(Step{Part::kBias, "bias", {reader}}) : std::nullopt;
        }
        if (sameShape(mGraph.pool(), other->type(), value.type())) {
            return Step{Part::kResidual, "add", {reader}};
        }
        return std::nullopt;
    }

    // value * f(value), where nothing else reads either.
    std::optional<Step> gateOf(const Value& value) const {
        if (value.uses().size() != 2 || (value.producer() != nullptr && value.producer()->settings().debugOutput)) {
            return std::nullopt;
        }
        for (size_t i = 0; i < 2; ++i) {
            Node* const function = value.uses()[i].node;
            Node* const product = value.uses()[1 - i].node;
            if (function != product && product->op() == "binary.mul" && function->inputs().size() == 1 &&
                isPointwise(mOps, *function) && isPointwise(mOps, *product) &&
                isReadOnlyBy(*function->output(0), *product) && function->output(0)->uses().size() == 1 &&
                function->output(0)->type().dtype == value.type().dtype) {
                return Step{Part::kActivation, "x*" + shortName(function->op()), {function, product}};
            }
        }
        return std::nullopt;
    }

    // One number, or one per channel: dim 1 of a convolution's output, the last one of a matrix product's.
    bool isPerChannel(const Node& root, const Value& constant) const {
        const ir::TensorType& type = root.output(0)->type();
        const std::vector<int64_t>& dims = constant.constant()->dims;
        const int64_t axis = root.op() == "matmul" ? type.rank() - 1 : 1;
        for (size_t i = 0; i < dims.size(); ++i) {
            const auto at = static_cast<int64_t>(type.dims.size() - dims.size() + i);
            if (dims[i] != 1 && at != axis) {
                return false;
            }
        }
        return true;
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
};

} // namespace

void findEpilogues(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
