// attention_form: attention takes the form that pattern_attention looks for.
//
//   several masks on the scores become one: sums of what is added; where(c, s, n) + m is s + where(c, m, m + n) for an n beside which scores vanish
//   reshapes that only regroup batches and heads, between the two products or behind them, move in front of the products
//
// The first comes of biases by position that a padding mask follows (T5, Swin, GPT-2), the second of products of three dimensions around a mask of
// four (OPT, BLOOM) and of heads in groups, five dimensions, whose keys broadcast. Done where it leaves softmax and products as they are otherwise.
#include "core/passes/formula.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <cmath>

namespace tenon::passes {

namespace {

using ir::DimExpr;
using ir::Node;
using ir::Value;
using Extents = std::vector<DimExpr>;

// A node that changes scores, and which operand they are.
struct Step {
    Node* node = nullptr;
    size_t scores = 0;

    Value* input() const { return node->input(scores); }
    bool isMask() const { return node->op() == "binary.add" || node->op() == "where"; }
    // What a sum adds to the scores, or the condition of a choice.
    Value* mask() const { return node->input(node->op() == "where" || scores == 1 ? 0 : 1); }
    // What a choice puts in place of scores.
    Value* fill() const { return node->input(scores == 1 ? 2 : 1); }
};

// From the product of scores (left out) to the softmax (left out), each node the only reader of the one before.
struct Chain {
    Node* product = nullptr;
    std::vector<Step> steps;
    size_t masks = 0;
    bool regroups = false;
};

// All masks of a chain up to some step.
struct Mask {
    Value* added = nullptr;
    const Step* choice = nullptr; // where nothing is added
    Value* condition = nullptr;   // of the choice, with the heads that are wanted
};

class Former {
public:
    explicit Former(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.op() == "softmax" && !node.settings().debugOutput) {
                form(node);
            }
        });
        return mRewriter.finish();
    }

