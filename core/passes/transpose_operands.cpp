#include "core/passes/transpose_operands.h"

#include <algorithm>
#include <numeric>

namespace tenon::passes {

using ir::Node;
using ir::Value;

std::optional<Permutation> permutationOf(const Node* node) {
    if (node == nullptr || node->op() != "transpose" || node->settings().debugOutput ||
        node->input(0)->type().rank() < 0) {
        return std::nullopt;
    }
    const auto rank = static_cast<size_t>(node->input(0)->type().rank());
    Permutation perm = node->attributes().intsOr("perm", {});
    if (!node->attributes().has("perm")) {
        for (size_t i = rank; i-- > 0;) {
            perm.push_back(static_cast<int64_t>(i));
        }
    }
    return perm.size() == rank ? std::optional<Permutation>(perm) : std::nullopt;
}

bool isIdentity(const Permutation& perm) { return std::is_sorted(perm.begin(), perm.end()); }

Permutation compose(const Permutation& first, const Permutation& second) {
    Permutation result;
    for (const int64_t from : second) {
        result.push_back(first[static_cast<size_t>(from)]);
    }
    return result;
}

Permutation inverse(const Permutation& perm) {
    Permutation result(perm.size());
    for (size_t i = 0; i < perm.size(); ++i) {
        result[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
    }
    return result;
}

bool transposeOfProduct(Rewriter& rewriter, Node& node) {
    const auto perm = permutationOf(&node);
    const Value& value = *node.input(0);
    Node* const product = value.producer();
    if (!perm || product == nullptr || product->op() != "matmul" || !isPrivate(value) || value.quantization() ||
        product->settings().debugOutput || product->input(0)->type().rank() < 2 ||
        product->input(1)->type().rank() < 2 || product->input(1)->constant() != nullptr) {
        return false;
    }
    Permutation swapped = *perm;
    std::swap(swapped[swapped.size() - 2], swapped[swapped.size() - 1]);
    if (!isIdentity(swapped)) {
        return false;
    }
    ir::AttributeMap attributes;
    for (const auto& [flag, other] : {std::pair{"trans_a", "trans_b"}, std::pair{"trans_b", "trans_a"}}) {
        if (product->attributes().intOr(other, 0) == 0) {
            attributes.set(flag, int64_t{1});
        }
    }
    Value* const made =
        rewriter.makeInstead(*product, "matmul", {product->input(1), product->input(0)}, std::move(attributes));
    rewriter.replace(node, made);
    return true;
}

void flagIntoTranspose(Rewriter& rewriter, Node& node) {
    const auto perm =
        node.attributes().intOr("trans_a", 0) != 0 ? permutationOf(node.input(0)->producer()) : std::nullopt;
    if (!perm || perm->size() < 2 || !isPrivate(*node.input(0))) {
        return;
    }
    Node& transpose = *node.input(0)->producer();
    ir::AttributeMap attributes;
    Permutation swapped = *perm;
    std::swap(swapped[swapped.size() - 2], swapped[swapped.size() - 1]);
    attributes.set("perm", swapped);
    if (Value* const made = rewriter.makeInstead(transpose, "transpose", {transpose.input(0)}, std::move(attributes))) {
        rewriter.eraseAttribute(node, "trans_a");
        rewriter.setInput(node, 0, made);
    }
}

void headsOfAttention(Rewriter& rewriter, Node& node) {
    const auto rank = static_cast<size_t>(std::max(node.output(0)->type().rank(), 0));
    if (rank < 3 || node.output(0)->quantization() || node.attributes().intOr("heads_axis", -3) != -3 ||
        node.attributes().intOr("k_transposed", 0) != 0) {
        return;
    }
    Permutation swap(rank);
    std::iota(swap.begin(), swap.end(), 0);
    std::swap(swap[rank - 3], swap[rank - 2]);
    std::vector<Value*> inputs = node.inputs();
    size_t removed = 0;
    for (size_t i = 0; i < 3; ++i) {
        const auto perm = permutationOf(inputs[i]->producer());
        if (!perm || *perm != swap) {
            return;
        }
        removed += isPrivate(*inputs[i]) ? 1 : 0;
        inputs[i] = inputs[i]->producer()->input(0);
    }
    if (removed < 2) { // one is made
        return;
    }
    ir::AttributeMap attributes = node.attributes();
    attributes.set("heads_axis", int64_t{-2});
    Value* const made = rewriter.makeInstead(node, "attention", std::move(inputs), std::move(attributes));
    if (made == nullptr) {
        return;
    }
    for (size_t i = 0; i < 3; ++i) {
        rewriter.editor().addSource(made->producer(), node.input(i)->producer()->source());
    }
    ir::AttributeMap back;
    back.set("perm", swap);
    rewriter.replace(node, rewriter.make(node, "transpose", {made}, std::move(back)));
}

} // namespace tenon::passes
