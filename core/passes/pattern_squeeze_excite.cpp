// pattern_squeeze_excite: channels weighed by what a small network makes of their means.
//
//   squeeze   the mean over all positions, dimensions kept or dropped
//   excite    product + bias, activation, product + bias, activation; products are convolutions of one position, or of matrices
//   scale     x * the result
//
// Three regions, each with the one before in it: excite alone, with the mean, and with the multiplication where nothing else reads the result.
#include "core/passes/formula.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/products.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            if (isMeanOfPositions(*node)) {
                follow(*node);
            }
        }
    }

private:
    // Over all dimensions behind the channels.
    static bool isMeanOfPositions(const Node& node) {
        if (node.op() != "reduce.mean" || node.inputs().size() != 1 || node.settings().debugOutput) {
            return false;
        }
        const int32_t rank = node.input(0)->type().rank();
        const std::vector<int64_t> axes = node.attributes().intsOr("axes", {});
        if (rank < 3 || static_cast<int32_t>(axes.size()) != rank - 2) {
            return false;
        }
        for (size_t i = 0; i < axes.size(); ++i) {
            if (axes[i] != static_cast<int64_t>(i) + 2) {
                return false;
            }
        }
        return true;
    }

    static Node* readerOf(const Value& value) {
        Node* const reader = value.uses().size() == 1 ? value.uses()[0].node : nullptr;
        return reader != nullptr && isReadOnlyBy(value, *reader) && !value.quantization() &&
                       !reader->settings().debugOutput && reader->outputs().size() == 1
                   ? reader
                   : nullptr;
    }
    static bool isReshape(const Node* node) {
        return node != nullptr && node->op() == "reshape" && node->input(1) == nullptr;
    }

    bool hasOnePosition(const Value& value) const {
        const std::vector<ir::DimExpr>& dims = value.type().dims;
        return value.type().rank() >= 2 && std::all_of(dims.begin() + 2, dims.end(), [this](ir::DimExpr extent) {
                   return mGraph.pool().isConstant(extent) && mGraph.pool().constantValue(extent) == 1;
               });
    }

    bool isProduct(const Node* node) const {
        if (node == nullptr || !hasOnePosition(*node->output(0)) || !hasOnePosition(*node->input(0))) {
            return false;
        }
        if (node->op() == "matmul") {
            return isRowProduct(*node) && node->output(0)->type().rank() == 2;
        }
        const ir::ConstantPtr weights = node->op() == "conv" ? node->input(1)->constant() : nullptr;
        // With strides the one position may be of padding alone.
        const std::vector<int64_t> pads = node->attributes().intsOr("pads", {});
        return weights != nullptr && node->attributes().intOr("group", 1) == 1 &&
               node->attributes().stringOr("auto_pad", "explicit") == "explicit" &&
               std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; }) &&
               std::all_of(weights->dims.begin() + 2, weights->dims.end(),
                           [](int64_t extent) { return extent == 1; }) &&
               (node->input(2) == nullptr || node->input(2)->constant() != nullptr);
    }

    // The product, its bias and activation: the value that comes out; null where there is no product. `activated`: with an activation.
    Value* layer(const Value& value, std::vector<Node*>& nodes, bool& activated) const {
        Node* const product = readerOf(value);
        if (!isProduct(product) || product->input(0) != &value) {
            return nullptr;
        }
        nodes.push_back(product);
        Value* result = product->output(0);
        Node* next = readerOf(*result);
        if (product->input(2) == nullptr && next != nullptr && next->op() == "binary.add" &&
            isBias(*next->input(next->input(0) == result ? 1 : 0), *result)) {
            nodes.push_back(next);
            result = next->output(0);
            next = readerOf(*result);
        }
        activated = next != nullptr && next->inputs().size() == 1 && isPointwise(mOps, *next) &&
                    next->output(0)->type().dtype == result->type().dtype;
        if (activated) {
            nodes.push_back(next);
            result = next->output(0);
        }
        return result;
    }

    // One number for each channel, along dimension 1.
    static bool isBias(const Value& bias, const Value& result) {
        const ir::ConstantPtr constant = bias.constant();
        const int32_t rank = result.type().rank();
        if (constant == nullptr || static_cast<int32_t>(constant->dims.size()) > rank) {
            return false;
        }
        const size_t offset = static_cast<size_t>(rank) - constant->dims.size();
        for (size_t i = 0; i < constant->dims.size(); ++i) {
            if (constant->dims[i] != 1 && i + offset != 1) {
                return false;
            }
        }
        return constant->elements() > 1;
    }

    void follow(Node& mean) {
        std::vector<Node*> before{&mean};
        Value* squeezed = mean.output(0);
        if (Node* const shape = readerOf(*squeezed); isReshape(shape)) {
            before.push_back(shape);
            squeezed = shape->output(0);
        }
        if (!hasOnePosition(*squeezed)) {
            return;
        }
        std::vector<Node*> excite;
        bool activated = false;
        Value* const hidden = layer(*squeezed, excite, activated);
        Value* gate = hidden != nullptr && activated ? layer(*hidden, excite, activated) : nullptr;
        if (gate == nullptr || !activated ||
            !mGraph.pool().provablyEqual(gate->type().dims[1], mean.input(0)->type().dims[1])) {
            return;
        }
        mRegions.push_back({"excite", excite});
        std::vector<Node*> nodes = before;
        nodes.insert(nodes.end(), excite.begin(), excite.end());
        mRegions.push_back({"squeeze+excite", nodes});
        if (Node* const shape = readerOf(*gate); isReshape(shape)) {
            nodes.push_back(shape);
            gate = shape->output(0);
        }
        const Value* const x = mean.input(0);
        Node* const scale = readerOf(*gate);
        if (scale != nullptr && scale->op() == "binary.mul" && (scale->input(0) == x || scale->input(1) == x) &&
            scale->input(0) != scale->input(1) && hasOnePosition(*gate) && gate->type().rank() == x->type().rank() &&
            sameShape(mGraph.pool(), scale->output(0)->type(), x->type())) {
            nodes.push_back(scale);
            mRegions.push_back({"squeeze+excite+scale", std::move(nodes)});
        }
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
};

} // namespace

void findSqueezeExcites(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