private:
    // --- Questions -------------------------------------------------------------------------------------------------------

    // Heads, and behind them the two dimensions of a matrix; of fewer dimensions there are no heads.
    struct Split {
        Extents heads;
        Extents matrix;
    };
    static Split split(const Value& value) {
        const Extents& dims = value.type().dims;
        const auto middle = dims.end() - std::min<std::ptrdiff_t>(2, std::ssize(dims));
        return {{dims.begin(), middle}, {middle, dims.end()}};
    }
    static Extents headsOf(const Value& value) { return split(value).heads; }
    // A product of matrices with heads: vectors have no heads to regroup.
    static bool isProduct(const Node* node) {
        return node != nullptr && node->op() == "matmul" && node->input(0)->type().rank() >= 2 &&
               node->input(1)->type().rank() >= 2 && node->output(0)->type().rank() >= 3;
    }
    static Extents joined(Extents a, const Extents& b) {
        a.insert(a.end(), b.begin(), b.end());
        return a;
    }
    bool isOne(DimExpr extent) const {
        return mRewriter.pool().isConstant(extent) && mRewriter.pool().constantValue(extent) == 1;
    }
    bool same(const Extents& a, const Extents& b) const {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [this](DimExpr x, DimExpr y) { return mRewriter.pool().provablyEqual(x, y); });
    }
    static Node* readerOf(const Value& value) {
        Node* const reader = value.uses().size() == 1 ? value.uses()[0].node : nullptr;
        return reader != nullptr && isReadOnlyBy(value, *reader) && !value.quantization() &&
                       !reader->settings().debugOutput
                   ? reader
                   : nullptr;
    }

    // A reshape that leaves the last two dimensions.
    bool isRegrouping(const Node* node) const {
        if (node == nullptr || node->op() != "reshape" || node->input(1) != nullptr) {
            return false;
        }
        const ir::TensorType& from = node->input(0)->type();
        const ir::TensorType& to = node->output(0)->type();
        return from.rank() >= 3 && to.rank() >= 3 && isExplicitShape(mRewriter.pool(), to) &&
               isExplicitShape(mRewriter.pool(), from) &&
               same(split(*node->input(0)).matrix, split(*node->output(0)).matrix);
    }

    // --- The chain -------------------------------------------------------------------------------------------------------

    // Back from a value to the product that it is the scores of, through masks, factors and regroupings.
    bool follow(const Value& value, Chain& chain, int depth) const {
        Node* const node = value.producer();
        if (node == nullptr || depth == 0 || readerOf(value) == nullptr || node->settings().debugOutput) {
            return false;
        }
        if (node->op() == "matmul") {
            chain.product = node;
            return isProduct(node);
        }
        const bool regroups = isRegrouping(node);
        const bool isChoice = node->op() == "where";
        const bool isScale = (node->op() == "binary.mul" || node->op() == "binary.div") && withNumber(*node);
        if (!regroups && !isChoice && !isScale && node->op() != "binary.add") {
            return false;
        }
        for (size_t i = isChoice ? 1 : 0; i < node->inputs().size(); ++i) {
            const Value& operand = *node->input(i);
            const bool fits = regroups || (sameShape(mRewriter.pool(), operand.type(), value.type()) &&
                                           (node->op() != "binary.div" || i == 0));
            if (fits && follow(operand, chain, depth - 1)) {
                chain.steps.push_back({node, i});
                chain.masks += chain.steps.back().isMask() ? 1 : 0;
                chain.regroups = chain.regroups || regroups;
                return true;
            }
        }
        return false;
    }

    // --- Forming ---------------------------------------------------------------------------------------------------------

    void form(Node& softmax) {
        const int32_t rank = softmax.output(0)->type().rank();
        const int64_t axis = softmax.attributes().intOr("axis", -1);
        constexpr int kMostSteps = 8;
        Chain chain;
        if (rank < 3 || (axis != -1 && axis != rank - 1) || !follow(*softmax.input(0), chain, kMostSteps)) {
            return;
        }
        // What follows, if it is as simple as it may be: the second product, regroupings before and behind it.
        Node* before = readerOf(*softmax.output(0));
        before = isRegrouping(before) ? before : nullptr;
        Value* const probabilities = before != nullptr ? before->output(0) : softmax.output(0);
        Node* product = readerOf(*probabilities);
        product = isProduct(product) && product->input(0) == probabilities &&
                          product->attributes().intOr("trans_a", 0) == 0 &&
                          same(headsOf(*product->output(0)), headsOf(*probabilities))
                      ? product
                      : nullptr;
        before = product != nullptr ? before : nullptr; // without a product nothing moves
        Node* behind = product != nullptr ? readerOf(*product->output(0)) : nullptr;
        behind = isRegrouping(behind) ? behind : nullptr;
        Extents heads = headsOf(*softmax.output(0));
        const bool isGrouped = rank == 5 && behind != nullptr && behind->output(0)->type().rank() == 4;
        if (product != nullptr && (chain.regroups || before != nullptr || isGrouped)) {
            heads = behind != nullptr ? headsOf(*behind->output(0)) : heads;
        } else if (chain.masks < 2) {
            return;
        }
        const bool moves = !same(heads, headsOf(*softmax.output(0))) || before != nullptr;
        if ((moves && heads.size() != 2) || !canForm(chain, heads)) {
            return;
        }
        Value* const scores = formed(softmax, chain, heads);
        if (scores == nullptr) {
            return;
        }
        if (!moves) {
            mRewriter.setInput(softmax, 0, scores);
            return;
        }
        ir::AttributeMap attributes;
        attributes.set("axis", static_cast<int64_t>(heads.size()) + 1);
        Value* const p = mRewriter.makeInstead(softmax, "softmax", {scores}, std::move(attributes));
        Value* const v = regrouped(*product, product->input(1), headsOf(*product->output(0)), heads);
        Value* result = p != nullptr && v != nullptr
                            ? mRewriter.makeInstead(*product, "matmul", {p, v}, product->attributes())
                            : nullptr;
        Node& last = behind != nullptr ? *behind : *product;
        mRewriter.replace(last, reshaped(last, result, last.output(0)->type().dims));
    }

    // All masks can be joined, and carried over to these heads.
    bool canForm(const Chain& chain, const Extents& heads) const {
        bool isMasked = false;
        const Step* choice = nullptr;
        for (const Step& step : chain.steps) {
            if (!step.isMask()) {
                if (isMasked && !isRegrouping(step.node)) {
                    return false; // a factor of masked scores
                }
                continue;
            }
            const bool isChoice = step.node->op() == "where";
            if (isChoice && (!splatOf(step.fill()) || step.fill()->constant()->elements() != 1 ||
                             step.fill()->type().rank() > static_cast<int32_t>(heads.size()) + 2)) {
                return false;
            }
            // Where a sum meets a choice, on either side of it, scores must vanish beside the number.
            const Step* const number = isChoice ? &step : choice;
            if ((isMasked && number != nullptr &&
                 !vanishBeside(*splatOf(number->fill()), step.input()->type().dtype)) ||
                (isChoice && choice != nullptr) || !canRegroup(*step.mask(), headsOf(*step.input()), heads)) {
                return false;
            }
            choice = isChoice ? &step : choice;
            isMasked = true;
        }
        return true;
    }

    // Adding a score to the number gives the number.
    static bool vanishBeside(double fill, ir::DataType type) {
        return fill <= (type == ir::DataType::kF16 ? -6e4 : -1e30);
    }

    // --- Regrouping ------------------------------------------------------------------------------------------------------

    Value* reshaped(Node& at, Value* value, const Extents& dims) {
        if (value == nullptr || same(value->type().dims, dims)) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{dims});
        attributes.set("allow_zero", int64_t{1});
        return mRewriter.make(at, "reshape", {value}, std::move(attributes));
    }

    // An operand of a product whose heads are `from`, with the heads `to`.
    Value* regrouped(Node& at, Value* value, const Extents& from, const Extents& to) {
        const auto [heads, matrix] = split(*value);
        if (same(heads, to)) {
            return value;
        }
        if (!same(heads, from)) {
            ir::AttributeMap attributes;
            attributes.set("shape", ir::DimList{joined(from, matrix)});
            value = mRewriter.make(at, "expand", {value}, std::move(attributes));
        }
        return reshaped(at, value, joined(to, matrix));
    }

    // The heads of a mask with dimensions that broadcast to `from` followed by two, as those of `to`; nothing where that takes more than a reshape.
    std::optional<Extents> maskHeads(const Value& mask, const Extents& from, const Extents& to) const {
        const Extents& dims = mask.type().dims;
        if (dims.size() <= 2 || same(from, to)) {
            return headsOf(mask);
        }
        Extents own(from.size() + 2 - dims.size(), mRewriter.pool().constant(1));
        own.insert(own.end(), dims.begin(), dims.end() - 2);
        size_t shared = 0; // dimensions that both have in front
        while (shared < from.size() && shared < to.size() && mRewriter.pool().provablyEqual(from[shared], to[shared])) {
            ++shared;
        }
        const auto rest = [shared](const Extents& extents) {
            return Extents{extents.begin() + static_cast<std::ptrdiff_t>(shared), extents.end()};
        };
        const Extents ownRest = rest(own);
        Extents heads = own;
        heads.resize(shared);
        if (std::all_of(ownRest.begin(), ownRest.end(), [this](DimExpr extent) { return isOne(extent); })) {
            heads.resize(to.size(), mRewriter.pool().constant(1));
        } else if (same(ownRest, rest(from))) {
            heads = joined(heads, rest(to));
        } else {
            return std::nullopt;
        }
        return heads;
    }
    bool canRegroup(const Value& mask, const Extents& from, const Extents& to) const {
        return isExplicitShape(mRewriter.pool(), mask.type()) && maskHeads(mask, from, to).has_value();
    }
    Value* regroupedMask(Node& at, Value* mask, const Extents& from, const Extents& to) {
        return reshaped(at, mask, joined(*maskHeads(*mask, from, to), split(*mask).matrix));
    }

    // --- The scores anew -------------------------------------------------------------------------------------------------

    Value* formed(Node& softmax, const Chain& chain, const Extents& heads) {
        const Extents from = headsOf(*chain.product->output(0));
        Value* scores = chain.product->output(0);
        if (!same(from, heads)) {
            Value* const q = regrouped(*chain.product, chain.product->input(0), from, heads);
            Value* const k = regrouped(*chain.product, chain.product->input(1), from, heads);
            scores = q != nullptr && k != nullptr
                         ? mRewriter.makeInstead(*chain.product, "matmul", {q, k}, chain.product->attributes())
                         : nullptr;
        }
        Mask mask;
        for (const Step& step : chain.steps) {
            if (scores == nullptr) {
                return nullptr;
            }
            if (step.isMask()) {
                lay(mask, step, regroupedMask(*step.node, step.mask(), headsOf(*step.input()), heads));
            } else if (!isRegrouping(step.node)) {
                std::vector<Value*> inputs = step.node->inputs();
                inputs[step.scores] = scores;
                scores = mRewriter.makeInstead(*step.node, step.node->op(), inputs, step.node->attributes());
            }
        }
        if (mask.choice != nullptr) {
            return chosen(*mask.choice, mask.condition, scores, mask.choice->fill());
        }
        return mask.added != nullptr ? mRewriter.make(softmax, "binary.add", {scores, mask.added}) : scores;
    }

    // One more mask on those that are there.
    void lay(Mask& mask, const Step& step, Value* own) {
        if (step.node->op() == "where") {
            if (mask.added == nullptr) {
                mask.choice = &step;
                mask.condition = own;
            } else {
                mask.added = chosen(step, own, mask.added, step.fill());
            }
        } else if (mask.choice != nullptr) {
            Value* const other = mRewriter.make(*step.node, "binary.add", {own, mask.choice->fill()});
            mask.added = chosen(*mask.choice, mask.condition, own, other);
            mask.choice = nullptr;
        } else {
            mask.added = mask.added != nullptr ? mRewriter.make(*step.node, "binary.add", {mask.added, own}) : own;
        }
    }

    // The choice of the step between other values.
    Value* chosen(const Step& step, Value* condition, Value* kept, Value* other) {
        if (condition == nullptr || kept == nullptr || other == nullptr) {
            return nullptr;
        }
        const bool keeps = step.scores == 1;
        return mRewriter.make(*step.node, "where", {condition, keeps ? kept : other, keeps ? other : kept});
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> attentionForm(PassContext& context) { return Former(context).run(); }

} // namespace tenon::passes
