#include "core/passes/epilogue.h"

#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <optional>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// "activation.relu" -> "relu"
std::string shortName(const std::string& op) { return op.substr(op.find('.') + 1); }

class Follower {
public:
    Follower(const ir::Graph& graph, const ops::OpRegistry& ops) : mGraph(graph), mOps(ops) {}

    std::optional<EpilogueStep> next(const Node& root, const Value& value) const {
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
            return EpilogueStep{EpiloguePart::kActivation, shortName(reader->op()), {reader}};
        }
        if (reader->inputs().size() != 2 || reader->output(0)->type().dtype != value.type().dtype) {
            return std::nullopt;
        }
        const Value* const other = reader->input(value.uses()[0].index == 0 ? 1 : 0);
        if (other == nullptr || other->type().dtype != value.type().dtype) {
            return std::nullopt;
        }
        if (reader->op() == "prelu" && value.uses()[0].index == 0 && other->constant() != nullptr) {
            return EpilogueStep{EpiloguePart::kActivation, "prelu", {reader}};
        }
        if (reader->op() == "binary.mul" && other->constant() != nullptr && other->constant()->elements() == 1) {
            return EpilogueStep{EpiloguePart::kScale, "scale", {reader}};
        }
        if (reader->op() != "binary.add") {
            return std::nullopt;
        }
        if (other->constant() != nullptr) {
            return isPerChannel(root, *other)
                       ? std::optional<EpilogueStep>(EpilogueStep{EpiloguePart::kBias, "bias", {reader}})
                       : std::nullopt;
        }
        if (sameShape(mGraph.pool(), other->type(), value.type())) {
            return EpilogueStep{EpiloguePart::kResidual, "add", {reader}};
        }
        return std::nullopt;
    }

private:
    // value * f(value), where nothing else reads either.
    std::optional<EpilogueStep> gateOf(const Value& value) const {
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
                return EpilogueStep{EpiloguePart::kActivation, "x*" + shortName(function->op()), {function, product}};
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
};

} // namespace

std::vector<EpilogueStep> epilogueOf(const ir::Graph& graph, const ops::OpRegistry& ops, const Node& root) {
    std::vector<EpilogueStep> steps;
    const Follower follower(graph, ops);
    const auto has = [&](EpiloguePart part) {
        return std::any_of(steps.begin(), steps.end(), [&](const EpilogueStep& step) { return step.part == part; });
    };
    const Node* last = &root;
    while (!last->settings().debugOutput) {
        auto step = follower.next(root, *last->output(0));
        if (!step || has(step->part) || (has(EpiloguePart::kActivation) && step->part != EpiloguePart::kResidual)) {
            break;
        }
        last = step->nodes.back();
        steps.push_back(std::move(*step));
    }
    return steps;
}

} // namespace tenon::passes
