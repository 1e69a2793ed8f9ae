// quantize and dequantize, per tensor or along one axis.
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

constexpr TypeMask kQuantized = maskOf(TN_I8) | maskOf(TN_U8) | maskOf(TN_I16) | maskOf(TN_U16);
constexpr TypeMask kQuantizedFloats = maskOf(TN_F8E4M3) | maskOf(TN_F8E5M2);

// Which entry of scale and zero point an element uses.
struct Scales {
    int64_t count;
    int64_t inner;

    int64_t of(int64_t element) const { return count == 1 ? 0 : element / inner % count; }
};

Scales readScales(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const int64_t count = call.in(1).elements;
    if (call.has(2) && call.in(2).elements != count) {
        invalid(call.op(), " with ", count, " scales and ", call.in(2).elements, " zero points");
    }
    if (count == 1) {
        return {1, 1};
    }
    const auto axis = static_cast<size_t>(call.axis("axis", 1, dims.size()));
    if (call.in(1).rank() != 1 || count != dims[axis]) {
        invalid(call.op(), " of shape ", shapeText(dims), " along axis ", axis, " with ", count, " scales");
    }
    return {count, product(dims, axis + 1, dims.size())};
}

double numberAt(TnDataType type, const void* from, int64_t i) {
    if (type == TN_F8E4M3) {
        return floatOfF8E4M3(static_cast<const uint8_t*>(from)[i]);
    }
    if (type == TN_F8E5M2) {
        return floatOfF8E5M2(static_cast<const uint8_t*>(from)[i]);
    }
    if (contains(kFloats, type)) {
        double value = 0;
        loadFloats(type, from, i, 1, 1, &value);
        return value;
    }
    int64_t value = 0;
    loadInts(type, from, i, 1, 1, &value);
    return static_cast<double>(value);
}

// The quotient as the tensor's own type has it: a tie that only exists after that rounding still goes to even.
double roundTo(TnDataType type, double value) {
    double rounded = 0;
    dispatchFloat(type, [&](auto tag) {
        typename decltype(tag)::Type stored{};
        narrow(value, stored);
        rounded = widen(stored);
    });
    return rounded;
}

Plan planQuantize(const Call& call) {
    const Scales scales = readScales(call);
    const TnDataType type = call.in(0).dtype;
    const TnDataType scaleType = call.in(1).dtype;
    const bool hasZero = call.has(2);
    const TnDataType zeroType = hasZero ? call.in(2).dtype : call.out().dtype;
    const TnDataType to = call.out().dtype;
    const bool saturate = call.intOr("saturate", 1) != 0;
    const int64_t elements = call.in(0).elements;
    double low = 0;
    double high = 0;
    if (contains(kQuantized, to)) {
        dispatchInt(to, [&](auto tag) {
            using T = typename decltype(tag)::Type;
            low = static_cast<double>(std::numeric_limits<T>::lowest());
            high = static_cast<double>(std::numeric_limits<T>::max());
        });
    }
    return {[=](const Buffers& b) {
        for (int64_t i = 0; i < elements; ++i) {
            const int64_t entry = scales.of(i);
            const double quotient =
                roundTo(type, numberAt(type, b.inputs[0], i) / numberAt(scaleType, b.inputs[1], entry));
            if (to == TN_F8E4M3) {
                b.out<uint8_t>()[i] = f8E4M3Of(quotient, saturate);
            } else if (to == TN_F8E5M2) {
                b.out<uint8_t>()[i] = f8E5M2Of(quotient, saturate);
            } else {
                const double zero = hasZero ? numberAt(zeroType, b.inputs[2], entry) : 0;
                const double code = std::nearbyint(quotient) + zero;
                const auto stored = static_cast<int64_t>(std::isnan(code) ? zero : std::clamp(code, low, high));
                storeInts(to, &stored, 1, b.outputs[0], i);
            }
        }
        return Code::kOk;
    }};
}

Plan planDequantize(const Call& call) {
    const Scales scales = readScales(call);
    const TnDataType type = call.in(0).dtype;
    const TnDataType scaleType = call.in(1).dtype;
    const bool hasZero = call.has(2);
    const TnDataType zeroType = hasZero ? call.in(2).dtype : type;
    const TnDataType to = call.out().dtype;
    const int64_t elements = call.in(0).elements;
    return {[=](const Buffers& b) {
        for (int64_t i = 0; i < elements; ++i) {
            const int64_t entry = scales.of(i);
            const double zero = hasZero ? numberAt(zeroType, b.inputs[2], entry) : 0;
            const double value = (numberAt(type, b.inputs[0], i) - zero) * numberAt(scaleType, b.inputs[1], entry);
            storeFloats(to, &value, 1, b.outputs[0], i);
        }
        return Code::kOk;
    }};
}

void checkQuantize(const module::NodeView& node) {
    requireType(node, 1, kFloats);
    const TnDataType to = node.output(0).dtype();
    if (!contains(kQuantized | kQuantizedFloats, to) || (node.hasInput(2) && node.input(2).dtype() != to)) {
        refuse("quantize to ", nameOf(to), "; supported are ", namesOf(kQuantized | kQuantizedFloats),
               ", with a zero point of the same type");
    }
}

void checkDequantize(const module::NodeView& node) {
    requireType(node, 1, kFloats);
    if (!contains(kFloats, node.output(0).dtype()) ||
        (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype())) {
        refuse("dequantize of ", nameOf(node.input(0).dtype()), " to ", nameOf(node.output(0).dtype()));
    }
}

} // namespace

void addQuantize(KernelTable& table) {
    table.add({.op = "quantize",
               .minInputs = 2,
               .maxInputs = 3,
               .types = kFloats,
               .output = OutputRule::kAny,
               .plan = planQuantize,
               .check = checkQuantize});
    table.add({.op = "dequantize",
               .minInputs = 2,
               .maxInputs = 3,
               .types = kQuantized | kQuantizedFloats | maskOf(TN_I32),
               .output = OutputRule::kAny,
               .plan = planDequantize,
               .check = checkDequantize});
}

} // namespace tenon::reference
