// pattern_attention: scaled dot-product attention written in primitives, as the one op that it is.
//
//   scores        matmul of q and k (trans_b, or k transposed before), each of q, k and the scores perhaps times a number
//   mask          + a tensor, or where(condition, scores, number) either way round; a constant one that hides what comes later is `causal`
//   probabilities softmax along the keys; where(isnan(p), 0, p) as PyTorch writes it
//   result        matmul with v
//   halves        scores of f16 or bf16 may be widened to f32 and the probabilities narrowed again
//   shared heads  k and v expanded from fewer heads
//
// Recorded with the heads in front of the positions, and, where q, k, v and the result are transposed from and to [.., positions, heads, ..],
// with these transposes inside.
#include "core/passes/formula.h"
#include "core/passes/node_order.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/region_body.h"
#include "core/passes/rewriter.h"

#include <cmath>
#include <set>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// q, k or v on the way back from its product: the value that is read, and what was between.
struct Operand {
    Value* value = nullptr;
    std::vector<Node*> nodes;
    double scale = 1;
    bool transposed = false; // the last two dimensions are swapped
};

struct Attention {
    Operand q, k, v;
    Value* mask = nullptr;
    bool causal = false;
    bool maskKeeps = true;
    double fill = -INFINITY;
    double scale = 1;
    bool nanToZero = false;
    Value* result = nullptr;
    std::vector<Node*> nodes; // between the products, these included
};

// A score so small that its probability is zero beside any other.
constexpr double kHidden = -9999;

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions), mOrder(graph) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            if (node->op() != "softmax") {
                continue;
            }
            if (const auto attention = attentionAt(*node)) {
                record(*attention, "attention");
                recordTransposed(*attention);
            }
        }
    }

