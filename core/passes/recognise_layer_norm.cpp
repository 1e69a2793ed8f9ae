// recognise_layer_norm: layer and RMS normalisation written in primitives become the op that they are.
//
//   mean(x)  d = x - mean  mean(d * d) + epsilon  its square root s      d / s, d * (1 / s), d * (1 / s * scale)
//            d = x                                                       then * scale, + bias
//   x * m + (bias - mean * m), m = 1 / s or 1 / s * scale                as TensorFlow writes it
//   mean(x * x) - mean(x) * mean(x)                                      the mean of d * d, as Keras writes it
//   sum(x * x) / n, the L2 norm / sqrt(n)                                the mean of x * x, and the square root of it
//
// Instance normalisation is that over all dimensions behind the channels. Over dimensions with others between them it is that between two
// transposes, and so it is over any that a transpose in front brought there; over neighbours elsewhere the parts are faster.
// Scale and bias are constants or inputs of the graph. What others read of the inside keeps it as it is.
#include "core/passes/formula.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"
#include "core/passes/transpose_operands.h"

#include <algorithm>
#include <cmath>
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
    std::vector<int64_t> axes;
    double epsilon = 0;
    std::vector<Node*> nodes;
};

class Recogniser {
public:
    explicit Recogniser(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.op() != "unary.sqrt" && node.op() != "unary.rsqrt" && node.op() != "binary.mul") {
                return;
            }
            if (const auto norm = normAt(node)) {
                replace(*norm);
            }
        });
        return mRewriter.finish();
    }

