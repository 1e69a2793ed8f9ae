// cast: between any two element types of whole bytes. Floats are rounded to nearest even; float to integer cuts and
// saturates (NaN gives 0); integer to narrower integer keeps the low bits; anything to bool asks whether it is not zero.
#include "backends/common/parallel.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <cmath>

namespace tenon::reference {

namespace {

constexpr TypeMask kSmallFloats = maskOf(TN_F8E4M3) | maskOf(TN_F8E5M2) | maskOf(TN_F8E8M0);
constexpr TypeMask kAnyFloat = kFloats | kSmallFloats;

void loadAnyFloat(TnDataType type, const void* from, int64_t first, int64_t count, double* to) {
    if (contains(kFloats, type)) {
        loadFloats(type, from, first, 1, count, to);
        return;
    }
    const auto* bytes = static_cast<const uint8_t*>(from) + first;
    for (int64_t i = 0; i < count; ++i) {
        to[i] = type == TN_F8E4M3   ? floatOfF8E4M3(bytes[i])
                : type == TN_F8E5M2 ? floatOfF8E5M2(bytes[i])
                                    : floatOfF8E8M0(bytes[i]);
    }
}

void storeAnyFloat(TnDataType type, const double* from, int64_t count, void* to, int64_t first, bool saturate) {
    if (contains(kFloats, type)) {
        storeFloats(type, from, count, to, first);
        return;
    }
    auto* bytes = static_cast<uint8_t*>(to) + first;
    for (int64_t i = 0; i < count; ++i) {
        bytes[i] = type == TN_F8E4M3   ? f8E4M3Of(from[i], saturate)
                   : type == TN_F8E5M2 ? f8E5M2Of(from[i], saturate)
                                       : f8E8M0Of(from[i]);
    }
}

template <class T>
T cut(double value) {
    if (std::isnan(value)) {
        return 0;
    }
    if (value <= static_cast<double>(std::numeric_limits<T>::min())) {
        return std::numeric_limits<T>::min();
    }
    // The largest 64-bit integers are no doubles: compare with the power of two above.
    if (value >= std::ldexp(1.0, std::numeric_limits<T>::digits)) {
        return std::numeric_limits<T>::max();
    }
    return static_cast<T>(value);
}

using Convert = void (*)(TnDataType, const void*, TnDataType, void*, int64_t first, int64_t count, bool saturate);

void floatToFloat(TnDataType from, const void* source, TnDataType to, void* target, int64_t first, int64_t count,
                  bool saturate) {
    double x[kChunk];
    loadAnyFloat(from, source, first, count, x);
    storeAnyFloat(to, x, count, target, first, saturate);
}
void floatToInt(TnDataType from, const void* source, TnDataType to, void* target, int64_t first, int64_t count, bool) {
    double x[kChunk];
    loadAnyFloat(from, source, first, count, x);
    dispatchInt(to, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        for (int64_t i = 0; i < count; ++i) {
            static_cast<T*>(target)[first + i] = cut<T>(x[i]);
        }
    });
}
void floatToBool(TnDataType from, const void* source, TnDataType, void* target, int64_t first, int64_t count, bool) {
    double x[kChunk];
    loadAnyFloat(from, source, first, count, x);
    for (int64_t i = 0; i < count; ++i) {
        static_cast<uint8_t*>(target)[first + i] = x[i] != 0 ? 1 : 0;
    }
}
void intToFloat(TnDataType from, const void* source, TnDataType to, void* target, int64_t first, int64_t count,
                bool saturate) {
    if (to == TN_F32) { // straight, so that 64-bit integers round once
        dispatchInt(from, [&](auto tag) {
            using T = typename decltype(tag)::Type;
            for (int64_t i = 0; i < count; ++i) {
                static_cast<float*>(target)[first + i] = static_cast<float>(static_cast<const T*>(source)[first + i]);
            }
        });
        return;
    }
    double x[kChunk];
    dispatchInt(from, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        for (int64_t i = 0; i < count; ++i) {
            x[i] = static_cast<double>(static_cast<const T*>(source)[first + i]);
        }
    });
    storeAnyFloat(to, x, count, target, first, saturate);
}
void intToInt(TnDataType from, const void* source, TnDataType to, void* target, int64_t first, int64_t count, bool) {
    int64_t x[kChunk];
    loadInts(from, source, first, 1, count, x);
    storeInts(to, x, count, target, first);
}
void intToBool(TnDataType from, const void* source, TnDataType, void* target, int64_t first, int64_t count, bool) {
    int64_t x[kChunk];
    loadInts(from, source, first, 1, count, x);
    for (int64_t i = 0; i < count; ++i) {
        static_cast<uint8_t*>(target)[first + i] = x[i] != 0 ? 1 : 0;
    }
}

Plan planCast(const Call& call) {
    const TnDataType from = call.in(0).dtype;
    const TnDataType to = call.out().dtype;
    if (from == to) {
        return planSameBytes(call);
    }
    const bool fromFloat = contains(kAnyFloat, from);
    const Convert convert = to == TN_BOOL             ? (fromFloat ? floatToBool : intToBool)
                            : contains(kAnyFloat, to) ? (fromFloat ? floatToFloat : intToFloat)
                                                      : (fromFloat ? floatToInt : intToInt);
    const bool saturate = call.intOr("saturate", 1) != 0;
    const int64_t count = call.out().elements;
    const int threads = call.threads();
    return {[=](const Buffers& b) {
        parallelFor(threads, count, 16 * kChunk, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i += kChunk) {
                convert(from, b.inputs[0], to, b.outputs[0], i, std::min(kChunk, end - i), saturate);
            }
        });
        return Code::kOk;
    }};
}

void checkCast(const module::NodeView& node) {
    if (!contains(kWholeBytes, node.output(0).dtype())) {
        refuse("cast to ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kWholeBytes));
    }
}

} // namespace

void addCast(KernelTable& table) {
    table.add({.op = "cast", .types = kWholeBytes, .output = OutputRule::kAny, .plan = planCast, .check = checkCast});
}

} // namespace tenon::reference
