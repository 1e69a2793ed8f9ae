// binary.*: two inputs of one element type, broadcast against each other by numpy's rules.
#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <cmath>
#include <type_traits>

namespace tenon::reference {

namespace {

// Each operation as a template over the wide type: double, int64_t, uint64_t. Integers wrap; division by zero, which has
// no result, gives 0 rather than a signal.
template <class W>
constexpr bool isDouble = std::is_same_v<W, double>;

template <class W>
W wrapped(uint64_t value) {
    return static_cast<W>(value);
}

struct Add {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return a + b;
        } else {
            return wrapped<W>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
        }
    }
};
struct Sub {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return a - b;
        } else {
            return wrapped<W>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
        }
    }
};
struct Mul {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return a * b;
        } else {
            return wrapped<W>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
        }
    }
};
struct Div {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return a / b;
        } else if constexpr (std::is_signed_v<W>) {
            return b == 0 ? 0 : b == -1 ? Sub::of<W>(0, a) : a / b;
        } else {
            return b == 0 ? 0 : a / b;
        }
    }
};
struct FloorDiv {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return std::floor(a / b);
        } else if constexpr (std::is_signed_v<W>) {
            const W quotient = Div::of(a, b);
            return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
        } else {
            return Div::of(a, b);
        }
    }
};
struct FloorMod { // the sign of the divisor
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            const double rest = std::fmod(a, b);
            return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
        } else if constexpr (std::is_signed_v<W>) {
            const W rest = b == 0 || b == -1 ? 0 : a % b;
            return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
        } else {
            return b == 0 ? 0 : a % b;
        }
    }
};
struct TruncatedMod { // the sign of the dividend
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return std::fmod(a, b);
        } else if constexpr (std::is_signed_v<W>) {
            return b == 0 || b == -1 ? 0 : a % b;
        } else {
            return b == 0 ? 0 : a % b;
        }
    }
};
struct Max {
    template <class W>
    static W of(W a, W b) {
        return a > b || a != a ? a : b;
    }
};
struct Min {
    template <class W>
    static W of(W a, W b) {
        return a < b || a != a ? a : b;
    }
};
struct Pow {
    template <class W>
    static W of(W a, W b) {
        if constexpr (isDouble<W>) {
            return std::pow(a, b);
        } else {
            if (b < 0) {
                return a == 1 ? 1 : a == wrapped<W>(~uint64_t{0}) ? (b % 2 == 0 ? 1 : a) : 0;
            }
            uint64_t result = 1;
            auto base = static_cast<uint64_t>(a);
            for (auto exponent = static_cast<uint64_t>(b); exponent != 0; exponent >>= 1) {
                result *= (exponent & 1) != 0 ? base : 1;
                base *= base;
            }
            return wrapped<W>(result);
        }
    }
};
struct And {
    template <class W>
    static W of(W a, W b) {
        return a & b;
    }
};
struct Or {
    template <class W>
    static W of(W a, W b) {
        return a | b;
    }
};
struct Xor {
    template <class W>
    static W of(W a, W b) {
        return a ^ b;
    }
};
struct ShiftLeft {
    template <class W>
    static W of(W a, W b) {
        return b < 0 || b > 63 ? 0 : wrapped<W>(static_cast<uint64_t>(a) << b);
    }
};
struct ShiftRight {
    template <class W>
    static W of(W a, W b) {
        return b < 0 || b > 63 ? (a < 0 ? wrapped<W>(~uint64_t{0}) : 0) : a >> b;
    }
};
struct Equal {
    template <class W>
    static bool of(W a, W b) {
        return a == b;
    }
};
struct Less {
    template <class W>
    static bool of(W a, W b) {
        return a < b;
    }
};
struct LessEqual {
    template <class W>
    static bool of(W a, W b) {
        return a <= b;
    }
};
struct Greater {
    template <class W>
    static bool of(W a, W b) {
        return a > b;
    }
};
struct GreaterEqual {
    template <class W>
    static bool of(W a, W b) {
        return a >= b;
    }
};

void load(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, double* to) {
    if (contains(kFloats, type)) {
        loadFloats(type, from, first, stride, count, to);
        return;
    }
    int64_t integers[kChunk];
    loadInts(type, from, first, stride, count, integers);
    for (int64_t i = 0; i < count; ++i) {
        to[i] =
            type == TN_U64 ? static_cast<double>(static_cast<uint64_t>(integers[i])) : static_cast<double>(integers[i]);
    }
}
void load(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, int64_t* to) {
    loadInts(type, from, first, stride, count, to);
}
void load(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, uint64_t* to) {
    loadInts(type, from, first, stride, count, reinterpret_cast<int64_t*>(to));
}
void store(TnDataType type, const double* from, int64_t count, void* to, int64_t first) {
    if (contains(kFloats, type)) {
        storeFloats(type, from, count, to, first);
        return;
    }
    // An integer to a power of a float: the value is cut, what does not fit saturates.
    int64_t integers[kChunk];
    for (int64_t i = 0; i < count; ++i) {
        integers[i] = std::isnan(from[i])  ? 0
                      : from[i] >= 0x1p63  ? INT64_MAX
                      : from[i] <= -0x1p63 ? INT64_MIN
                                           : static_cast<int64_t>(from[i]);
    }
    storeInts(type, integers, count, to, first);
}
void store(TnDataType type, const int64_t* from, int64_t count, void* to, int64_t first) {
    storeInts(type, from, count, to, first);
}
void store(TnDataType type, const uint64_t* from, int64_t count, void* to, int64_t first) {
    storeInts(type, reinterpret_cast<const int64_t*>(from), count, to, first);
}
void store(TnDataType, const bool* from, int64_t count, void* to, int64_t first) {
    auto* target = static_cast<uint8_t*>(to) + first;
    for (int64_t i = 0; i < count; ++i) {
        target[i] = from[i] ? 1 : 0;
    }
}

