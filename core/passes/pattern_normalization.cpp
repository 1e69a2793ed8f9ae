// pattern_normalization: layer and RMS normalisation over the last dimensions, written in primitives, as the one op that they are; each also
// with the addition in front of it.
//
//   mean(x)  d = x - mean  mean(d * d) + epsilon  its square root s      d / s, d * (1 / s), d * (1 / s * scale)
//            d = x                                                       then * scale, + bias
//   x * m + (bias - mean * m), m = 1 / s or 1 / s * scale                as TensorFlow writes it
//
// Instance normalisation is that over all dimensions behind the channels. Scale and bias are constants or inputs of the graph, so that they
// cannot depend on a sum that leaves the region. The sum of the residual leaves as a second output where others read it.
#include "core/passes/formula.h"
#include "core/passes/node_order.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/region_body.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <set>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

struct Norm {
    Value* x = nullptr;
    Value* mean = nullptr; // null: the values are not centred
    Value* scale = nullptr;
    Value* bias = nullptr;
    Value* result = nullptr;
    int64_t axis = 0;
    double epsilon = 0;
    std::vector<Node*> nodes;
};

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions), mOrder(graph) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            if (node->op() == "unary.sqrt" || node->op() == "unary.rsqrt") {
                if (auto norm = normAt(*node)) {
                    record(*norm);
                    recordWithSum(*norm);
                }
            } else if (node->op() == "layer_norm" || node->op() == "rms_norm") {
                recordWithSum(*node);
            }
        }
    }