private:
    // --- Questions -------------------------------------------------------------------------------------------------------

    // Inner values are seen inside only.
    static bool isInner(const Value& value) {
        return !value.isGraphOutput() && !value.quantization() && value.producer() != nullptr &&
               !value.producer()->settings().debugOutput && !value.uses().empty();
    }
    static Node* readerOf(const Value& value) {
        Node* const reader = value.uses().empty() ? nullptr : value.uses()[0].node;
        return reader != nullptr && isInner(value) && isReadOnlyBy(value, *reader) ? reader : nullptr;
    }
    static bool isPlain(const Node& matmul, bool transB) {
        return matmul.inputs().size() == 2 && matmul.attributes().intOr("trans_a", 0) == 0 &&
               (matmul.attributes().intOr("trans_b", 0) != 0) == transB;
    }
    bool sameShape(const Value& a, const Value& b) const {
        return passes::sameShape(mGraph.pool(), a.type(), b.type());
    }
    bool sameExtent(const Value& a, size_t i, const Value& b, size_t k) const {
        return mGraph.pool().provablyEqual(a.type().dims[i], b.type().dims[k]);
    }

    // --- Matching --------------------------------------------------------------------------------------------------------

    std::optional<Attention> attentionAt(Node& softmax) const {
        Attention attention;
        const int32_t rank = softmax.output(0)->type().rank();
        const int64_t axis = softmax.attributes().intOr("axis", -1);
        if ((rank != 3 && rank != 4) || (axis != rank - 1 && axis != -1) ||
            !ir::isFloat(softmax.output(0)->type().dtype) || !followProbabilities(softmax, attention) ||
            !followScores(*softmax.input(0), attention)) {
            return std::nullopt;
        }
        const size_t last = static_cast<size_t>(rank) - 1;
        for (const Operand* operand : {&attention.q, &attention.k, &attention.v}) {
            if (operand->value->type().rank() != rank || operand->value->constant() != nullptr ||
                (rank == 4 && !sameExtent(*operand->value, 0, *attention.result, 0))) {
                return std::nullopt;
            }
        }
        if (!sameExtent(*attention.k.value, last - 2, *attention.v.value, last - 2)) {
            return std::nullopt;
        }
        return attention;
    }

    // From softmax on to the second product.
    bool followProbabilities(Node& softmax, Attention& attention) const {
        attention.nodes = {&softmax};
        Value* probabilities = softmax.output(0);
        if (!isInner(*probabilities)) {
            return false;
        }
        if (Node* const narrowed = readerOf(*probabilities); narrowed != nullptr && narrowed->op() == "cast") {
            attention.nodes.push_back(narrowed);
            probabilities = narrowed->output(0);
        }
        if (Node* const choice = zeroWhereNan(*probabilities)) {
            attention.nodes.insert(attention.nodes.end(), {choice->input(0)->producer(), choice});
            attention.nanToZero = true;
            probabilities = choice->output(0);
        }
        Node* const product = readerOf(*probabilities);
        if (product == nullptr || product->op() != "matmul" || !isPlain(*product, false) ||
            product->input(0) != probabilities || product->input(1) == probabilities) {
            return false;
        }
        attention.nodes.push_back(product);
        attention.result = product->output(0);
        attention.v = operandOf(product->input(1), false);
        return true;
    }

    // where(isnan(p), 0, p)
    static Node* zeroWhereNan(const Value& p) {
        if (p.uses().size() != 2) {
            return nullptr;
        }
        for (const ir::Use& use : p.uses()) {
            Node* const test = use.node;
            Node* const choice = test->op() == "unary.isnan" ? readerOf(*test->output(0)) : nullptr;
            if (choice != nullptr && choice->op() == "where" && choice->input(0) == test->output(0) &&
                splatOf(choice->input(1)) == 0.0 && choice->input(2) == &p) {
                return choice;
            }
        }
        return nullptr;
    }

    // From softmax back to the first product.
    bool followScores(Value& masked, Attention& attention) const {
        Value* scores = &masked;
        if (!isInner(*scores)) {
            return false;
        }
        scores = unwidened(*scores, attention.nodes);
        if (Node* const node = scores->producer();
            node != nullptr && (node->op() == "binary.add" || node->op() == "where")) {
            scores = maskedBy(*node, attention);
            if (scores == nullptr) {
                return false;
            }
            attention.nodes.push_back(node);
        }
        scores = unwidened(*scores, attention.nodes);
        while (scaledValue(*scores, attention.nodes, attention.scale)) {
            scores = unwidened(*inner(*scores), attention.nodes);
        }
        Node* const product = producerOf(scores, "matmul");
        if (product == nullptr || readerOf(*scores) == nullptr || product->attributes().intOr("trans_a", 0) != 0) {
            return false;
        }
        attention.nodes.push_back(product);
        attention.q = operandOf(product->input(0), true);
        attention.k = operandOf(product->input(1), true);
        attention.k.transposed = product->attributes().intOr("trans_b", 0) == 0;
        attention.scale *= attention.q.scale * attention.k.scale;
        return true;
    }

    // What is behind a cast to a wider type.
    static Value* unwidened(Value& value, std::vector<Node*>& nodes) {
        Node* const cast = isWidening(value) && readerOf(value) != nullptr ? value.producer() : nullptr;
        if (cast == nullptr) {
            return &value;
        }
        nodes.push_back(cast);
        return cast->input(0);
    }
    static bool isWidening(const Value& value) {
        const Node* const cast = producerOf(&value, "cast");
        return cast != nullptr && ir::isFloat(cast->input(0)->type().dtype) &&
               ir::bitsOf(cast->input(0)->type().dtype) == 16 && value.type().dtype == ir::DataType::kF32;
    }

    // The scores that a mask is laid on, with what it says; null if it does something else.
    Value* maskedBy(Node& node, Attention& attention) const {
        if (node.op() == "binary.add") {
            for (const size_t i : {0, 1}) {
                Value* const scores = node.input(i);
                Value* const mask = node.input(1 - i);
                if (scores != mask && leadsToProduct(*scores) && sameShape(*scores, *node.output(0)) &&
                    readerOf(*scores) == &node) {
                    attention.mask = mask;
                    attention.causal = isCausal(*mask, false, attention);
                    return scores;
                }
            }
            return nullptr;
        }
        for (const size_t i : {1, 2}) {
            Value* const scores = node.input(i);
            const auto fill = splatOf(node.input(3 - i));
            if (scores != nullptr && fill && leadsToProduct(*scores) && sameShape(*scores, *node.output(0)) &&
                readerOf(*scores) == &node) {
                attention.mask = node.input(0);
                attention.maskKeeps = i == 1;
                attention.fill = *fill;
                attention.causal = *fill <= kHidden && isCausal(*attention.mask, true, attention);
                return scores;
            }
        }
        return nullptr;
    }

    static bool leadsToProduct(const Value& value) {
        const Value* each = &value;
        for (int depth = 0; depth < 4 && each != nullptr && each->producer() != nullptr; ++depth) {
            if (each->producer()->op() == "matmul") {
                return true;
            }
            const auto scaled = withNumber(*each->producer());
            each = isWidening(*each) ? each->producer()->input(0) : scaled ? scaled->value : nullptr;
        }
        return false;
    }

    // A constant square mask in which row i hides exactly what comes after i.
    static bool isCausal(const Value& mask, bool isBool, const Attention& attention) {
        const ir::ConstantPtr constant = mask.constant();
        const size_t rank = constant != nullptr ? constant->dims.size() : 0;
        if (rank < 2 || constant->dims[rank - 1] != constant->dims[rank - 2] ||
            constant->elements() != constant->dims[rank - 1] * constant->dims[rank - 1] || constant->elements() < 2) {
            return false;
        }
        const int64_t size = constant->dims[rank - 1];
        for (int64_t i = 0; i < constant->elements(); ++i) {
            const bool later = i % size > i / size;
            const double number = constant->numberAt(i);
            const bool hides = isBool ? (number != 0) != attention.maskKeeps : number <= kHidden;
            if (hides != later || (!isBool && !later && number != 0)) {
                return false;
            }
        }
        return true;
    }

    // Of a value that is another times a number: takes the node in.
    bool scaledValue(const Value& value, std::vector<Node*>& nodes, double& scale) const {
        Node* const node = value.producer();
        const bool isSum = node != nullptr && node->op() == "binary.add"; // Paddle adds a zero to what it scales
        if (node == nullptr || (node->op() != "binary.mul" && node->op() != "binary.div" && !isSum) ||
            readerOf(value) == nullptr) {
            return false;
        }
        const auto scaled = withNumber(*node);
        if (isSum && (!scaled || scaled->number != 0)) {
            return false;
        }
        if (!scaled || (node->op() == "binary.div" && (node->input(0) != scaled->value || scaled->number == 0)) ||
            !passes::sameShape(mGraph.pool(), scaled->value->type(), value.type())) {
            return false;
        }
        scale *= isSum ? 1 : node->op() == "binary.mul" ? scaled->number : 1 / scaled->number;
        nodes.push_back(node);
        return true;
    }
    static Value* inner(const Value& value) { return withNumber(*value.producer())->value; }

    // Back through factors, where they may become one of the scores, and through the repetition of heads.
    Operand operandOf(Value* value, bool mayScale) const {
        Operand operand{value, {}, 1, false};
        while (mayScale && scaledValue(*operand.value, operand.nodes, operand.scale)) {
            operand.value = inner(*operand.value);
        }
        if (Node* const shape = producerOf(operand.value, "reshape")) {
            Node* const expand = producerOf(shape->input(0), "expand");
            Node* const unit = expand != nullptr ? producerOf(expand->input(0), "reshape") : nullptr;
            if (unit != nullptr &&
                repeatsHeads(*unit->input(0), *unit->output(0), *expand->output(0), *operand.value) &&
                readerOf(*operand.value) != nullptr && readerOf(*shape->input(0)) == shape &&
                readerOf(*expand->input(0)) == expand) {
                operand.nodes.insert(operand.nodes.end(), {shape, expand, unit});
                operand.value = unit->input(0);
            }
        }
        return operand;
    }

    // [B, G, T, D] -> [B, G, 1, T, D] -> [B, G, n, T, D] -> [B, G n, T, D]. With the unit elsewhere the heads would be tiled, not repeated.
    bool repeatsHeads(const Value& from, const Value& unit, const Value& expanded, const Value& to) const {
        if (from.type().rank() != 4 || unit.type().rank() != 5 || expanded.type().rank() != 5 ||
            to.type().rank() != 4 || !mGraph.pool().provablyEqual(unit.type().dims[2], mGraph.pool().constant(1))) {
            return false;
        }
        for (size_t d = 0; d < 4; ++d) {
            if (!sameExtent(from, d, unit, d < 2 ? d : d + 1)) {
                return false;
            }
        }
        const auto& expandedDims = expanded.type().dims;
        const ir::DimExpr heads = mGraph.pool().mul(expandedDims[1], expandedDims[2]);
        return sameExtent(from, 0, expanded, 0) && sameExtent(from, 1, expanded, 1) &&
               sameExtent(from, 2, expanded, 3) && sameExtent(from, 3, expanded, 4) && sameExtent(to, 0, expanded, 0) &&
               mGraph.pool().provablyEqual(heads, to.type().dims[1]) && sameExtent(to, 2, from, 2) &&
               sameExtent(to, 3, from, 3);
    }

    // --- Recording -------------------------------------------------------------------------------------------------------

    void record(const Attention& attention, std::string label, int64_t headsAxis = -3) {
        std::set<Node*> members(attention.nodes.begin(), attention.nodes.end());
        for (const Operand* operand : {&attention.q, &attention.k, &attention.v}) {
            members.insert(operand->nodes.begin(), operand->nodes.end());
        }
        label += attention.causal ? "+causal" : attention.mask != nullptr ? "+mask" : "";
        RegionBody body(mGraph, mOps, label, mOrder.sorted({members.begin(), members.end()}));
        std::vector<Value*> inputs{body.input(attention.q.value), body.input(attention.k.value),
                                   body.input(attention.v.value)};
        ir::AttributeMap attributes;
        attributes.set("scale", attention.scale);
        if (attention.causal) {
            attributes.set("causal", int64_t{1});
        } else if (attention.mask != nullptr) {
            inputs.push_back(body.input(attention.mask));
            if (attention.mask->type().dtype == ir::DataType::kBool) {
                attributes.set("mask_keeps", static_cast<int64_t>(attention.maskKeeps));
                attributes.set("fill", attention.fill);
            }
        }
        if (headsAxis != -3) {
            attributes.set("heads_axis", headsAxis);
        }
        if (attention.k.transposed) {
            attributes.set("k_transposed", int64_t{1});
        }
        if (attention.nanToZero) {
            attributes.set("nan_to_zero", int64_t{1});
        }
        body.output(body.add("attention", std::move(inputs), std::move(attributes)), attention.result);
        if (auto region = body.finish()) {
            mRegions.push_back(std::move(*region));
        }
    }

    // Heads and positions swapped; of k perhaps its last two dimensions too.
    static bool isHeadSwap(const Node& transpose, bool alsoLast) {
        std::vector<int64_t> perm = transpose.attributes().intsOr("perm", {});
        const size_t rank = perm.size();
        if (rank != 3 && rank != 4) {
            return false;
        }
        if (alsoLast) {
            std::swap(perm[rank - 2], perm[rank - 1]);
        }
        std::swap(perm[rank - 3], perm[rank - 2]);
        for (size_t i = 0; i < rank; ++i) {
            if (perm[i] != static_cast<int64_t>(i)) {
                return false;
            }
        }
        return true;
    }

    void recordTransposed(Attention attention) {
        for (Operand* operand : {&attention.q, &attention.k, &attention.v}) {
            Node* const transpose = producerOf(operand->value, "transpose");
            if (transpose == nullptr || readerOf(*operand->value) == nullptr ||
                !isHeadSwap(*transpose, operand->transposed)) {
                return;
            }
            operand->nodes.push_back(transpose);
            operand->value = transpose->input(0);
            operand->transposed = false;
        }
        Node* const transpose = readerOf(*attention.result);
        if (transpose == nullptr || transpose->op() != "transpose" || !isHeadSwap(*transpose, false)) {
            return;
        }
        attention.nodes.push_back(transpose);
        attention.result = transpose->output(0);
        record(attention, "attention+transposes", -2);
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
    NodeOrder mOrder;
};

} // namespace

void findAttentions(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
