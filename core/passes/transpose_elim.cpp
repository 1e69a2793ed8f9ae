// transpose_elim: transposes cancel, compose, and move where that leaves fewer of them.
//
//   transpose(transpose(x)) is one transpose or none; one that moves only extents of 1 is a reshape
//   a transpose behind a cluster of pointwise ops, concats, softmaxes and keeping reductions moves in front of it, onto each of the cluster's
//   inputs, if fewer transposes are left than before: inputs that are transposed themselves cancel, constants are transposed now
//   equal transposes of all operands of such an op become one behind it, if there are at least two
//   a reduction that drops dimensions reads the tensor as it was, if the rest keeps its order; so does one that keeps them, with a reshape behind
//   swapping the last two dimensions of an operand of matmul is its trans_a or trans_b, through pointwise ops with single numbers too
//   a matrix product with its last two dimensions swapped is the product the other way round, unless its right operand is constant
//   attention of operands that all have heads and positions swapped reads and writes them as they were, by its heads_axis
//   a transpose that keeps the rows of a product with constant weights together goes the same ways through the product and its bias, in front of it
//   where the operand is a transpose reshaped, behind it where another transpose follows that takes it in (view_chains makes them one)
#include "core/passes/products.h"
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"
#include "core/passes/transpose_operands.h"
#include "core/passes/view_map.h"

#include <algorithm>
#include <array>
#include <map>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;
bool isReduction(const Node& node) { return node.op().compare(0, 7, "reduce.") == 0; }

bool hasAxis(const Node& node) {
    return node.op() == "softmax" || node.op() == "log_softmax" || node.op() == "concat" || node.op() == "lp_norm" ||
           node.op() == "cumsum";
}

class Eliminator {
public:
    explicit Eliminator(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.settings().debugOutput) {
                return;
            }
            if (node.op() == "transpose") {
                merge(node) || asReshape(node) || transposeOfProduct(mRewriter, node) || pullUp(node) || sinkRows(node);
            } else if (node.op() == "matmul") {
                intoMatmul(node, 0, "trans_a");
                intoMatmul(node, 1, "trans_b");
                flagIntoTranspose(mRewriter, node);
            } else if (node.op() == "attention") {
                headsOfAttention(mRewriter, node);
            } else if (isReduction(node)) {
                skipByReduction(node) || skipByMean(node) || sink(node);
            } else if (isTransparent(node)) {
                sink(node);
            }
        });
        return mRewriter.finish();
    }

