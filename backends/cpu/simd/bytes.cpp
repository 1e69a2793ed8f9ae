#include "backends/cpu/simd/bytes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/bytes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;

void range(const float* x, int64_t count, float* low, float* high) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    auto least = hn::Set(d, *low);
    auto most = hn::Set(d, *high);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const auto v = hn::LoadU(d, x + i);
        // A NaN changes nothing: it is the second operand that comparisons with it leave.
        least = hn::Min(v, least);
        most = hn::Max(v, most);
    }
    *low = hn::GetLane(hn::MinOfLanes(d, least));
    *high = hn::GetLane(hn::MaxOfLanes(d, most));
    for (; i < count; ++i) {
        *low = std::min(*low, x[i]);
        *high = std::max(*high, x[i]);
    }
}

void quantizeU8(const float* x, int64_t count, float scale, float zero, uint8_t* to) {
    const D d;
    const hn::Rebind<uint8_t, D> bytes;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto step = hn::Set(d, scale);
    const auto reciprocal = hn::Set(d, 1 / scale);
    const auto shift = hn::Set(d, zero);
    const auto least = hn::Zero(d);
    const auto most = hn::Set(d, 255.0F);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        // The quotient of a division: a product with the reciprocal, corrected by what is left over.
        const auto v = hn::LoadU(d, x + i);
        const auto quotient = hn::Mul(v, reciprocal);
        const auto exact = hn::MulAdd(hn::NegMulAdd(quotient, step, v), reciprocal, quotient);
        const auto code = hn::Add(hn::Round(exact), shift);
        const auto cut = hn::Min(hn::Max(hn::IfThenElse(hn::IsNaN(code), shift, code), least), most);
        hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(cut)), bytes, to + i);
    }
    for (; i < count; ++i) {
        const float code = std::nearbyint(x[i] / scale) + zero;
        to[i] = static_cast<uint8_t>(std::isnan(code) ? zero : std::clamp(code, 0.0F, 255.0F));
    }
}

template <class Byte>
HWY_INLINE hn::Vec<D> loadBytes(D d, const uint8_t* from) {
    const hn::Rebind<int32_t, D> ints;
    const hn::Rebind<Byte, D> bytes;
    return hn::ConvertTo(d, hn::PromoteTo(ints, hn::LoadU(bytes, reinterpret_cast<const Byte*>(from))));
}

template <class A, class B, class Result>
void sumOf(const ByteSum& how, const uint8_t* a, const uint8_t* b, int64_t count, uint8_t* to) {
    const D d;
    const hn::Rebind<Result, D> bytes;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto factorA = hn::Set(d, how.factorA);
    const auto factorB = hn::Set(d, how.factorB);
    const auto shift = hn::Set(d, how.shift);
    const auto least = hn::Set(d, std::max(how.least, static_cast<float>(std::numeric_limits<Result>::lowest())));
    const auto most = hn::Set(d, std::min(how.most, static_cast<float>(std::numeric_limits<Result>::max())));
    const auto step = [&](const uint8_t* x, const uint8_t* y, uint8_t* z) HWY_ATTR {
        const auto sum = hn::MulAdd(loadBytes<A>(d, x), factorA, hn::MulAdd(loadBytes<B>(d, y), factorB, shift));
        const auto cut = hn::Min(hn::Max(sum, least), most);
        hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(cut)), bytes, reinterpret_cast<Result*>(z));
    };
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        step(a + i, b + i, to + i);
    }
    if (i < count) {
        const auto rest = static_cast<size_t>(count - i);
        uint8_t x[HWY_MAX_BYTES] = {};
        uint8_t y[HWY_MAX_BYTES] = {};
        uint8_t z[HWY_MAX_BYTES] = {};
        std::memcpy(x, a + i, rest);
        std::memcpy(y, b + i, rest);
        step(x, y, z);
        std::memcpy(to + i, z, rest);
    }
}

template <class A, class B>
void sumTo(const ByteSum& how, const uint8_t* a, const uint8_t* b, int64_t count, uint8_t* to) {
    how.signedResult ? sumOf<A, B, int8_t>(how, a, b, count, to) : sumOf<A, B, uint8_t>(how, a, b, count, to);
}

void sum(const ByteSum& how, const uint8_t* a, const uint8_t* b, int64_t count, uint8_t* to) {
    if (how.signedA) {
        how.signedB ? sumTo<int8_t, int8_t>(how, a, b, count, to) : sumTo<int8_t, uint8_t>(how, a, b, count, to);
    } else {
        how.signedB ? sumTo<uint8_t, int8_t>(how, a, b, count, to) : sumTo<uint8_t, uint8_t>(how, a, b, count, to);
    }
}

const ByteRows* rows() {
    static const ByteRows kRows{range, quantizeU8, sum};
    return &kRows;
}

} // namespace tenon::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(rows);

const ByteRows& byteRows() {
    static const ByteRows* const kRows = HWY_DYNAMIC_DISPATCH(rows)();
    return *kRows;
}

} // namespace tenon::cpu
#endif
