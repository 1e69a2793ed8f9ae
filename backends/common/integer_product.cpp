#include "backends/common/integer_product.h"

namespace tenon::kernels {

namespace {

constexpr TypeMask kBytes = maskOf(TN_I8) | maskOf(TN_U8);

void checkBytes(const module::NodeView& node) {
    for (const int32_t i : {1, 2, 3}) {
        requireType(node, i, kBytes);
    }
}

} // namespace

KernelDef integerProduct(std::string_view op, Plan (*plan)(const Call&)) {
    return {.op = op,
            .minInputs = 2,
            .maxInputs = 4,
            .types = kBytes,
            .output = OutputRule::kAny,
            .plan = plan,
            .check = checkBytes};
}

int64_t zeroPoints(const Call& call, size_t operand, int64_t count) {
    const int64_t elements = call.has(operand) ? call.in(operand).elements : 0;
    if (call.has(operand) && elements != 1 && elements != count) {
        invalid(call.op(), " with ", elements, " zero points for ", count);
    }
    return elements;
}

int64_t groupsOfIntegers(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    const int64_t groups = call.intOr("group", 1);
    if (w.size() < 3 || x.size() != w.size() || groups < 1 || w[0] % groups != 0 || w[1] * groups != x[1]) {
        invalid("conv_integer of shape ", shapeText(x), " with weights ", shapeText(w), " in ", groups, " groups");
    }
    return groups;
}

} // namespace tenon::kernels
