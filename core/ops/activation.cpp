// activation.*: one operand, elementwise, with parameters as attributes.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

#include <cmath>
#include <limits>

namespace tenon::ops {

using ir::DimExpr;

namespace {

struct Parameter {
    const char* name;
    double fallback;
};

OpDef activation(const char* name, const char* doc, std::initializer_list<Parameter> parameters) {
    OpBuilder builder(support::cat("activation.", name), doc);
    builder.input("x").pointwise();
    for (const Parameter& parameter : parameters) {
        builder.number(parameter.name, parameter.fallback, "");
    }
    return builder.build([](InferContext& context) -> Status {
        TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
        context.setOutput(0, context.input(0).type);
        return support::okStatus();
    });
}

// max(low, min(x, high)) of known integers; a bound that is not a whole number stops the tracking.
void clipContents(InferContext& context, double low, double high) {
    const auto x = smallTensor(context, 0);
    if (!x) {
        return;
    }
    const ExtentMath math(context.pool());
    constexpr double kExact = 9007199254740992.0;
    const auto bound = [&](DimExpr e, double limit, bool isLow) {
        if (std::isinf(limit) && (limit < 0) == isLow) {
            return e;
        }
        if (!(std::fabs(limit) <= kExact) || limit != std::floor(limit)) {
            return DimExpr{};
        }
        const DimExpr whole = math.constant(static_cast<int64_t>(limit));
        return isLow ? math.max(e, whole) : math.min(e, whole);
    };
    setContents(context, 0,
                mapBroadcast({*x}, [&](const Extents& e) { return bound(bound(e[0], low, true), high, false); }));
}

Status inferClip(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    context.setOutput(0, context.input(0).type);
    const double infinity = std::numeric_limits<double>::infinity();
    const double low = context.attributes().floatOr("min", -infinity);
    const double high = context.attributes().floatOr("max", infinity);
    if (std::isnan(low) || std::isnan(high)) {
        return support::invalidArgument("attributes 'min' and 'max' must be numbers, got ", low, " and ", high);
    }
    clipContents(context, low, high);
    return support::okStatus();
}

Status inferRelu(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kNumber));
    context.setOutput(0, context.input(0).type);
    clipContents(context, 0, std::numeric_limits<double>::infinity());
    return support::okStatus();
}

} // namespace

std::vector<OpDef> activationOps() {
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<OpDef> ops;
    const auto add = [&](const char* name, const char* doc, std::initializer_list<Parameter> parameters = {}) {
        ops.push_back(activation(name, doc, parameters));
    };
    add("celu", "y = max(0, x) + min(0, alpha * (e^(x / alpha) - 1)).", {{"alpha", 1}});
    ops.push_back(OpBuilder("activation.clip",
                            "y = min(max(x, min), max). Takes integers too; where min > max the result is max.")
                      .input("x")
                      .number("min", -infinity, "")
                      .number("max", infinity, "")
                      .pointwise()
                      .build(inferClip));
    add("elu", "y = x where x >= 0, else alpha * (e^x - 1).", {{"alpha", 1}});
    add("gelu_erf", "y = x/2 * (1 + erf(x / sqrt(2))).");
    add("gelu_tanh", "y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3))).");
    add("hard_sigmoid", "y = max(0, min(1, alpha * x + beta)).", {{"alpha", 0.2}, {"beta", 0.5}});
    add("hard_swish", "y = x * max(0, min(1, x/6 + 1/2)).");
    add("leaky_relu", "y = x where x >= 0, else alpha * x.", {{"alpha", 0.01}});
    add("mish", "y = x * tanh(ln(1 + e^x)).");
    ops.push_back(
        OpBuilder("activation.relu", "y = max(0, x). Takes integers too.").input("x").pointwise().build(inferRelu));
    add("scaled_tanh", "y = alpha * tanh(beta * x).", {{"alpha", 1}, {"beta", 1}});
    add("selu", "y = gamma * x where x > 0, else gamma * alpha * (e^x - 1).",
        {{"alpha", 1.67326319217681884765625}, {"gamma", 1.05070102214813232421875}});
    add("sigmoid", "y = 1 / (1 + e^-x).");
    add("silu", "y = x / (1 + e^(-alpha * x)).", {{"alpha", 1}});
    add("softplus", "y = ln(1 + e^x).");
    add("softsign", "y = x / (1 + |x|).");
    add("tanh", "y = hyperbolic tangent of x.");
    add("thresholded_relu", "y = x where x > alpha, else 0.", {{"alpha", 1}});
    return ops;
}

} // namespace tenon::ops