private:
    Value* transposed(Node& at, Value* value, const Permutation& perm) {
        if (value == nullptr || isIdentity(perm)) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("perm", perm);
        return mRewriter.make(at, "transpose", {value}, std::move(attributes));
    }

    // --- One after the other ---------------------------------------------------------------------------------------------

    bool merge(Node& node) {
        const auto second = permutationOf(&node);
        const auto first = permutationOf(node.input(0)->producer());
        if (!second || !first) {
            return false;
        }
        Value* const x = node.input(0)->producer()->input(0);
        const Permutation both = compose(*first, *second);
        if (isIdentity(both)) {
            mRewriter.replace(node, x);
            return true;
        }
        mRewriter.setAttribute(node, "perm", both);
        mRewriter.setInput(node, 0, x);
        return true;
    }

    bool asReshape(Node& node) {
        const auto perm = permutationOf(&node);
        const ir::TensorType& type = node.output(0)->type();
        if (!perm || !isExplicitShape(mRewriter.pool(), type)) {
            return false;
        }
        // In row-major order nothing moves if the dimensions that are not 1 keep their order.
        Permutation real;
        for (const int64_t dim : *perm) {
            const ir::DimExpr extent = node.input(0)->type().dims[static_cast<size_t>(dim)];
            if (!mRewriter.pool().isConstant(extent) || mRewriter.pool().constantValue(extent) != 1) {
                real.push_back(dim);
            }
        }
        if (!isIdentity(real)) {
            return false;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{type.dims});
        attributes.set("allow_zero", int64_t{1});
        mRewriter.replace(node, mRewriter.makeInstead(node, "reshape", {node.input(0)}, std::move(attributes)));
        return true;
    }

    // --- Through clusters ------------------------------------------------------------------------------------------------

    // Computes the same with all its operands and its output transposed.
    bool isTransparent(const Node& node) const {
        const ops::OpDef* const def = mRewriter.def(node);
        if (def == nullptr || node.outputs().size() != 1 || node.output(0)->quantization() ||
            node.settings().debugOutput || node.output(0)->type().rank() < 0) {
            return false;
        }
        if (isReduction(node)) {
            return node.inputs().size() == 1 && node.attributes().intOr("keep_dims", 1) != 0 &&
                   !node.attributes().intsOr("axes", {}).empty() && node.input(0)->type().rank() > 0;
        }
        if (hasAxis(node)) {
            return axisOf(node).has_value() && (node.op() != "cumsum" || node.inputs().size() == 1);
        }
        return isElementwise(*def, node);
    }

    static std::optional<int64_t> axisOf(const Node& node) {
        const int32_t rank = node.output(0)->type().rank();
        const int64_t fallback = node.op() == "concat" || node.op() == "cumsum" ? 0 : -1;
        int64_t axis = node.attributes().intOr("axis", fallback);
        axis += axis < 0 ? rank : 0;
        return axis >= 0 && axis < rank ? std::optional<int64_t>(axis) : std::nullopt;
    }

    // A tensor of one element, or a scalar, broadcasts the same whatever the order.
    bool isSingle(const Value& value) const {
        const auto dims = staticDims(mRewriter.pool(), value.type());
        return dims && std::all_of(dims->begin(), dims->end(), [](int64_t extent) { return extent == 1; });
    }

    // Dimensions at the end that the permutation leaves alone.
    static int32_t fixedTail(const Permutation& perm) {
        int32_t count = 0;
        for (size_t i = perm.size(); i-- > 0 && perm[i] == static_cast<int64_t>(i);) {
            ++count;
        }
        return count;
    }

    // A broadcast operand that is the same whatever the order.
    bool mindsNot(const Value& value, const Permutation& perm) const {
        return (isSingle(value) && value.type().rank() <= 1) ||
               (value.type().rank() >= 0 && value.type().rank() < static_cast<int32_t>(perm.size()) &&
                value.type().rank() <= fixedTail(perm));
    }

    // The operands that are to be transposed for the node to compute transposed; nothing where it cannot.
    std::optional<size_t> operandsMoved(const Node& node, const Permutation& perm) const {
        if (isTransparent(node)) {
            return node.inputs().size();
        }
        const bool keepsRows = fixedTail(perm) > 0 && !node.output(0)->quantization() &&
                               node.output(0)->type().rank() == static_cast<int32_t>(perm.size()) && isRowProduct(node);
        return keepsRows ? std::optional<size_t>(1) : std::nullopt;
    }

    // What it costs to have the value transposed, in transposes that are there or not; nothing where it cannot be.
    // `gain` counts transposes that disappear.
    struct Plan {
        int32_t added = 0;
        int32_t removed = 0;
        std::vector<const Node*> cluster; // nodes that compute transposed
    };
    static constexpr size_t kMaxCluster = 64;

    void plan(const Value& value, const Permutation& perm, size_t rank, Plan& result) const {
        if (mindsNot(value, perm)) {
            return;
        }
        const Node* const producer = value.producer();
        if (value.constant() != nullptr) {
            result.added += mContext.evaluator != nullptr ? 0 : 1;
            return;
        }
        if (const auto own = permutationOf(producer); own && own->size() == perm.size()) {
            const bool cancels = isIdentity(compose(*own, perm));
            result.removed += isPrivate(value) ? 1 : 0;
            result.added += cancels ? 0 : 1;
            return;
        }
        const auto operands = producer != nullptr && isPrivate(value) ? operandsMoved(*producer, perm) : std::nullopt;
        if (!operands || result.cluster.size() >= kMaxCluster || value.type().rank() != static_cast<int32_t>(rank)) {
            result.removed += mergesBehind(value, perm) ? 1 : 0;
            ++result.added;
            return;
        }
        result.cluster.push_back(producer);
        for (size_t i = 0; i < *operands; ++i) {
            if (producer->input(i) != nullptr) {
                plan(*producer->input(i), perm, rank, result);
            }
        }
    }

    // reshape(transpose(x)) transposed once more is one transpose with reshapes.
    bool mergesBehind(const Value& value, const Permutation& perm) const {
        const Node* const shape = value.producer();
        const Node* const first = shape != nullptr && shape->op() == "reshape" ? shape->input(0)->producer() : nullptr;
        if (first == nullptr || first->op() != "transpose" || !isPrivate(value) || !isPrivate(*shape->input(0)) ||
            !isMovement(mRewriter.pool(), *shape) || !isMovement(mRewriter.pool(), *first)) {
            return false;
        }
        auto map = ViewMap::of(mRewriter.pool(), first->input(0)->type());
        return map && map->apply(*first) && map->apply(*shape) && map->transpose(perm);
    }

    // transpose(f(a, b)) as f(transpose(a), transpose(b)) where that saves something.
    bool pullUp(Node& node) {
        const auto perm = permutationOf(&node);
        const Value& value = *node.input(0);
        const Node* const producer = value.producer();
        if (!perm || producer == nullptr || !isPrivate(value) || !operandsMoved(*producer, *perm)) {
            return false;
        }
        Plan result;
        plan(value, *perm, perm->size(), result);
        if (result.added >= result.removed + 1) {
            return false;
        }
        mRewriter.replace(node, moved(node, *node.input(0), *perm));
        return true;
    }

    // The value transposed, following the plan.
    Value* moved(Node& at, Value& value, const Permutation& perm) {
        if (mindsNot(value, perm)) {
            return &value;
        }
        if (value.constant() != nullptr) {
            return transposed(at, alignedRank(at, value, perm.size()), perm);
        }
        Node* const producer = value.producer();
        if (const auto own = permutationOf(producer); own && own->size() == perm.size()) {
            return transposed(at, producer->input(0), compose(*own, perm));
        }
        const auto operands = producer != nullptr && isPrivate(value) ? operandsMoved(*producer, perm) : std::nullopt;
        if (!operands || value.type().rank() != static_cast<int32_t>(perm.size())) {
            return transposed(at, alignedRank(at, value, perm.size()), perm);
        }
        std::vector<Value*> inputs = producer->inputs();
        for (size_t i = 0; i < *operands; ++i) {
            inputs[i] = inputs[i] != nullptr ? moved(*producer, *inputs[i], perm) : nullptr;
        }
        Value* const made =
            mRewriter.makeInstead(*producer, producer->op(), std::move(inputs), movedAttributes(*producer, perm));
        keepSources(made, *producer);
        return made;
    }

    // The transposes that `made` no longer needs live on in its sources.
    void keepSources(Value* made, const Node& original) {
        for (const Value* input : original.inputs()) {
            if (made != nullptr && input != nullptr && permutationOf(input->producer())) {
                mRewriter.editor().addSource(made->producer(), input->producer()->source());
            }
        }
    }

    // A broadcast operand of lower rank gets its leading dimensions, so that it can be transposed.
    Value* alignedRank(Node& at, Value& value, size_t rank) {
        const auto own = static_cast<size_t>(std::max(value.type().rank(), 0));
        if (own >= rank) {
            return &value;
        }
        std::vector<ir::DimExpr> dims(rank - own, mRewriter.pool().constant(1));
        dims.insert(dims.end(), value.type().dims.begin(), value.type().dims.end());
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{std::move(dims)});
        attributes.set("allow_zero", int64_t{1});
        return mRewriter.make(at, "reshape", {&value}, std::move(attributes));
    }

    // Dimension d of a tensor is dimension inverse(perm)[d] of the transposed one.
    ir::AttributeMap movedAttributes(const Node& node, const Permutation& perm) const {
        ir::AttributeMap attributes = node.attributes();
        const Permutation to = inverse(perm);
        if (isReduction(node)) {
            const int32_t rank = node.input(0)->type().rank();
            std::vector<int64_t> axes = node.attributes().intsOr("axes", {});
            for (int64_t& axis : axes) {
                axis = to[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
            }
            std::sort(axes.begin(), axes.end());
            attributes.set("axes", std::move(axes));
        } else if (hasAxis(node)) {
            attributes.set("axis", to[static_cast<size_t>(*axisOf(node))]);
        }
        return attributes;
    }

    // f(transpose(a), transpose(b)) as transpose(f(a, b)).
    bool sink(Node& node) {
        if (!isTransparent(node)) {
            return false;
        }
        std::optional<Permutation> perm;
        int count = 0;
        for (const Value* input : node.inputs()) {
            if (input == nullptr || (isSingle(*input) && input->type().rank() <= 1)) {
                continue;
            }
            if (input->constant() != nullptr && mContext.evaluator != nullptr) {
                continue;
            }
            const auto own = permutationOf(input->producer());
            if (!own || !isPrivate(*input) || (perm && *perm != *own) ||
                own->size() != static_cast<size_t>(node.output(0)->type().rank())) {
                return false;
            }
            perm = own;
            ++count;
        }
        if (count < 2) {
            return false;
        }
        const Permutation back = inverse(*perm);
        std::vector<Value*> inputs;
        for (Value* input : node.inputs()) {
            inputs.push_back(input != nullptr ? moved(node, *input, back) : nullptr);
        }
        Value* const inner = mRewriter.makeInstead(node, node.op(), std::move(inputs), movedAttributes(node, back));
        keepSources(inner, node);
        mRewriter.replace(node, transposed(node, inner, *perm));
        return true;
    }

    // --- Through products ------------------------------------------------------------------------------------------------

    // The nodes from a product of transposed rows on, the last of which is read by movements with a transpose among them that takes `perm` in; empty
    // where there is none.
    std::vector<Node*> rowsFrom(Node& product, const Permutation& perm) const {
        constexpr size_t kMaxChain = 4;
        std::vector<Node*> chain;
        Node* node = &product;
        do {
            const auto operands = node->outputs().size() == 1 ? operandsMoved(*node, perm) : std::nullopt;
            const Value* const before = chain.empty() ? nullptr : chain.back()->output(0);
            const bool fits =
                operands && node->output(0)->type().rank() == static_cast<int32_t>(perm.size()) &&
                (chain.empty() ? *operands == 1
                               : std::all_of(node->inputs().begin(), node->inputs().end(), [&](const Value* input) {
                                     return input == nullptr || input == before || mindsNot(*input, perm);
                                 }));
            if (!fits || !isPrivate(*node->output(0)) || node->settings().debugOutput || chain.size() == kMaxChain) {
                return {};
            }
            chain.push_back(node);
            node = node->output(0)->uses()[0].node;
        } while (!isMovement(mRewriter.pool(), *node));
        auto map = ViewMap::of(mRewriter.pool(), product.output(0)->type()); // in whatever order
        for (; map && isMovement(mRewriter.pool(), *node) && map->apply(*node);
             node = node->output(0)->uses()[0].node) {
            if (node->op() == "transpose") {
                return chain;
            }
            if (!isPrivate(*node->output(0))) {
                break;
            }
        }
        return {};
    }

    bool sinkRows(Node& node) {
        const auto perm = permutationOf(&node);
        const Value& value = *node.output(0);
        if (!perm || fixedTail(*perm) == 0 || value.uses().empty() || value.isGraphOutput() || value.quantization()) {
            return false;
        }
        std::vector<std::vector<Node*>> chains;
        for (const ir::Use& use : value.uses()) {
            chains.push_back(use.index == 0 ? rowsFrom(*use.node, *perm) : std::vector<Node*>{});
            if (chains.back().empty()) {
                return false;
            }
        }
        for (const std::vector<Node*>& chain : chains) {
            Value* made = node.input(0);
            Value* before = node.output(0);
            for (Node* each : chain) {
                std::vector<Value*> inputs = each->inputs();
                std::replace(inputs.begin(), inputs.end(), before, made);
                before = each->output(0);
                made = mRewriter.makeInstead(*each, each->op(), std::move(inputs), each->attributes());
                if (made == nullptr) {
                    return true;
                }
            }
            Node& last = *chain.back();
            mRewriter.replace(last, transposed(last, made, *perm));
        }
        return true;
    }

    // --- Consumers that do not mind --------------------------------------------------------------------------------------

    bool skipByReduction(Node& node) {
        const Value* const x = node.input(0);
        const auto perm = permutationOf(x->producer());
        const std::vector<int64_t> axes = node.attributes().intsOr("axes", {});
        if (!perm || node.inputs().size() != 1 || axes.empty() || node.attributes().intOr("keep_dims", 1) != 0) {
            return false;
        }
        std::vector<bool> reduced(perm->size(), false);
        std::vector<int64_t> from;
        for (const int64_t axis : axes) {
            const auto at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(perm->size()) : axis);
            reduced[at] = true;
            from.push_back((*perm)[at]);
        }
        Permutation rest;
        for (size_t i = 0; i < perm->size(); ++i) {
            if (!reduced[i]) {
                rest.push_back((*perm)[i]);
            }
        }
        if (!isIdentity(rest)) {
            return false;
        }
        std::sort(from.begin(), from.end());
        mRewriter.setAttribute(node, "axes", std::move(from));
        mRewriter.setInput(node, 0, x->producer()->input(0));
        return true;
    }

    // A reduction that keeps its dimensions reads the tensor as it was, if a reshape gives what it reduces to its order.
    bool skipByMean(Node& node) {
        const Value* const x = node.input(0);
        const auto perm = permutationOf(x->producer());
        const std::vector<int64_t> axes = node.attributes().intsOr("axes", {});
        if (!perm || !isTransparent(node) || axes.front() < 0) {
            return false;
        }
        Permutation rest;
        std::vector<int64_t> from;
        for (size_t i = 0; i < perm->size(); ++i) {
            const bool isReduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
            (isReduced ? from : rest).push_back((*perm)[i]);
        }
        if (!isIdentity(rest)) {
            return false;
        }
        std::sort(from.begin(), from.end());
        ir::AttributeMap attributes = node.attributes();
        attributes.set("axes", std::move(from));
        Value* const made = mRewriter.makeInstead(node, node.op(), {x->producer()->input(0)}, std::move(attributes));
        keepSources(made, node);
        mRewriter.replace(node, transposed(node, made, *perm));
        return true;
    }

    // The operand of a pointwise node that is not a single number, if there is one only and its shape is the node's.
    std::optional<size_t> chainOperand(const Node& node) const {
        if (isReduction(node) || hasAxis(node) || !isTransparent(node)) {
            return std::nullopt;
        }
        std::optional<size_t> operand;
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            const Value* const input = node.input(i);
            if (input != nullptr && isSingle(*input) && input->type().rank() <= 1) {
                continue;
            }
            if (operand || input == nullptr) {
                return std::nullopt;
            }
            operand = i;
        }
        return operand && sameShape(mRewriter.pool(), node.input(*operand)->type(), node.output(0)->type())
                   ? operand
                   : std::nullopt;
    }

    void intoMatmul(Node& node, size_t index, const char* flag) {
        constexpr size_t kMaxChain = 8;
        std::vector<std::pair<Node*, size_t>> chain; // from the product towards the transpose
        Value* value = node.input(index);
        auto perm = value != nullptr ? permutationOf(value->producer()) : std::nullopt;
        while (!perm && value != nullptr && value->producer() != nullptr && isPrivate(*value) &&
               chain.size() < kMaxChain) {
            const auto operand = chainOperand(*value->producer());
            if (!operand) {
                return;
            }
            chain.emplace_back(value->producer(), *operand);
            value = value->producer()->input(*operand);
            perm = permutationOf(value->producer());
        }
        if (!perm || perm->size() < 2 || (!chain.empty() && !isPrivate(*value))) {
            return;
        }
        Permutation swapped = *perm;
        std::swap(swapped[swapped.size() - 2], swapped[swapped.size() - 1]);
        if (!isIdentity(swapped)) {
            return;
        }
        Node& transpose = *value->producer();
        const ir::SourceSet source = transpose.source();
        Value* plain = transpose.input(0);
        for (auto link = chain.rbegin(); link != chain.rend() && plain != nullptr; ++link) {
            std::vector<Value*> inputs = link->first->inputs();
            inputs[link->second] = plain;
            plain =
                mRewriter.makeInstead(*link->first, link->first->op(), std::move(inputs), link->first->attributes());
        }
        if (plain == nullptr) {
            return;
        }
        if (node.attributes().intOr(flag, 0) == 0) {
            mRewriter.setAttribute(node, flag, int64_t{1});
        } else {
            mRewriter.eraseAttribute(node, flag);
        }
        mRewriter.editor().addSource(&node, source);
        mRewriter.setInput(node, index, plain);
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> transposeElimination(PassContext& context) { return Eliminator(context).run(); }

} // namespace tenon::passes