private:
    static Value* onlyOperandBut(const Node& node, const Value* one) {
        return node.inputs().size() != 2 ? nullptr : node.input(0) == one ? node.input(1) : node.input(0);
    }

    // Constant or input, and broadcast to x.
    bool isParameter(const Value* value, const Value& x) const {
        if (value == nullptr || (value->constant() == nullptr && value->producer() != nullptr) ||
            value->type().dtype != x.type().dtype || !value->type().ranked || value->type().rank() > x.type().rank()) {
            return false;
        }
        const ir::ExprPool& pool = mRewriter.pool();
        const size_t offset = x.type().dims.size() - value->type().dims.size();
        for (size_t i = 0; i < value->type().dims.size(); ++i) {
            const ir::DimExpr extent = value->type().dims[i];
            if (!(pool.isConstant(extent) && pool.constantValue(extent) == 1) &&
                !pool.provablyEqual(extent, x.type().dims[offset + i])) {
                return false;
            }
        }
        return true;
    }

    // The only reader of a value that nobody else sees.
    static Node* readerOf(const Value& value) {
        if (value.uses().empty() || value.quantization()) {
            return nullptr;
        }
        Node* const reader = value.uses()[0].node;
        return isReadOnlyBy(value, *reader) ? reader : nullptr;
    }

    // --- The variance ----------------------------------------------------------------------------------------------------

    // A reduction of that kind that keeps its dimensions.
    static Node* reductionOf(const Value* value, std::string_view op) {
        Node* const node = producerOf(value, op);
        return node != nullptr && node->inputs().size() == 1 && node->attributes().intOr("keep_dims", 1) != 0 &&
                       !node->attributes().intsOr("axes", {}).empty()
                   ? node
                   : nullptr;
    }
    static std::vector<int64_t> axesOf(const Node& node) { return node.attributes().intsOr("axes", {}); }

    // How many elements the node reduces to one; nothing where that is not known.
    std::optional<int64_t> countOf(const Node& reduction) const {
        int64_t count = 1;
        for (const int64_t axis : axesOf(reduction)) {
            const ir::TensorType& type = reduction.input(0)->type();
            if (axis < 0 || axis >= type.rank() || !mRewriter.pool().isConstant(type.dims[static_cast<size_t>(axis)])) {
                return std::nullopt;
            }
            count *= mRewriter.pool().constantValue(type.dims[static_cast<size_t>(axis)]);
        }
        return count;
    }

    // What the value is the mean of the squares of; null where it is something else.
    Value* squaresOf(const Value* value, Norm& norm) const {
        Node* reduction = reductionOf(value, "reduce.mean");
        if (reduction == nullptr) {
            Node* const scaled = value->producer();
            const auto parts = scaled != nullptr && (scaled->op() == "binary.mul" || scaled->op() == "binary.div")
                                   ? withNumber(*scaled)
                                   : std::nullopt;
            reduction = parts ? reductionOf(parts->value, "reduce.sum") : nullptr;
            reduction = parts && reduction == nullptr ? reductionOf(parts->value, "reduce.sum_square") : reduction;
            const auto count = reduction != nullptr ? countOf(*reduction) : std::nullopt;
            const double times = !parts ? 0 : scaled->op() == "binary.mul" ? 1 / parts->number : parts->number;
            if (!count || !isAbout(times, static_cast<double>(*count), value->type().dtype) ||
                (scaled->op() == "binary.div" && scaled->input(0) != parts->value)) {
                return nullptr;
            }
            norm.nodes.push_back(scaled);
        }
        norm.nodes.push_back(reduction);
        norm.axes = axesOf(*reduction);
        if (reduction->op() == "reduce.sum_square") {
            return reduction->input(0);
        }
        Node* const square = producerOf(reduction->input(0), "binary.mul");
        if (square == nullptr || square->input(0) != square->input(1)) {
            return nullptr;
        }
        norm.nodes.push_back(square);
        return square->input(0);
    }

    // d of mean(d * d); of mean(x * x) - mean(x) * mean(x) it is found later.
    bool readVariance(const Value* variance, Norm& norm) const {
        if (Node* const difference = producerOf(variance, "binary.sub")) {
            Node* const square = producerOf(difference->input(1), "binary.mul");
            Node* const mean = square != nullptr && square->input(0) == square->input(1)
                                   ? reductionOf(square->input(0), "reduce.mean")
                                   : nullptr;
            norm.x = squaresOf(difference->input(0), norm);
            if (mean == nullptr || norm.x == nullptr || mean->input(0) != norm.x || axesOf(*mean) != norm.axes) {
                return false;
            }
            norm.mean = mean->output(0);
            norm.nodes.insert(norm.nodes.end(), {difference, square, mean});
            return true;
        }
        norm.x = squaresOf(variance, norm);
        if (norm.x == nullptr) {
            return false;
        }
        if (Node* const centred = producerOf(norm.x, "binary.sub")) {
            Node* const mean = reductionOf(centred->input(1), "reduce.mean");
            if (mean != nullptr && mean->input(0) == centred->input(0) && axesOf(*mean) == norm.axes) {
                norm.x = centred->input(0);
                norm.mean = mean->output(0);
                norm.nodes.insert(norm.nodes.end(), {mean, centred});
            }
        }
        return true;
    }

    // --- From the root ---------------------------------------------------------------------------------------------------

    std::optional<Norm> normAt(Node& root) const {
        Norm norm;
        norm.nodes = {&root};
        if (root.op() == "binary.mul") {
            const auto parts = withNumber(root);
            Node* const length = parts ? reductionOf(parts->value, "reduce.l2") : nullptr;
            const auto count = length != nullptr ? countOf(*length) : std::nullopt;
            // Squared it says nothing of its sign, and a length has none.
            if (!count || !(parts->number > 0) ||
                !isAbout(parts->number * parts->number * static_cast<double>(*count), 1,
                         root.output(0)->type().dtype)) {
                return std::nullopt;
            }
            norm.nodes.push_back(length);
            norm.x = length->input(0);
            norm.axes = axesOf(*length);
        } else {
            Node* const shifted = producerOf(root.input(0), "binary.add");
            const auto sum = shifted != nullptr ? withNumber(*shifted) : std::nullopt;
            if (!sum || sum->number < 0 || !readVariance(sum->value, norm)) {
                return std::nullopt;
            }
            norm.nodes.push_back(shifted);
            norm.epsilon = sum->number;
        }
        const ir::TensorType& type = norm.x->type();
        if (!ir::isFloat(type.dtype) || type.rank() < 1 || norm.axes.front() < 0 || norm.x->constant() != nullptr ||
            !isWorthIt(norm) || !follow(root, norm) || !isClosed(norm) || !isOfOnePrecision(norm) ||
            !sameShape(mRewriter.pool(), norm.result->type(), type)) {
            return std::nullopt;
        }
        return norm;
    }

    static bool isWorthIt(const Norm& norm) {
        const Permutation perm = orderOf(norm);
        const auto before = permutationOf(norm.x->producer());
        const bool areNeighbours = norm.axes.back() - norm.axes.front() + 1 == static_cast<int64_t>(norm.axes.size());
        return isIdentity(perm) || !areNeighbours || (before && isIdentity(compose(*before, perm)));
    }

    // x less its mean, or x where it is not centred.
    bool isCentred(const Value* value, Norm& norm) const {
        if (norm.mean == nullptr) {
            return value == norm.x;
        }
        Node* const centred = producerOf(value, "binary.sub");
        if (centred == nullptr || centred->input(0) != norm.x || centred->input(1) != norm.mean) {
            return false;
        }
        norm.nodes.push_back(centred);
        return true;
    }

    // From the root on to the result.
    bool follow(Node& root, Norm& norm) const {
        Value* factor = root.output(0); // s, later 1 / s, later 1 / s * scale
        bool isReciprocal = root.op() == "unary.rsqrt";
        if (!isReciprocal) {
            Node* const reader = readerOf(*factor);
            if (reader != nullptr && reader->op() == "unary.recip") {
                norm.nodes.push_back(reader);
                factor = reader->output(0);
                isReciprocal = true;
            } else if (reader != nullptr && reader->op() == "binary.div" && reader->input(1) == factor &&
                       isCentred(reader->input(0), norm)) {
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
            if (scale != norm.x && isParameter(scale, *norm.x)) {
                norm.scale = scale;
                norm.nodes.push_back(reader);
                factor = reader->output(0);
                reader = readerOf(*factor);
            }
            if (reader == nullptr || reader->op() != "binary.mul" ||
                !isCentred(onlyOperandBut(*reader, factor), norm)) {
                return norm.mean != nullptr && followShift(*factor, norm);
            }
            norm.nodes.push_back(reader);
            norm.result = reader->output(0);
        }
        // Scale and bias behind it.
        for (const char* op : {"binary.mul", "binary.add"}) {
            Node* const reader = readerOf(*norm.result);
            Value*& parameter = op[7] == 'm' ? norm.scale : norm.bias;
            if (reader == nullptr || reader->op() != op || parameter != nullptr || norm.result->uses().size() != 1 ||
                !isParameter(onlyOperandBut(*reader, norm.result), *norm.x) || (op[7] == 'a' && norm.mean == nullptr)) {
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
            shift->input(1) != offset->output(0) || !isParameter(shift->input(0), *norm.x) ||
            onlyOperandBut(*sum, scaled->output(0)) != shift->output(0)) {
            return false;
        }
        norm.bias = shift->input(0);
        norm.result = sum->output(0);
        norm.nodes.insert(norm.nodes.end(), {scaled, offset, shift, sum});
        return true;
    }

    // Nobody but these nodes sees an inner value.
    static bool isClosed(const Norm& norm) {
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

    // One op has one precision.
    static bool isOfOnePrecision(const Norm& norm) {
        return std::all_of(norm.nodes.begin(), norm.nodes.end(), [&](const Node* node) {
            return node->settings().precision == norm.result->producer()->settings().precision;
        });
    }

    // --- The op ----------------------------------------------------------------------------------------------------------

    // The dimensions that are not normalised, then those that are.
    static Permutation orderOf(const Norm& norm) {
        Permutation perm;
        for (int64_t i = 0; i < norm.x->type().rank(); ++i) {
            if (std::find(norm.axes.begin(), norm.axes.end(), i) == norm.axes.end()) {
                perm.push_back(i);
            }
        }
        perm.insert(perm.end(), norm.axes.begin(), norm.axes.end());
        return perm;
    }

    Value* transposed(Node& at, Value* value, const Permutation& perm) {
        if (value == nullptr || isIdentity(perm)) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("perm", perm);
        return mRewriter.make(at, "transpose", {value}, std::move(attributes));
    }

    // A parameter of the op, whose dimensions are in another order.
    Value* parameter(Node& at, Value* value, const Permutation& perm) {
        if (value == nullptr || isIdentity(perm)) {
            return value;
        }
        std::vector<ir::DimExpr> dims(perm.size() - value->type().dims.size(), mRewriter.pool().constant(1));
        dims.insert(dims.end(), value->type().dims.begin(), value->type().dims.end());
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{std::move(dims)});
        attributes.set("allow_zero", int64_t{1});
        return transposed(at, mRewriter.make(at, "reshape", {value}, std::move(attributes)), perm);
    }

    void replace(const Norm& norm) {
        Node& last = *norm.result->producer();
        const Permutation perm = orderOf(norm);
        ir::AttributeMap attributes;
        attributes.set("axis", static_cast<int64_t>(perm.size() - norm.axes.size()));
        attributes.set("epsilon", norm.epsilon);
        std::vector<Value*> inputs{transposed(last, norm.x, perm), parameter(last, norm.scale, perm),
                                   parameter(last, norm.bias, perm)};
        while (inputs.back() == nullptr) {
            inputs.pop_back();
        }
        Value* const made = mRewriter.makeInstead(last, norm.mean != nullptr ? "layer_norm" : "rms_norm",
                                                  std::move(inputs), std::move(attributes));
        for (const Node* node : norm.nodes) {
            if (made != nullptr) {
                mRewriter.editor().addSource(made->producer(), node->source());
            }
        }
        mRewriter.replace(last, transposed(last, made, inverse(perm)));
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> recogniseLayerNorm(PassContext& context) { return Recogniser(context).run(); }

} // namespace tenon::passes
