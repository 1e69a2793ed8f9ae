// binary.*: two operands that broadcast, elementwise.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"
#include "core/ops/small_tensor.h"

#include <array>

namespace tenon::ops {

using ir::DataType;
using ir::DimExpr;

namespace {

// One element of the result from one of each operand; an invalid handle: not known.
using Element = DimExpr (*)(const ExtentMath&, DimExpr, DimExpr);

bool isNotNegative(const ExtentMath& math, DimExpr e) { return math.bounds(e).min >= 0; }
DimExpr inverted(const ExtentMath& math, DimExpr e) { return math.sub(math.constant(1), e); }

DimExpr sum(const ExtentMath& math, DimExpr a, DimExpr b) { return math.add(a, b); }
DimExpr difference(const ExtentMath& math, DimExpr a, DimExpr b) { return math.sub(a, b); }
DimExpr productOf(const ExtentMath& math, DimExpr a, DimExpr b) { return math.mul(a, b); }
DimExpr larger(const ExtentMath& math, DimExpr a, DimExpr b) { return math.max(a, b); }
DimExpr smaller(const ExtentMath& math, DimExpr a, DimExpr b) { return math.min(a, b); }

// Integer division that truncates toward zero.
DimExpr truncated(const ExtentMath& math, DimExpr a, DimExpr b) {
    if (math.is(b, 0)) {
        return DimExpr{};
    }
    if (const DimExpr exact = math.exactQuotient(a, b); exact.valid()) {
        return exact;
    }
    if (isNotNegative(math, a) && isNotNegative(math, b)) {
        return math.floorDiv(a, b);
    }
    if (math.bounds(b).min <= 0) {
        const auto known = math.value(b);
        if (!known || *known == INT64_MIN) {
            return DimExpr{};
        }
        const DimExpr negative = truncated(math, a, math.constant(-*known));
        return math.sub(math.constant(0), negative);
    }
    return math.select(math.less(a, math.constant(0)), math.ceilDiv(a, b), math.floorDiv(a, b));
}

// Float division: known only where it leaves no fraction.
DimExpr divided(const ExtentMath& math, DimExpr a, DimExpr b) {
    return math.is(b, 0) ? DimExpr{} : math.exactQuotient(a, b);
}

DimExpr floored(const ExtentMath& math, DimExpr a, DimExpr b) {
    if (math.is(b, 0)) {
        return DimExpr{};
    }
    const DimExpr exact = math.exactQuotient(a, b);
    return exact.valid() ? exact : math.floorDiv(a, b);
}

DimExpr moduloFloored(const ExtentMath& math, DimExpr a, DimExpr b) {
    return math.is(b, 0) ? DimExpr{} : math.modulo(a, b);
}
DimExpr moduloTruncated(const ExtentMath& math, DimExpr a, DimExpr b) {
    return isNotNegative(math, a) && math.bounds(b).min > 0 ? math.modulo(a, b) : DimExpr{};
}

DimExpr power(const ExtentMath& math, DimExpr a, DimExpr b) {
    const auto exponent = math.value(b);
    if (!exponent || *exponent < 0 || *exponent > 8) {
        return DimExpr{};
    }
    return math.product(Extents(static_cast<size_t>(*exponent), a));
}

DimExpr equalTo(const ExtentMath& math, DimExpr a, DimExpr b) { return math.equal(a, b); }
DimExpr lessThan(const ExtentMath& math, DimExpr a, DimExpr b) { return math.less(a, b); }
DimExpr greaterThan(const ExtentMath& math, DimExpr a, DimExpr b) { return math.less(b, a); }
DimExpr atMost(const ExtentMath& math, DimExpr a, DimExpr b) { return inverted(math, math.less(b, a)); }
DimExpr atLeast(const ExtentMath& math, DimExpr a, DimExpr b) { return inverted(math, math.less(a, b)); }
DimExpr different(const ExtentMath& math, DimExpr a, DimExpr b) { return inverted(math, math.equal(a, b)); }

std::optional<int64_t> shiftOf(const ExtentMath& math, DimExpr b) {
    const auto bits = math.value(b);
    return bits && *bits >= 0 && *bits < 62 ? std::optional(int64_t{1} << *bits) : std::nullopt;
}
DimExpr shiftedLeft(const ExtentMath& math, DimExpr a, DimExpr b) {
    const auto factor = shiftOf(math, b);
    return factor ? math.mul(a, *factor) : DimExpr{};
}
DimExpr shiftedRight(const ExtentMath& math, DimExpr a, DimExpr b) {
    const auto divisor = shiftOf(math, b);
    return divisor ? math.floorDiv(a, *divisor) : DimExpr{};
}

struct Rule {
    const char* name;
    const char* doc;
    TypeClass operands;
    bool toBool;
    bool commutative;
    Element onIntegers; // null: contents are not followed
    Element onFloats;
};

const std::array<Rule, 22> kRules{{
    {"add", "y = a + b.", TypeClass::kNumber, false, true, sum, sum},
    {"and", "y = a and b.", TypeClass::kBool, true, true, productOf, nullptr},
    {"bitwise_and", "y = the bits that a and b both have.", TypeClass::kInteger, false, true, nullptr, nullptr},
    {"bitwise_or", "y = the bits that a or b has.", TypeClass::kInteger, false, true, nullptr, nullptr},
    {"bitwise_xor", "y = the bits that one of a and b has.", TypeClass::kInteger, false, true, nullptr, nullptr},
    {"div", "y = a / b. Integers truncate toward zero.", TypeClass::kNumber, false, false, truncated, divided},
    {"equal", "y = whether a = b.", TypeClass::kAny, true, true, equalTo, equalTo},
    {"floor_div", "y = a / b, rounded down.", TypeClass::kNumber, false, false, floored, floored},
    {"greater", "y = whether a > b.", TypeClass::kNumber, true, false, greaterThan, greaterThan},
    {"greater_equal", "y = whether a >= b.", TypeClass::kNumber, true, false, atLeast, atLeast},
    {"less", "y = whether a < b.", TypeClass::kNumber, true, false, lessThan, lessThan},
    {"less_equal", "y = whether a <= b.", TypeClass::kNumber, true, false, atMost, atMost},
    {"max", "y = the larger of a and b; NaN if one is NaN.", TypeClass::kNumber, false, true, larger, larger},
    {"min", "y = the smaller of a and b; NaN if one is NaN.", TypeClass::kNumber, false, true, smaller, smaller},
    {"mod", "y = the rest of a / b, with the sign of b; with fmod = 1 with the sign of a, as C's fmod.",
     TypeClass::kNumber, false, false, moduloFloored, moduloFloored},
    {"mul", "y = a * b.", TypeClass::kNumber, false, true, productOf, productOf},
    {"or", "y = a or b.", TypeClass::kBool, true, true, larger, nullptr},
    {"pow", "y = a^b, in the type of a. b may be of another number type.", TypeClass::kNumber, false, false, power,
     power},
    {"shift_left", "y = a with its bits moved up by b places.", TypeClass::kInteger, false, false, shiftedLeft,
     nullptr},
    {"shift_right", "y = a with its bits moved down by b places; signed types keep their sign.", TypeClass::kInteger,
     false, false, shiftedRight, nullptr},
    {"sub", "y = a - b.", TypeClass::kNumber, false, false, difference, difference},
    {"xor", "y = whether one of a and b is true.", TypeClass::kBool, true, true, different, nullptr},
}};

Status inferBinary(InferContext& context, const Rule& rule, bool sameTypes) {
    TN_RETURN_IF_ERROR(needType(context, 0, rule.operands));
    TN_RETURN_IF_ERROR(needType(context, 1, rule.operands));
    if (sameTypes) {
        TN_RETURN_IF_ERROR(needSameType(context, 0, 1));
    }
    TN_ASSIGN_OR_RETURN(ir::TensorType type, broadcastInputs(context, {0, 1}));
    const DataType operandType = type.dtype;
    if (rule.toBool) {
        type.dtype = DataType::kBool;
    }
    context.setOutput(0, type);
    Element element = ir::isFloat(operandType) ? rule.onFloats : rule.onIntegers;
    if (element == moduloFloored && context.attributes().intOr("fmod", 0) != 0) {
        element = moduloTruncated;
    }
    if (element == nullptr || !countsExactly(operandType) || !countsExactly(context.input(1).type.dtype)) {
        return support::okStatus();
    }
    const auto a = smallTensor(context, 0);
    const auto b = smallTensor(context, 1);
    if (a && b) {
        const ExtentMath math(context.pool());
        setContents(context, 0, mapBroadcast({*a, *b}, [&](const Extents& e) { return element(math, e[0], e[1]); }));
    }
    return support::okStatus();
}

} // namespace

std::vector<OpDef> binaryOps() {
    std::vector<OpDef> ops;
    for (const Rule& rule : kRules) {
        const std::string_view name = rule.name;
        OpBuilder builder(support::cat("binary.", name), support::cat(rule.doc, " Operands broadcast."));
        builder.input("a").input("b").pointwise();
        if (rule.commutative) {
            builder.commutative();
        }
        if (name == "mod") {
            builder.flag("fmod", false, "1: the result has the sign of a");
        }
        const bool sameTypes = name != "pow";
        ops.push_back(
            builder.build([&rule, sameTypes](InferContext& context) { return inferBinary(context, rule, sameTypes); }));
    }
    return ops;
}

} // namespace tenon::ops
