// recognise_activations: activations that exporters write out in arithmetic become the one op that they are.
//
//   x/2 * (1 + erf(x / sqrt(2)))                        gelu_erf
//   x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))   gelu_tanh, also as x * sigmoid(2 sqrt(2/pi) * (...))
//   1 / (1 + exp(-x)), y / (1 + exp(-x))                sigmoid, y * sigmoid
//   x * sigmoid(a x)                                    silu
//   log(1 + exp(x)), where(x > 20, x, softplus(x))      softplus
//   x * tanh(softplus(x))                               mish
//   min(max(x, a), b)                                   clip
//   clip(a x + b, 0, c) / c                             hard_sigmoid
//   x * clip(x + 3, 0, 6) / 6, x * hard_sigmoid(x)      hard_swish
//
// Factors may stand in any order, and polynomials in any form. Inner values that somebody else reads stay for them.
#include "core/passes/formula.h"
#include "core/passes/rewriter.h"

#include <cmath>
#include <numbers>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// One factor of a product x * gate * factor that is an activation of x.
struct Gate {
    Value* gate = nullptr;
    Value* x = nullptr;
    double factor = 1;
    std::string op;
    ir::AttributeMap attributes = {};
};

// low <= value <= high, however it is written.
struct Clamp {
    Value* value = nullptr;
    double low = -INFINITY;
    double high = INFINITY;
};

std::optional<Clamp> clampOf(const Value& value) {
    Clamp clamp;
    const Node* node = value.producer();
    for (int depth = 0; node != nullptr && depth < 3; ++depth, node = clamp.value->producer()) {
        Value* inner = node->input(0);
        double low = -INFINITY;
        double high = INFINITY;
        if (node->op() == "activation.clip") {
            low = node->attributes().floatOr("min", low);
            high = node->attributes().floatOr("max", high);
        } else if (node->op() == "activation.relu") {
            low = 0;
        } else if (node->op() == "binary.max" || node->op() == "binary.min") {
            const auto bound = withNumber(*node);
            if (!bound) {
                break;
            }
            inner = bound->value;
            (node->op() == "binary.max" ? low : high) = bound->number;
        } else {
            break;
        }
        // Bounds commute only while the lower one is the lower.
        clamp = {inner, std::max(clamp.low, low), std::min(clamp.high, high)};
        if (!(clamp.low < clamp.high) || inner == nullptr) {
            return std::nullopt;
        }
    }
    return clamp.value != nullptr ? std::optional<Clamp>(clamp) : std::nullopt;
}

class Recogniser {
public:
    explicit Recogniser(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.settings().debugOutput || node.outputs().size() != 1 || node.output(0)->quantization() ||
                !ir::isFloat(node.output(0)->type().dtype)) {
                return;
            }
            if (node.op() == "binary.mul" || node.op() == "binary.div") {
                recogniseProduct(node) || recogniseHardSigmoid(node) || recogniseSigmoid(node, node.input(1));
            } else if (node.op() == "unary.recip") {
                recogniseSigmoid(node, node.input(0));
            } else if (node.op() == "unary.log") {
                recogniseSoftplus(node);
            } else if (node.op() == "where") {
                recogniseThreshold(node);
            } else if (node.op() == "binary.max" || node.op() == "binary.min") {
                recogniseClip(node);
            }
        });
        return mRewriter.finish();
    }

