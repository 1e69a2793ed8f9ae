// reshape_elim: reshapes cancel and compose.
//
//   reshape(reshape(x)) is one reshape; a reshape to the shape that the input has disappears
//   reshape(f(reshape(x))), f a chain of pointwise ops with no other tensor operand, back to the shape of x is f(x)
//   so do reshapes around a product with constant weights, with what is added to it, that regroup its rows only: one is left in front of it
//   rows of a table, reshaped to more or fewer dimensions of rows: the indices are
//   a squeeze-like reshape between a reduction that keeps dimensions and its readers is a reduction that drops them
#include "core/passes/products.h"
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

bool isReshape(const Node* node) {
    return node != nullptr && node->op() == "reshape" && node->input(1) == nullptr && !node->settings().debugOutput;
}

class Eliminator {
public:
    explicit Eliminator(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (isReshape(&node)) {
                remove(node) || merge(node) || intoReduction(node) || intoGather(node) || aroundChain(node) ||
                    aroundRows(node);
            }
        });
        return mRewriter.finish();
    }

private:
    bool remove(Node& node) {
        if (!sameShape(mRewriter.pool(), node.input(0)->type(), node.output(0)->type())) {
            return false;
        }
        mRewriter.replace(node, node.input(0));
        return true;
    }

    // The outer one must say its extents without looking at its input: a 0 copies, a -1 counts.
    bool merge(Node& node) {
        const Node* const inner = node.input(0)->producer();
        const ir::TensorType& type = node.output(0)->type();
        if (!isReshape(inner) || !isExplicitShape(mRewriter.pool(), type) || inner->input(0)->type().rank() < 0) {
            return false;
        }
        mRewriter.setAttribute(node, "shape", ir::DimList{type.dims});
        mRewriter.setAttribute(node, "allow_zero", int64_t{1});
        mRewriter.setInput(node, 0, inner->input(0));
        return true;
    }

    bool intoReduction(Node& node) {
        Node* const inner = node.input(0)->producer();
        if (inner == nullptr || inner->op().compare(0, 7, "reduce.") != 0 || inner->inputs().size() != 1 ||
            inner->settings().debugOutput || !isPrivate(*node.input(0)) ||
            inner->attributes().intOr("keep_dims", 1) == 0) {
            return false;
        }
        const ir::TensorType& x = inner->input(0)->type();
        std::vector<int64_t> axes = inner->attributes().intsOr("axes", {});
        if (!x.ranked || axes.empty()) {
            return false;
        }
        std::vector<bool> reduced(x.dims.size(), false);
        for (const int64_t axis : axes) {
            reduced[static_cast<size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
        }
        ir::TensorType rest = node.output(0)->type();
        rest.dims.clear();
        for (size_t i = 0; i < x.dims.size(); ++i) {
            if (!reduced[i]) {
                rest.dims.push_back(x.dims[i]);
            }
        }
        if (!sameShape(mRewriter.pool(), rest, node.output(0)->type())) {
            return false;
        }
        ir::AttributeMap attributes = inner->attributes();
        attributes.set("keep_dims", int64_t{0});
        mRewriter.replace(node, mRewriter.makeInstead(*inner, inner->op(), {inner->input(0)}, std::move(attributes)));
        return true;
    }

    // gather(table, i) of whole rows, whose rows are grouped anew
    bool intoGather(Node& node) {
        Node* const gather = node.input(0)->producer();
        const ir::TensorType& type = node.output(0)->type();
        if (gather == nullptr || gather->op() != "gather" || !isPrivate(*node.input(0)) ||
            gather->settings().debugOutput || node.input(0)->quantization() || gather->input(0)->type().rank() != 2 ||
            gather->input(1)->constant() != nullptr || gather->input(1)->type().rank() < 1 ||
            gather->attributes().intOr("axis", 0) != 0 || type.rank() < 2 || !isExplicitShape(mRewriter.pool(), type) ||
            !mRewriter.pool().provablyEqual(type.dims.back(), gather->input(0)->type().dims[1])) {
            return false;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{{type.dims.begin(), type.dims.end() - 1}});
        attributes.set("allow_zero", int64_t{1});
        Value* const indices = mRewriter.make(node, "reshape", {gather->input(1)}, std::move(attributes));
        mRewriter.replace(
            node, indices != nullptr
                      ? mRewriter.makeInstead(*gather, "gather", {gather->input(0), indices}, gather->attributes())
                      : nullptr);
        return true;
    }

    // A pointwise node with one operand that is a tensor of several elements.
    std::optional<size_t> chainOperand(const Node& node) const {
        const ops::OpDef* const def = mRewriter.def(node);
        if (def == nullptr || !isElementwise(*def, node) || node.outputs().size() != 1 || node.settings().debugOutput ||
            node.output(0)->quantization()) {
            return std::nullopt;
        }
        std::optional<size_t> operand;
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            const Value* const input = node.input(i);
            const auto dims = input != nullptr ? staticDims(mRewriter.pool(), input->type()) : std::nullopt;
            const bool isSingle =
                dims && std::all_of(dims->begin(), dims->end(), [](int64_t extent) { return extent == 1; });
            if (isSingle && input->constant() != nullptr && dims->size() <= 1) {
                continue;
            }
            if (operand || input == nullptr) {
                return std::nullopt;
            }
            operand = i;
        }
        if (!operand || !sameShape(mRewriter.pool(), node.input(*operand)->type(), node.output(0)->type())) {
            return std::nullopt;
        }
        return operand;
    }

    bool aroundChain(Node& node) {
        constexpr size_t kMaxChain = 32;
        std::vector<std::pair<Node*, size_t>> chain; // from the outer reshape inwards
        Value* value = node.input(0);
        while (value->producer() != nullptr && !isReshape(value->producer()) && chain.size() < kMaxChain) {
            const auto operand = isPrivate(*value) ? chainOperand(*value->producer()) : std::nullopt;
            if (!operand) {
                return false;
            }
            chain.emplace_back(value->producer(), *operand);
            value = value->producer()->input(*operand);
        }
        Node* const first = value->producer();
        if (chain.empty() || first == nullptr || !isReshape(first) ||
            !sameShape(mRewriter.pool(), first->input(0)->type(), node.output(0)->type())) {
            return false;
        }
        Value* moved = first->input(0);
        for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
            std::vector<Value*> inputs = link->first->inputs();
            inputs[link->second] = moved;
            moved =
                mRewriter.makeInstead(*link->first, link->first->op(), std::move(inputs), link->first->attributes());
            if (moved == nullptr) {
                return true;
            }
        }
        mRewriter.replace(node, moved);
        return true;
    }

    // The operand whose rows the node computes one by one; nothing if it mixes them.
    std::optional<size_t> rowOperand(const Node& node) const {
        if (node.outputs().size() != 1 || node.settings().debugOutput || node.output(0)->quantization()) {
            return std::nullopt;
        }
        if (isRowProduct(node)) {
            return 0;
        }
        const ops::OpDef* const def = mRewriter.def(node);
        std::optional<size_t> operand;
        for (size_t i = 0; def != nullptr && def->pointwise && i < node.inputs().size(); ++i) {
            const Value* const input = node.input(i);
            if (input != nullptr && input->constant() != nullptr && input->type().rank() <= 1) {
                continue;
            }
            if (operand || input == nullptr || !sameShape(mRewriter.pool(), input->type(), node.output(0)->type())) {
                return std::nullopt;
            }
            operand = i;
        }
        return operand;
    }

    bool aroundRows(Node& node) {
        constexpr size_t kMaxChain = 8;
        const std::vector<ir::DimExpr>& rows = node.output(0)->type().dims;
        std::vector<std::pair<Node*, size_t>> chain; // from the outer reshape inwards
        bool hasProduct = false;
        Value* value = node.input(0);
        if (rows.size() < 2 || value->type().rank() < 2 || !isExplicitShape(mRewriter.pool(), node.output(0)->type()) ||
            !mRewriter.pool().provablyEqual(rows.back(), value->type().dims.back())) {
            return false;
        }
        while (value->producer() != nullptr && !isReshape(value->producer()) && chain.size() < kMaxChain) {
            const auto operand = isPrivate(*value) ? rowOperand(*value->producer()) : std::nullopt;
            if (!operand) {
                return false;
            }
            hasProduct = hasProduct || isRowProduct(*value->producer());
            chain.emplace_back(value->producer(), *operand);
            value = value->producer()->input(*operand);
        }
        if (!hasProduct || value->producer() == nullptr || !isReshape(value->producer())) {
            return false;
        }
        ir::TensorType type = value->type();
        type.dims.assign(rows.begin(), rows.end() - 1);
        type.dims.push_back(value->type().dims.back());
        Value* moved = value->producer()->input(0);
        if (!isExplicitShape(mRewriter.pool(), type) || moved->type().rank() < 0) {
            return false;
        }
        if (!sameShape(mRewriter.pool(), moved->type(), type)) {
            ir::AttributeMap attributes;
            attributes.set("shape", ir::DimList{type.dims});
            attributes.set("allow_zero", int64_t{1});
            moved = mRewriter.makeInstead(*value->producer(), "reshape", {moved}, std::move(attributes));
        }
        for (auto link = chain.rbegin(); link != chain.rend() && moved != nullptr; ++link) {
            std::vector<Value*> inputs = link->first->inputs();
            inputs[link->second] = moved;
            moved =
                mRewriter.makeInstead(*link->first, link->first->op(), std::move(inputs), link->first->attributes());
        }
        if (moved != nullptr) {
            mRewriter.replace(node, moved);
        }
        return true;
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> reshapeElimination(PassContext& context) { return Eliminator(context).run(); }

} // namespace tenon::passes