template <class W, class Operation>
Plan planWide(const Call& call) {
    using Result = decltype(Operation::of(W{}, W{}));
    const TnDataType typeA = call.in(0).dtype;
    const TnDataType typeB = call.in(1).dtype;
    const TnDataType typeC = call.out().dtype;
    const Dims& dims = call.out().dims;
    const StridedLoop loop = collapse(dims, {rowMajorStrides(dims), broadcastStrides(call.in(0).dims, dims),
                                             broadcastStrides(call.in(1).dims, dims)});
    const int threads = call.threads();
    return {[=](const Buffers& buffers) {
        const int64_t length = loop.rowLength();
        parallelFor(threads, loop.rows(), 1 + 16 * kChunk / (length + 1), [&](int64_t begin, int64_t end) {
            W a[kChunk];
            W b[kChunk];
            Result c[kChunk];
            forRows<3>(loop, begin, end, [&](const int64_t* offsets) {
                for (int64_t i = 0; i < length; i += kChunk) {
                    const int64_t n = std::min(kChunk, length - i);
                    load(typeA, buffers.inputs[0], offsets[1] + i * loop.rowStride(1), loop.rowStride(1), n, a);
                    load(typeB, buffers.inputs[1], offsets[2] + i * loop.rowStride(2), loop.rowStride(2), n, b);
                    for (int64_t k = 0; k < n; ++k) {
                        c[k] = Operation::of(a[k], b[k]);
                    }
                    store(typeC, c, n, buffers.outputs[0], offsets[0] + i);
                }
            });
        });
        return Code::kOk;
    }};
}

template <class Operation>
Plan planInteger(const Call& call) {
    return call.in(0).dtype == TN_U64 ? planWide<uint64_t, Operation>(call) : planWide<int64_t, Operation>(call);
}
template <class Operation>
Plan planNumeric(const Call& call) {
    return contains(kFloats, call.in(0).dtype) ? planWide<double, Operation>(call) : planInteger<Operation>(call);
}
Plan planMod(const Call& call) {
    return call.intOr("fmod", 0) != 0 ? planNumeric<TruncatedMod>(call) : planNumeric<FloorMod>(call);
}
Plan planPow(const Call& call) {
    const bool integers = !contains(kFloats, call.in(0).dtype) && !contains(kFloats, call.in(1).dtype);
    return integers ? planInteger<Pow>(call) : planWide<double, Pow>(call);
}

void checkPow(const module::NodeView& node) { requireType(node, 1, kNumeric); }

} // namespace

void addBinary(KernelTable& table) {
    const auto add = [&](std::string_view op, TypeMask types, OutputRule output, Plan (*plan)(const Call&)) {
        table.add({.op = op,
                   .minInputs = 2,
                   .maxInputs = 2,
                   .types = types,
                   .output = output,
                   .plan = plan,
                   .check = requireSameTypes});
    };
    constexpr OutputRule kSame = OutputRule::kLikeInput0;
    constexpr OutputRule kTruth = OutputRule::kTruth;
    add("binary.add", kNumeric, kSame, planNumeric<Add>);
    add("binary.sub", kNumeric, kSame, planNumeric<Sub>);
    add("binary.mul", kNumeric, kSame, planNumeric<Mul>);
    add("binary.div", kNumeric, kSame, planNumeric<Div>);
    add("binary.floor_div", kNumeric, kSame, planNumeric<FloorDiv>);
    add("binary.mod", kNumeric, kSame, planMod);
    add("binary.max", kNumeric | kBool, kSame, planNumeric<Max>);
    add("binary.min", kNumeric | kBool, kSame, planNumeric<Min>);
    table.add(
        {.op = "binary.pow", .minInputs = 2, .maxInputs = 2, .types = kNumeric, .plan = planPow, .check = checkPow});
    add("binary.and", kBool, kTruth, planInteger<And>);
    add("binary.or", kBool, kTruth, planInteger<Or>);
    add("binary.xor", kBool, kTruth, planInteger<Xor>);
    add("binary.bitwise_and", kInts, kSame, planInteger<And>);
    add("binary.bitwise_or", kInts, kSame, planInteger<Or>);
    add("binary.bitwise_xor", kInts, kSame, planInteger<Xor>);
    add("binary.shift_left", kInts, kSame, planInteger<ShiftLeft>);
    add("binary.shift_right", kInts, kSame, planInteger<ShiftRight>);
    add("binary.equal", kNumeric | kBool, kTruth, planNumeric<Equal>);
    add("binary.less", kNumeric, kTruth, planNumeric<Less>);
    add("binary.less_equal", kNumeric, kTruth, planNumeric<LessEqual>);
    add("binary.greater", kNumeric, kTruth, planNumeric<Greater>);
    add("binary.greater_equal", kNumeric, kTruth, planNumeric<GreaterEqual>);
}

} // namespace tenon::reference