private:
    bool about(const Value& of, double value, double wanted) const { return isAbout(value, wanted, of.type().dtype); }

    bool replace(Node& node, Value* x, const std::string& op, ir::AttributeMap attributes) {
        if (x->constant() != nullptr || x->type().dtype != node.output(0)->type().dtype ||
            !sameShape(mRewriter.pool(), x->type(), node.output(0)->type()) || !isOfOnePrecision(node, *x)) {
            return false;
        }
        mRewriter.replace(node, mRewriter.makeInstead(node, op, {x}, std::move(attributes)));
        return true;
    }

    bool recogniseProduct(Node& node) {
        for (Value* factor : operandsBehind(*node.output(0))) {
            const auto gate = factor != node.output(0) ? gateOf(*factor) : std::nullopt;
            if (!gate || gate->gate->quantization()) {
                continue;
            }
            const auto product = monomialIn(*gate->x, *gate->gate, *node.output(0));
            if (product && product->powerOfX == 1 && product->powerOfY == 1 &&
                about(*gate->x, product->factor, gate->factor) && replace(node, gate->x, gate->op, gate->attributes)) {
                return true;
            }
        }
        return false;
    }

    std::optional<Gate> gateOf(Value& value) const {
        const Node* const node = value.producer();
        if (node == nullptr) {
            return std::nullopt;
        }
        if (node->op() == "binary.add" || node->op() == "binary.sub") {
            return geluGate(value);
        }
        if (node->op() == "activation.sigmoid") {
            return siluGate(value, *node->input(0));
        }
        if (node->op() == "activation.tanh") {
            if (const Node* const softplus = producerOf(node->input(0), "activation.softplus")) {
                return Gate{&value, softplus->input(0), 1, "activation.mish"};
            }
            return std::nullopt;
        }
        if (node->op() == "activation.hard_sigmoid") {
            Value* const x = node->input(0);
            const bool matches = about(*x, node->attributes().floatOr("alpha", 0.2), 1.0 / 6) &&
                                 about(*x, node->attributes().floatOr("beta", 0.5), 0.5);
            return matches ? std::optional<Gate>(Gate{&value, x, 1, "activation.hard_swish"}) : std::nullopt;
        }
        return hardSwishGate(value);
    }

    // a * (1 + f(inner)) or a * (1 - f(inner)), f one of erf and tanh
    std::optional<Gate> geluGate(Value& value) const {
        for (Value* each : operandsBehind(value)) {
            const bool isErf = producerOf(each, "unary.erf") != nullptr;
            if (!isErf && producerOf(each, "activation.tanh") == nullptr) {
                continue;
            }
            const auto outer = cubicIn(*each, value);
            // Both functions are odd: with the sign changed they are of the inner value with its sign changed.
            const double sign = outer && (*outer)[1] * (*outer)[0] < 0 ? -1 : 1;
            if (!outer || (*outer)[0] == 0 || (*outer)[2] != 0 || (*outer)[3] != 0 ||
                !about(value, sign * (*outer)[1], (*outer)[0])) {
                continue;
            }
            Value* const inner = each->producer()->input(0);
            for (Value* x : operandsBehind(*inner)) {
                const auto cubic = cubicIn(*x, *inner);
                if (cubic && isGeluInner(*x, *cubic, sign, isErf)) {
                    return Gate{&value, x, 0.5 / (*outer)[0], isErf ? "activation.gelu_erf" : "activation.gelu_tanh"};
                }
            }
        }
        return std::nullopt;
    }

    // `inner` is `times` what gelu takes the error function or the hyperbolic tangent of.
    bool isGeluInner(const Value& x, const Cubic& inner, double times, bool isErf) const {
        if (inner[0] != 0 || inner[2] != 0) {
            return false;
        }
        if (isErf) {
            return about(x, inner[1], times / std::numbers::sqrt2) && inner[3] == 0;
        }
        const double factor = times * std::sqrt(2 / std::numbers::pi);
        return about(x, inner[1], factor) && about(x, inner[3], 0.044715 * factor);
    }

    std::optional<Gate> siluGate(Value& value, Value& inner) const {
        for (Value* x : operandsBehind(inner)) {
            // (1 + tanh(u)) / 2 is sigmoid(2 u)
            const auto cubic = x != &inner ? cubicIn(*x, inner) : std::nullopt;
            if (cubic && isGeluInner(*x, *cubic, 2, false)) {
                return Gate{&value, x, 1, "activation.gelu_tanh"};
            }
        }
        if (const Node* const scaled = inner.producer();
            scaled != nullptr && (scaled->op() == "binary.mul" || scaled->op() == "binary.div")) {
            const auto parts = withNumber(*scaled);
            const auto cubic = parts ? cubicIn(*parts->value, inner) : std::nullopt;
            // x * sigmoid(a x); where the whole of a x is multiplied, it is the silu of that.
            if (cubic && (*cubic)[0] == 0 && (*cubic)[2] == 0 && (*cubic)[3] == 0 && readsBoth(value, *parts->value)) {
                Gate gate{&value, parts->value, 1, "activation.silu"};
                gate.attributes.set("alpha", (*cubic)[1]);
                return gate;
            }
        }
        return Gate{&value, &inner, 1, "activation.silu"};
    }

    // Some node reads the gate together with x.
    static bool readsBoth(const Value& gate, const Value& x) {
        for (const ir::Use& use : gate.uses()) {
            for (const Value* input : use.node->inputs()) {
                if (input == &x) {
                    return true;
                }
            }
        }
        return false;
    }

    std::optional<Gate> hardSwishGate(Value& value) const {
        const auto clamp = clampOf(value);
        if (!clamp || clamp->low != 0 || !std::isfinite(clamp->high)) {
            return std::nullopt;
        }
        for (Value* x : operandsBehind(*clamp->value)) {
            const auto line = cubicIn(*x, *clamp->value);
            if (line && (*line)[2] == 0 && (*line)[3] == 0 && about(*x, (*line)[1] / clamp->high, 1.0 / 6) &&
                about(*x, (*line)[0] / clamp->high, 0.5)) {
                return Gate{&value, x, 1 / clamp->high, "activation.hard_swish"};
            }
        }
        return std::nullopt;
    }

    // clip(x + b, 0, c) with the factor 1 / c
    bool recogniseHardSigmoid(Node& node) {
        const auto scaled = withNumber(node);
        if (!scaled || (node.op() == "binary.div" && node.input(0) != scaled->value) || scaled->number == 0) {
            return false;
        }
        const double factor = node.op() == "binary.mul" ? scaled->number : 1 / scaled->number;
        const auto clamp = clampOf(*scaled->value);
        const Node* const sum = clamp ? producerOf(clamp->value, "binary.add") : nullptr;
        const auto shifted = sum != nullptr ? withNumber(*sum) : std::nullopt;
        if (!shifted || clamp->low != 0 || !about(*shifted->value, factor * clamp->high, 1)) {
            return false;
        }
        ir::AttributeMap attributes;
        attributes.set("alpha", 1 / clamp->high);
        attributes.set("beta", shifted->number / clamp->high);
        return replace(node, shifted->value, "activation.hard_sigmoid", std::move(attributes));
    }

    // min(max(x, a), b)
    void recogniseClip(Node& node) {
        const auto clamp = withNumber(node) ? clampOf(*node.output(0)) : std::nullopt;
        if (!clamp || !std::isfinite(clamp->low) || !std::isfinite(clamp->high)) {
            return;
        }
        ir::AttributeMap attributes;
        attributes.set("min", clamp->low);
        attributes.set("max", clamp->high);
        replace(node, clamp->value, "activation.clip", std::move(attributes));
    }

    // y of 1 + exp(y); null where the value is something else.
    static Value* exponentOf(const Value* value) {
        const Node* const sum = producerOf(value, "binary.add");
        const auto parts = sum != nullptr ? withNumber(*sum) : std::nullopt;
        const Node* const exponential = parts ? producerOf(parts->value, "unary.exp") : nullptr;
        return exponential != nullptr && parts->number == 1 ? exponential->input(0) : nullptr;
    }

    // log(1 + exp(x))
    void recogniseSoftplus(Node& node) {
        if (Value* const x = exponentOf(node.input(0))) {
            replace(node, x, "activation.softplus", {});
        }
    }

    // where(x > c, x, softplus(x)) for a c beyond which the two are the same number
    void recogniseThreshold(Node& node) {
        constexpr double kSame = 16.7; // exp(-c) is less than half of what f32 tells apart
        const Node* const test = producerOf(node.input(0), "binary.greater");
        const auto parts = test != nullptr ? withNumber(*test) : std::nullopt;
        Value* const x = node.input(1);
        const Node* const softplus = producerOf(node.input(2), "activation.softplus");
        if (parts && parts->value == x && test->input(0) == x && parts->number >= kSame && softplus != nullptr &&
            softplus->input(0) == x && x->type().dtype != ir::DataType::kF64) {
            replace(node, x, "activation.softplus", {});
        }
    }

    // 1 or y by 1 + exp(-x), the divisor
    bool recogniseSigmoid(Node& node, const Value* divisor) {
        Value* const exponent = exponentOf(divisor);
        const Node* const negative = producerOf(exponent, "unary.neg");
        if (negative == nullptr || node.op() == "binary.mul" || exponent->quantization() || divisor->quantization()) {
            return false;
        }
        Value* const x = negative->input(0);
        if (node.op() == "unary.recip") {
            return replace(node, x, "activation.sigmoid", {});
        }
        // The sigmoid takes the place of the divisor, whose one may have broadcast it.
        if (x->type().dtype != divisor->type().dtype || !sameShape(mRewriter.pool(), x->type(), divisor->type()) ||
            !isOfOnePrecision(node, *x)) {
            return false;
        }
        Value* const sigmoid = mRewriter.makeInstead(node, "activation.sigmoid", {x});
        mRewriter.replace(node, sigmoid != nullptr ? mRewriter.makeInstead(node, "binary.mul", {node.input(0), sigmoid})
                                                   : nullptr);
        return true;
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> recogniseActivations(PassContext& context) { return Recogniser(context).run(); }

} // namespace tenon::passes
