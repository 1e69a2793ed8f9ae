// Ops whose elements follow from positions and a few numbers: range, fill, one_hot, eye_like, trilu.
#include "backends/common/indices.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <cmath>
#include <cstring>

namespace tenon::reference {

namespace {

Plan planRange(const Call& call) {
    const int64_t count = call.out().elements;
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[count](const Buffers& b) {
            const T start = *b.in<T>(0);
            const T delta = *b.in<T>(2);
            for (int64_t i = 0; i < count; ++i) {
                if constexpr (std::is_integral_v<T>) {
                    b.out<T>()[i] = static_cast<T>(static_cast<uint64_t>(start) +
                                                   static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
                } else {
                    narrow(widen(start) + static_cast<double>(i) * widen(delta), b.out<T>()[i]);
                }
            }
            return Code::kOk;
        }};
    });
}

Plan planFill(const Call& call) {
    const module::ValueView value = call.node().tensor("value");
    const auto size = static_cast<size_t>(bytesOf(call.out().dtype));
    uint64_t bits = 0;
    if (value && value.bytes().size() >= size) {
        std::memcpy(&bits, value.bytes().data(), size);
    }
    const int64_t count = call.out().elements;
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            T element{};
            std::memcpy(&element, &bits, sizeof element);
            std::fill(b.out<T>(), b.out<T>() + count, element);
            return Code::kOk;
        }};
    });
}

void checkFill(const module::NodeView& node) {
    if (!contains(kWholeBytes, node.output(0).dtype())) {
        refuse("fill of ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kWholeBytes));
    }
    const module::ValueView value = node.tensor("value");
    if (value && value.dtype() != node.output(0).dtype()) {
        refuse("fill of ", nameOf(node.output(0).dtype()), " with a value of ", nameOf(value.dtype()));
    }
}

// Indices may come as any number; a fraction is cut.
int64_t integerAt(TnDataType type, const void* from, int64_t i) {
    if (contains(kFloats, type)) {
        double value = 0;
        loadFloats(type, from, i, 1, 1, &value);
        return std::fabs(value) < 0x1p62 ? static_cast<int64_t>(value) : INT64_MIN;
    }
    int64_t value = 0;
    loadInts(type, from, i, 1, 1, &value);
    return value;
}

Plan planOneHot(const Call& call) {
    const Dims& out = call.out().dims;
    const auto axis = static_cast<size_t>(call.axis("axis", -1, out.size()));
    const int64_t depth = out[axis];
    const int64_t inner = product(out, axis + 1, out.size());
    const int64_t count = call.in(0).elements;
    const TnDataType indexType = call.in(0).dtype;
    if (count * depth != call.out().elements || call.in(2).elements != 2) {
        invalid("one_hot of ", shapeText(call.in(0).dims), " to ", shapeText(out));
    }
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            const T off = b.in<T>(2)[0];
            const T on = b.in<T>(2)[1];
            for (int64_t i = 0; i < count; ++i) {
                // An index outside [-depth, depth) is no error: its row has no hot element.
                const int64_t hot = wrapIndex(integerAt(indexType, b.inputs[0], i), depth);
                for (int64_t d = 0; d < depth; ++d) {
                    b.out<T>()[(i / inner * depth + d) * inner + i % inner] = d == hot ? on : off;
                }
            }
            return Code::kOk;
        }};
    });
}

void checkOneHot(const module::NodeView& node) {
    requireType(node, 2, kWholeBytes);
    if (!node.hasInput(2) || node.output(0).dtype() != node.input(2).dtype()) {
        refuse("one_hot whose output is not of the type of its values");
    }
}

Plan planEyeLike(const Call& call) {
    const Dims& dims = call.out().dims;
    if (dims.size() != 2) {
        invalid("eye_like of shape ", shapeText(dims), "; the tensor must have rank 2");
    }
    const int64_t shift = call.intOr("k", 0);
    const int64_t rows = dims[0];
    const int64_t columns = dims[1];
    const uint64_t one = elementOf(call.out().dtype, 1);
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t r = 0; r < rows; ++r) {
                for (int64_t c = 0; c < columns; ++c) {
                    b.out<T>()[r * columns + c] = c - r == shift ? static_cast<T>(one) : T{};
                }
            }
            return Code::kOk;
        }};
    });
}

void checkEyeLike(const module::NodeView& node) {
    if (!contains(kNumeric | kBool, node.output(0).dtype())) {
        refuse("eye_like of ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kNumeric | kBool));
    }
}

Plan planTrilu(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() < 2) {
        invalid("trilu of shape ", shapeText(dims), "; the tensor must have rank 2 or more");
    }
    const bool upper = call.intOr("upper", 1) != 0;
    const int64_t shift = call.intOr("k", 0);
    const int64_t rows = dims[dims.size() - 2];
    const int64_t columns = dims.back();
    const int64_t elements = call.in(0).elements;
    return dispatchBytes(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t i = 0; i < elements; ++i) {
                const int64_t diagonal = i % columns - i / columns % rows;
                const bool keep = upper ? diagonal >= shift : diagonal <= shift;
                b.out<T>()[i] = keep ? b.in<T>(0)[i] : T{};
            }
            return Code::kOk;
        }};
    });
}

} // namespace

void addGenerate(KernelTable& table) {
    table.add({.op = "range",
               .minInputs = 3,
               .maxInputs = 3,
               .types = kNumeric,
               .plan = planRange,
               .check = requireSameTypes});
    table.add({.op = "fill",
               .minInputs = 0,
               .maxInputs = 1,
               .output = OutputRule::kAny,
               .plan = planFill,
               .check = checkFill});
    table.add({.op = "one_hot",
               .maxInputs = 3,
               .types = kNumeric,
               .output = OutputRule::kAny,
               .plan = planOneHot,
               .check = checkOneHot});
    table.add({.op = "eye_like",
               .types = kWholeBytes,
               .output = OutputRule::kAny,
               .plan = planEyeLike,
               .check = checkEyeLike});
    table.add({.op = "trilu", .maxInputs = 2, .types = kWholeBytes, .plan = planTrilu});
}

} // namespace tenon::reference
