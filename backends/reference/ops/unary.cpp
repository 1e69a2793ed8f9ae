// unary.*: one input, one output of the same shape.
#include "backends/reference/ops.h"
#include "backends/reference/pointwise.h"

#include <cmath>

namespace tenon::reference {

namespace {

using IntMap = int64_t (*)(int64_t);

double signOf(double x) { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }

template <IntMap map>
Plan planInt(const Call& call) {
    const TnDataType type = call.in(0).dtype;
    const int64_t count = call.in(0).elements;
    return {[=](const Buffers& b) {
        int64_t x[kChunk];
        for (int64_t i = 0; i < count; i += kChunk) {
            const int64_t n = std::min(kChunk, count - i);
            loadInts(type, b.inputs[0], i, 1, n, x);
            for (int64_t k = 0; k < n; ++k) {
                x[k] = map(x[k]);
            }
            storeInts(type, x, n, b.outputs[0], i);
        }
        return Code::kOk;
    }};
}

// Wraps at the ends of the range, as two's complement does.
int64_t negate(int64_t x) { return static_cast<int64_t>(0U - static_cast<uint64_t>(x)); }
int64_t invert(int64_t x) { return ~x; }
int64_t logicalNot(int64_t x) { return x == 0 ? 1 : 0; }

bool isFloat(const Call& call) { return contains(kFloats, call.in(0).dtype); }
int64_t absInt(int64_t x) { return x < 0 ? negate(x) : x; }
int64_t signInt(int64_t x) { return (x > 0) - (x < 0); }

int64_t same(int64_t x) { return x; }
int64_t nonZero(int64_t x) { return x != 0 ? 1 : 0; }

// u64 travels as int64: what looks negative is large.
Plan planAbs(const Call& call) {
    if (isFloat(call)) {
        return planFloatMap(call, [](double x) { return std::fabs(x); });
    }
    return call.in(0).dtype == TN_U64 ? planInt<same>(call) : planInt<absInt>(call);
}
Plan planSign(const Call& call) {
    if (isFloat(call)) {
        return planFloatMap(call, signOf);
    }
    return call.in(0).dtype == TN_U64 ? planInt<nonZero>(call) : planInt<signInt>(call);
}
Plan planNeg(const Call& call) {
    return isFloat(call) ? planFloatMap(call, [](double x) { return -x; }) : planInt<negate>(call);
}

template <class Test>
Plan planTest(const Call& call, Test test) {
    const TnDataType type = call.in(0).dtype;
    const int64_t count = call.in(0).elements;
    return {[=](const Buffers& b) {
        double x[kChunk];
        auto* to = b.out<uint8_t>();
        for (int64_t i = 0; i < count; i += kChunk) {
            const int64_t n = std::min(kChunk, count - i);
            loadFloats(type, b.inputs[0], i, 1, n, x);
            for (int64_t k = 0; k < n; ++k) {
                to[i + k] = test(x[k]) ? 1 : 0;
            }
        }
        return Code::kOk;
    }};
}

Plan planIsNan(const Call& call) {
    return planTest(call, [](double x) { return std::isnan(x); });
}
Plan planIsInf(const Call& call) {
    const bool positive = call.intOr("detect_positive", 1) != 0;
    const bool negative = call.intOr("detect_negative", 1) != 0;
    return planTest(call, [=](double x) { return std::isinf(x) && (x > 0 ? positive : negative); });
}

} // namespace

void addUnary(KernelTable& table) {
    const auto floats = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add({.op = op, .types = kFloats, .plan = plan});
    };
    floats("unary.exp", [](const Call& c) { return planFloatMap(c, [](double x) { return std::exp(x); }); });
    floats("unary.log", [](const Call& c) { return planFloatMap(c, [](double x) { return std::log(x); }); });
    floats("unary.sqrt", [](const Call& c) { return planFloatMap(c, [](double x) { return std::sqrt(x); }); });
    floats("unary.rsqrt", [](const Call& c) { return planFloatMap(c, [](double x) { return 1.0 / std::sqrt(x); }); });
    floats("unary.recip", [](const Call& c) { return planFloatMap(c, [](double x) { return 1.0 / x; }); });
    floats("unary.sin", [](const Call& c) { return planFloatMap(c, [](double x) { return std::sin(x); }); });
    floats("unary.cos", [](const Call& c) { return planFloatMap(c, [](double x) { return std::cos(x); }); });
    floats("unary.tan", [](const Call& c) { return planFloatMap(c, [](double x) { return std::tan(x); }); });
    floats("unary.sinh", [](const Call& c) { return planFloatMap(c, [](double x) { return std::sinh(x); }); });
    floats("unary.cosh", [](const Call& c) { return planFloatMap(c, [](double x) { return std::cosh(x); }); });
    floats("unary.asin", [](const Call& c) { return planFloatMap(c, [](double x) { return std::asin(x); }); });
    floats("unary.acos", [](const Call& c) { return planFloatMap(c, [](double x) { return std::acos(x); }); });
    floats("unary.atan", [](const Call& c) { return planFloatMap(c, [](double x) { return std::atan(x); }); });
    floats("unary.asinh", [](const Call& c) { return planFloatMap(c, [](double x) { return std::asinh(x); }); });
    floats("unary.acosh", [](const Call& c) { return planFloatMap(c, [](double x) { return std::acosh(x); }); });
    floats("unary.atanh", [](const Call& c) { return planFloatMap(c, [](double x) { return std::atanh(x); }); });
    floats("unary.ceil", [](const Call& c) { return planFloatMap(c, [](double x) { return std::ceil(x); }); });
    floats("unary.floor", [](const Call& c) { return planFloatMap(c, [](double x) { return std::floor(x); }); });
    floats("unary.round", [](const Call& c) { return planFloatMap(c, [](double x) { return std::nearbyint(x); }); });
    floats("unary.erf", [](const Call& c) { return planFloatMap(c, [](double x) { return std::erf(x); }); });
    table.add({.op = "unary.abs", .types = kNumeric, .plan = planAbs});
    table.add({.op = "unary.neg", .types = kNumeric, .plan = planNeg});
    table.add({.op = "unary.sign", .types = kNumeric, .plan = planSign});
    table.add({.op = "unary.not", .types = kBool, .plan = planInt<logicalNot>});
    table.add({.op = "unary.bitwise_not", .types = kInts, .plan = planInt<invert>});
    table.add({.op = "unary.isnan", .types = kFloats, .output = OutputRule::kTruth, .plan = planIsNan});
    table.add({.op = "unary.isinf", .types = kFloats, .output = OutputRule::kTruth, .plan = planIsInf});
}

} // namespace tenon::reference