private:
    // --- Matching --------------------------------------------------------------------------------------------------------

    static Value* onlyOperandBut(const Node& node, const Value* one) {
        return node.inputs().size() != 2 ? nullptr : node.input(0) == one ? node.input(1) : node.input(0);
    }

    static bool isParameter(const Value* value) {
        return value != nullptr && (value->constant() != nullptr || value->producer() == nullptr);
    }

    // A mean over the last dimensions, kept as extents of 1: the first of them.
    std::optional<int64_t> trailingAxis(const Node& mean) const {
        const int32_t rank = mean.input(0)->type().rank();
        const std::vector<int64_t> axes = mean.attributes().intsOr("axes", {});
        if (rank < 1 || axes.empty() || mean.input(1) != nullptr || mean.attributes().intOr("keep_dims", 1) == 0) {
            return std::nullopt;
        }
        for (size_t i = 0; i < axes.size(); ++i) {
            if (axes[i] != rank - static_cast<int64_t>(axes.size() - i)) {
                return std::nullopt;
            }
        }
        return axes[0];
    }

    // The only reader of a value that nobody else sees.
    static Node* readerOf(const Value& value) {
        if (value.uses().empty() || value.quantization()) {
            return nullptr;
        }
        Node* const reader = value.uses()[0].node;
        return isReadOnlyBy(value, *reader) ? reader : nullptr;
    }

    // From the root back to x.
    std::optional<Norm> normAt(Node& root) const {
        Norm norm;
        Node* const shifted = producerOf(root.input(0), "binary.add");
        const auto sum = shifted != nullptr ? withNumber(*shifted) : std::nullopt;
        Node* const variance = sum ? producerOf(sum->value, "reduce.mean") : nullptr;
        Node* const square = variance != nullptr ? producerOf(variance->input(0), "binary.mul") : nullptr;
        if (square == nullptr || square->input(0) != square->input(1) || sum->number < 0) {
            return std::nullopt;
        }
        const auto axis = trailingAxis(*variance);
        if (!axis) {
            return std::nullopt;
        }
        norm.axis = *axis;
        norm.epsilon = sum->number;
        norm.nodes = {square, variance, shifted, &root};
        Value* const d = square->input(0);
        norm.x = d;
        if (Node* const centred = producerOf(d, "binary.sub")) {
            Node* const mean = producerOf(centred->input(1), "reduce.mean");
            if (mean != nullptr && mean->input(0) == centred->input(0) && trailingAxis(*mean) == axis) {
                norm.x = centred->input(0);
                norm.mean = mean->output(0);
                norm.nodes.insert(norm.nodes.end(), {mean, centred});
            }
        }
        if (!ir::isFloat(norm.x->type().dtype) || !follow(root, *d, norm) || !isClosed(norm)) {
            return std::nullopt;
        }
        return norm;
    }

    // From the root on to the result.
    bool follow(Node& root, Value& d, Norm& norm) const {
        Value* factor = root.output(0); // s, later 1 / s, later 1 / s * scale
        bool isReciprocal = root.op() == "unary.rsqrt";
        if (!isReciprocal) {
            Node* const reader = readerOf(*factor);
            if (reader != nullptr && reader->op() == "unary.recip") {
                norm.nodes.push_back(reader);
                factor = reader->output(0);
                isReciprocal = true;
            } else if (reader != nullptr && reader->op() == "binary.div" && reader->input(0) == &d) {
                norm.nodes.push_back(reader);
                norm.result = reader->output(0);
            } else {
                return false;
            }
        }
        if (norm.result == nullptr) {
            Node* reader = readerOf(*factor);
            Value* const scale =
                reader != nullptr && reader->op() == "binary.mul" ? onlyOperandBut(*reader, factor) : nullptr;
            if (scale != &d && scale != norm.x && isParameter(scale)) {
                norm.scale = scale;
                norm.nodes.push_back(reader);
                factor = reader->output(0);
                reader = readerOf(*factor);
            }
            if (reader != nullptr && reader->op() == "binary.mul" && onlyOperandBut(*reader, factor) == &d) {
                norm.nodes.push_back(reader);
                norm.result = reader->output(0);
            } else {
                return norm.mean != nullptr && followShift(*factor, norm);
            }
        }
        // Scale and bias behind it.
        for (const char* op : {"binary.mul", "binary.add"}) {
            Node* const reader = readerOf(*norm.result);
            Value*& parameter = op[7] == 'm' ? norm.scale : norm.bias;
            if (reader == nullptr || reader->op() != op || parameter != nullptr || norm.result->uses().size() != 1 ||
                !isParameter(onlyOperandBut(*reader, norm.result)) ||
                !sameShape(mGraph.pool(), reader->output(0)->type(), norm.x->type())) {
                continue;
            }
            parameter = onlyOperandBut(*reader, norm.result);
            norm.nodes.push_back(reader);
            norm.result = reader->output(0);
        }
        return true;
    }

    // x * factor + (bias - mean * factor)
    bool followShift(Value& factor, Norm& norm) const {
        if (factor.uses().size() != 2 || factor.isGraphOutput()) {
            return false;
        }
        Node* scaled = factor.uses()[0].node;
        Node* offset = factor.uses()[1].node;
        if (onlyOperandBut(*scaled, &factor) == norm.mean) {
            std::swap(scaled, offset);
        }
        if (scaled->op() != "binary.mul" || offset->op() != "binary.mul" ||
            onlyOperandBut(*scaled, &factor) != norm.x || onlyOperandBut(*offset, &factor) != norm.mean) {
            return false;
        }
        Node* const sum = readerOf(*scaled->output(0));
        Node* const shift = readerOf(*offset->output(0));
        if (sum == nullptr || sum->op() != "binary.add" || shift == nullptr || shift->op() != "binary.sub" ||
            shift->input(1) != offset->output(0) || !isParameter(shift->input(0)) ||
            onlyOperandBut(*sum, scaled->output(0)) != shift->output(0)) {
            return false;
        }
        norm.bias = shift->input(0);
        norm.result = sum->output(0);
        norm.nodes.insert(norm.nodes.end(), {scaled, offset, shift, sum});
        return true;
    }

    // Nobody but these nodes sees an inner value.
    bool isClosed(const Norm& norm) const {
        const std::set<const Node*> members(norm.nodes.begin(), norm.nodes.end());
        for (const Node* node : norm.nodes) {
            const Value& value = *node->output(0);
            if (&value == norm.result) {
                continue;
            }
            if (value.isGraphOutput() || node->settings().debugOutput || value.quantization() ||
                std::any_of(value.uses().begin(), value.uses().end(),
                            [&](const ir::Use& use) { return members.count(use.node) == 0; })) {
                return false;
            }
        }
        return true;
    }

    // --- Recording -------------------------------------------------------------------------------------------------------

    Value* addNorm(RegionBody& body, const Norm& norm, Value* x) const {
        ir::AttributeMap attributes;
        attributes.set("axis", norm.axis);
        attributes.set("epsilon", norm.epsilon);
        std::vector<Value*> inputs{x};
        if (norm.scale != nullptr || norm.bias != nullptr) {
            inputs.push_back(norm.scale != nullptr ? body.input(norm.scale) : nullptr);
        }
        if (norm.bias != nullptr) {
            inputs.push_back(body.input(norm.bias));
        }
        if (norm.mean != nullptr) {
            return body.add("layer_norm", std::move(inputs), std::move(attributes));
        }
        if (norm.bias == nullptr) {
            return body.add("rms_norm", std::move(inputs), std::move(attributes));
        }
        inputs.resize(norm.scale != nullptr ? 2 : 1);
        return body.add("binary.add",
                        {body.add("rms_norm", std::move(inputs), std::move(attributes)), body.input(norm.bias)});
    }

    static std::string labelOf(const Norm& norm) {
        return std::string(norm.mean != nullptr ? "layer_norm" : "rms_norm") + (norm.scale != nullptr ? "+scale" : "") +
               (norm.bias != nullptr ? "+bias" : "");
    }

    void finish(RegionBody& body) {
        if (auto region = body.finish()) {
            mRegions.push_back(std::move(*region));
        }
    }

    void record(const Norm& norm) {
        RegionBody body(mGraph, mOps, labelOf(norm), mOrder.sorted(norm.nodes));
        body.output(addNorm(body, norm, body.input(norm.x)), norm.result);
        finish(body);
    }

    // The sum of two tensors of x's shape that makes x; null if there is none, or its sum is shown on the way.
    Node* sumBefore(const Value& x) const {
        Node* const sum = producerOf(&x, "binary.add");
        if (sum == nullptr || sum->settings().debugOutput || x.quantization() || x.contents()) {
            return nullptr;
        }
        for (const Value* operand : sum->inputs()) {
            if (operand->constant() != nullptr || !sameShape(mGraph.pool(), operand->type(), x.type())) {
                return nullptr;
            }
        }
        return sum;
    }

    static bool isReadOutside(const Value& x, const std::vector<Node*>& nodes) {
        return x.isGraphOutput() || std::any_of(x.uses().begin(), x.uses().end(), [&](const ir::Use& use) {
                   return std::find(nodes.begin(), nodes.end(), use.node) == nodes.end();
               });
    }

    void recordWithSum(const Norm& norm) {
        Node* const sum = sumBefore(*norm.x);
        if (sum == nullptr) {
            return;
        }
        std::vector<Node*> nodes = norm.nodes;
        nodes.push_back(sum);
        RegionBody body(mGraph, mOps, "add+" + labelOf(norm), mOrder.sorted(nodes));
        Value* const x = body.add("binary.add", {body.input(sum->input(0)), body.input(sum->input(1))});
        if (x == nullptr) {
            return;
        }
        Value* const result = addNorm(body, norm, x);
        if (isReadOutside(*norm.x, nodes)) {
            body.output(x, norm.x);
        }
        body.output(result, norm.result);
        finish(body);
    }

    void recordWithSum(Node& node) {
        const bool parameters = std::all_of(node.inputs().begin() + 1, node.inputs().end(),
                                            [](const Value* value) { return value == nullptr || isParameter(value); });
        if (Node* const sum = sumBefore(*node.input(0)); sum != nullptr && parameters) {
            mRegions.push_back({"add+" + node.op(), {sum, &node}});
        }
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
    NodeOrder mOrder;
};

} // namespace

void findNormalizations(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
