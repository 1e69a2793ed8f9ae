// activation.*: pointwise functions with parameters.
#include "backends/reference/ops.h"
#include "backends/reference/pointwise.h"

#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double clamp(double x, double low, double high) {
    const double raised = x < low ? low : x; // NaN stays NaN
    return raised > high ? high : raised;
}

int64_t boundOf(double bound) {
    if (bound <= -0x1p63) {
        return std::numeric_limits<int64_t>::min();
    }
    return bound >= 0x1p63 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(bound);
}

template <class Wide>
Plan planIntClip(const Call& call, Wide low, Wide high) {
    const TnDataType type = call.in(0).dtype;
    const int64_t count = call.in(0).elements;
    return {[=](const Buffers& b) {
        int64_t x[kChunk];
        for (int64_t i = 0; i < count; i += kChunk) {
            const int64_t n = std::min(kChunk, count - i);
            loadInts(type, b.inputs[0], i, 1, n, x);
            for (int64_t k = 0; k < n; ++k) {
                const Wide raised = std::max(static_cast<Wide>(x[k]), low);
                x[k] = static_cast<int64_t>(std::min(raised, high));
            }
            storeInts(type, x, n, b.outputs[0], i);
        }
        return Code::kOk;
    }};
}

Plan planClipBetween(const Call& call, double low, double high) {
    const TnDataType type = call.in(0).dtype;
    if (contains(kFloats, type)) {
        return planFloatMap(call, [=](double x) { return clamp(x, low, high); });
    }
    if (type == TN_U64) {
        const auto unsignedBound = [](double bound) {
            return bound <= 0 ? uint64_t{0} : bound >= 0x1p64 ? UINT64_MAX : static_cast<uint64_t>(bound);
        };
        return planIntClip<uint64_t>(call, unsignedBound(low), unsignedBound(high));
    }
    // A bound outside the type must not wrap into it when the result is narrowed.
    const int bits = bitsOf(type);
    const bool isSigned = contains(kSignedInts, type);
    const double least = isSigned ? -std::ldexp(1.0, bits - 1) : 0.0;
    const double most = isSigned ? std::ldexp(1.0, bits - 1) - 1 : std::ldexp(1.0, bits) - 1;
    return planIntClip<int64_t>(call, boundOf(std::ceil(clamp(low, least, most))),
                                boundOf(std::floor(clamp(high, least, most))));
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Plan planRelu(const Call& call) { return planClipBetween(call, 0, kInfinity); }
Plan planClip(const Call& call) {
    return planClipBetween(call, call.floatOr("min", -kInfinity), call.floatOr("max", kInfinity));
}
Plan planSigmoid(const Call& call) { return planFloatMap(call, sigmoid); }
Plan planTanh(const Call& call) {
    return planFloatMap(call, [](double x) { return std::tanh(x); });
}
Plan planSoftsign(const Call& call) {
    return planFloatMap(call, [](double x) { return x / (1 + std::fabs(x)); });
}
Plan planSoftplus(const Call& call) { return planFloatMap(call, softplus); }
Plan planMish(const Call& call) {
    return planFloatMap(call, [](double x) { return x * std::tanh(softplus(x)); });
}
Plan planHardSwish(const Call& call) {
    return planFloatMap(call, [](double x) { return x * clamp(x / 6 + 0.5, 0, 1); });
}
Plan planLeakyRelu(const Call& call) {
    const double alpha = call.floatOr("alpha", 0.01);
    return planFloatMap(call, [=](double x) { return x < 0 ? alpha * x : x; });
}
Plan planElu(const Call& call) {
    const double alpha = call.floatOr("alpha", 1);
    return planFloatMap(call, [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}
Plan planSelu(const Call& call) {
    const double alpha = call.floatOr("alpha", 1.67326319217681884765625);
    const double gamma = call.floatOr("gamma", 1.05070102214813232421875);
    return planFloatMap(call, [=](double x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); });
}
Plan planCelu(const Call& call) {
    const double alpha = call.floatOr("alpha", 1);
    return planFloatMap(call, [=](double x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}
Plan planHardSigmoid(const Call& call) {
    const double alpha = call.floatOr("alpha", 0.2);
    const double beta = call.floatOr("beta", 0.5);
    return planFloatMap(call, [=](double x) { return clamp(alpha * x + beta, 0, 1); });
}
Plan planScaledTanh(const Call& call) {
    const double alpha = call.floatOr("alpha", 1);
    const double beta = call.floatOr("beta", 1);
    return planFloatMap(call, [=](double x) { return alpha * std::tanh(beta * x); });
}
Plan planThresholdedRelu(const Call& call) {
    const double alpha = call.floatOr("alpha", 1);
    return planFloatMap(call, [=](double x) { return x > alpha || std::isnan(x) ? x : 0.0; });
}
Plan planGeluErf(const Call& call) {
    return planFloatMap(call, [](double x) { return 0.5 * x * std::erfc(-x * M_SQRT1_2); });
}
Plan planGeluTanh(const Call& call) {
    return planFloatMap(
        call, [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); });
}
Plan planSilu(const Call& call) {
    const double alpha = call.floatOr("alpha", 1);
    return planFloatMap(call, [=](double x) { return x * sigmoid(alpha * x); });
}

} // namespace

void addActivation(KernelTable& table) {
    const auto floats = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add({.op = op, .types = kFloats, .plan = plan});
    };
    table.add({.op = "activation.relu", .types = kNumeric, .plan = planRelu});
    table.add({.op = "activation.clip", .types = kNumeric, .plan = planClip});
    floats("activation.sigmoid", planSigmoid);
    floats("activation.tanh", planTanh);
    floats("activation.softsign", planSoftsign);
    floats("activation.softplus", planSoftplus);
    floats("activation.mish", planMish);
    floats("activation.hard_swish", planHardSwish);
    floats("activation.leaky_relu", planLeakyRelu);
    floats("activation.elu", planElu);
    floats("activation.selu", planSelu);
    floats("activation.celu", planCelu);
    floats("activation.hard_sigmoid", planHardSigmoid);
    floats("activation.scaled_tanh", planScaledTanh);
    floats("activation.thresholded_relu", planThresholdedRelu);
    floats("activation.gelu_erf", planGeluErf);
    floats("activation.gelu_tanh", planGeluTanh);
    floats("activation.silu", planSilu);
}

} // namespace tenon::reference
