// unary.*: one operand, elementwise, no parameters.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

namespace tenon::ops {

using ir::DimExpr;

namespace {

using Element = DimExpr (*)(const ExtentMath&, DimExpr);

DimExpr same(const ExtentMath&, DimExpr x) { return x; }
DimExpr negated(const ExtentMath& math, DimExpr x) { return math.sub(math.constant(0), x); }
DimExpr absolute(const ExtentMath& math, DimExpr x) { return math.max(x, negated(math, x)); }
DimExpr signOf(const ExtentMath& math, DimExpr x) {
    return math.sub(math.less(math.constant(0), x), math.less(x, math.constant(0)));
}
DimExpr inverted(const ExtentMath& math, DimExpr x) { return math.sub(math.constant(1), x); }
DimExpr complement(const ExtentMath& math, DimExpr x) { return math.sub(math.constant(-1), x); }

OpDef unary(const char* name, const char* doc, TypeClass wanted, Element element = nullptr) {
    return OpBuilder(support::cat("unary.", name), doc)
        .input("x")
        .pointwise()
        .build([wanted, element](InferContext& context) -> Status {
            TN_RETURN_IF_ERROR(needType(context, 0, wanted));
            context.setOutput(0, context.input(0).type);
            const auto x = element != nullptr && countsExactly(context.input(0).type.dtype) ? smallTensor(context, 0)
                                                                                            : std::nullopt;
            if (x) {
                const ExtentMath math(context.pool());
                setContents(context, 0, mapBroadcast({*x}, [&](const Extents& e) { return element(math, e[0]); }));
            }
            return support::okStatus();
        });
}

Status inferTest(InferContext& context) {
    TN_RETURN_IF_ERROR(needType(context, 0, TypeClass::kFloat));
    ir::TensorType type = context.input(0).type;
    type.dtype = ir::DataType::kBool;
    context.setOutput(0, type);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> unaryOps() {
    std::vector<OpDef> ops;
    const auto add = [&](auto... arguments) { ops.push_back(unary(arguments...)); };
    add("abs", "y = |x|.", TypeClass::kNumber, absolute);
    add("acos", "y = arc cosine of x.", TypeClass::kFloat);
    add("acosh", "y = inverse hyperbolic cosine of x.", TypeClass::kFloat);
    add("asin", "y = arc sine of x.", TypeClass::kFloat);
    add("asinh", "y = inverse hyperbolic sine of x.", TypeClass::kFloat);
    add("atan", "y = arc tangent of x.", TypeClass::kFloat);
    add("atanh", "y = inverse hyperbolic tangent of x.", TypeClass::kFloat);
    add("bitwise_not", "y = x with every bit inverted.", TypeClass::kInteger, complement);
    add("ceil", "y = the smallest whole number that is at least x.", TypeClass::kFloat, same);
    add("cos", "y = cos(x), x in radians.", TypeClass::kFloat);
    add("cosh", "y = hyperbolic cosine of x.", TypeClass::kFloat);
    add("erf", "y = 2/sqrt(pi) * integral of exp(-t^2) for t from 0 to x.", TypeClass::kFloat);
    add("exp", "y = e^x.", TypeClass::kFloat);
    add("floor", "y = the largest whole number that is at most x.", TypeClass::kFloat, same);
    ops.push_back(OpBuilder("unary.isinf", "y = whether x is infinite.")
                      .input("x")
                      .flag("detect_positive", true, "0: +infinity gives false")
                      .flag("detect_negative", true, "0: -infinity gives false")
                      .pointwise()
                      .build(inferTest));
    ops.push_back(OpBuilder("unary.isnan", "y = whether x is not a number.").input("x").pointwise().build(inferTest));
    add("log", "y = natural logarithm of x.", TypeClass::kFloat);
    add("neg", "y = -x.", TypeClass::kNumber, negated);
    add("not", "y = not x.", TypeClass::kBool, inverted);
    add("recip", "y = 1 / x.", TypeClass::kFloat);
    add("round", "y = the whole number nearest to x; of two, the even one.", TypeClass::kFloat, same);
    add("rsqrt", "y = 1 / sqrt(x).", TypeClass::kFloat);
    add("sign", "y = -1, 0 or 1 as x is negative, zero or positive.", TypeClass::kNumber, signOf);
    add("sin", "y = sin(x), x in radians.", TypeClass::kFloat);
    add("sinh", "y = hyperbolic sine of x.", TypeClass::kFloat);
    add("sqrt", "y = square root of x.", TypeClass::kFloat);
    add("tan", "y = tan(x), x in radians.", TypeClass::kFloat);
    return ops;
}

} // namespace tenon::ops
