// recognise_softmax: softmax written out becomes the op that it is.
//
//   e / sum(e) along one dimension, e = exp(x - max(x)) or exp(x)
//
// The maximum, where it is left out, changes no result that is a number.
#include "core/passes/formula.h"
#include "core/passes/rewriter.h"

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

class Recogniser {
public:
    explicit Recogniser(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if ((node.op() == "binary.div" || node.op() == "binary.mul") && !node.settings().debugOutput &&
                ir::isFloat(node.output(0)->type().dtype)) {
                recognise(node);
            }
        });
        return mRewriter.finish();
    }

private:
    // The one dimension that a reduction which keeps it reduces; `value` is what it reduces.
    static std::optional<int64_t> axisOf(const Value* reduced, std::string_view op, const Value& value) {
        const Node* const node = producerOf(reduced, op);
        if (node == nullptr || node->input(0) != &value || node->inputs().size() != 1 ||
            node->attributes().intOr("keep_dims", 1) == 0 || reduced->quantization()) {
            return std::nullopt;
        }
        const std::vector<int64_t> axes = node->attributes().intsOr("axes", {});
        return axes.size() == 1 && axes[0] >= 0 ? std::optional<int64_t>(axes[0]) : std::nullopt;
    }

    // e and its sum, whichever operand is which.
    void recognise(Node& node) {
        const bool isQuotient = node.op() == "binary.div";
        for (const size_t i : {0, 1}) {
            const Value* sum = node.input(1 - i);
            if (!isQuotient) {
                const Node* const reciprocal = producerOf(sum, "unary.recip");
                sum = reciprocal != nullptr ? reciprocal->input(0) : nullptr;
            }
            if (sum != nullptr && recognise(node, *node.input(i), *sum)) {
                return;
            }
            if (isQuotient) {
                return;
            }
        }
    }

    bool recognise(Node& node, const Value& e, const Value& sum) {
        const auto axis = axisOf(&sum, "reduce.sum", e);
        const Node* const exponential = producerOf(&e, "unary.exp");
        if (!axis || exponential == nullptr || e.quantization()) {
            return false;
        }
        Value* x = exponential->input(0);
        const Node* const difference = producerOf(x, "binary.sub");
        if (difference != nullptr && !x->quantization() &&
            axisOf(difference->input(1), "reduce.max", *difference->input(0)) == axis) {
            x = difference->input(0);
        }
        if (x->constant() != nullptr || !sameShape(mRewriter.pool(), x->type(), node.output(0)->type()) ||
            !isOfOnePrecision(node, *x)) {
            return false;
        }
        ir::AttributeMap attributes;
        attributes.set("axis", *axis);
        mRewriter.replace(node, mRewriter.makeInstead(node, "softmax", {x}, std::move(attributes)));
        return true;
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> recogniseSoftmax(PassContext& context) { return Recogniser(context).run(); }

} // namespace tenon::passes
