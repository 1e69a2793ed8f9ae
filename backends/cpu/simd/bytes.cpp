// Machines that look up bytes within registers have a target of their own.
#define HWY_WANT_AVX3_DL
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

// Of numbers that a byte holds, rounded.
template <class Byte>
HWY_INLINE void storeBytes(D d, hn::Vec<D> x, Byte* to) {
#if HWY_TARGET <= HWY_AVX3
    (void)d;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.raw)));
#else
    const hn::Rebind<Byte, D> bytes;
    hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(x)), bytes, to);
    (void)d;
#endif
}

template <class Byte>
void quantizeTo(const float* x, int64_t count, const ByteScale& how, uint8_t* to) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto step = hn::Set(d, how.scale);
    const float inverse = 1 / how.scale;
    const auto reciprocal = hn::Set(d, inverse);
    const auto shift = hn::Set(d, how.zero);
    const auto far = hn::Set(d, 0x1p21F); // beyond all bytes, whatever the zero point: infinities leave no NaN
    constexpr float kLeast = std::numeric_limits<Byte>::lowest();
    constexpr float kMost = std::numeric_limits<Byte>::max();
    const auto least = hn::Set(d, kLeast);
    const auto most = hn::Set(d, kMost);
    auto* const result = reinterpret_cast<Byte*>(to);
    const auto store = [&](hn::Vec<D> exact, int64_t at) HWY_ATTR {
        const auto code = hn::Add(hn::Round(exact), shift);
        const auto cut = hn::Min(hn::Max(hn::IfThenElse(hn::IsNaN(code), shift, code), least), most);
        storeBytes(d, cut, result + at);
    };
    int64_t i = 0;
    if (std::isfinite(inverse)) {
        for (; i + lanes <= count; i += lanes) {
            // The quotient of a division: a product with the reciprocal, corrected by what is left over.
            const auto v = hn::LoadU(d, x + i);
            const auto quotient = hn::Min(hn::Max(hn::Mul(v, reciprocal), hn::Neg(far)), far);
            store(hn::MulAdd(hn::NegMulAdd(quotient, step, v), reciprocal, quotient), i);
        }
    } else { // a scale so small that it has no reciprocal
        for (; i + lanes <= count; i += lanes) {
            store(hn::Div(hn::LoadU(d, x + i), step), i);
        }
    }
    for (; i < count; ++i) {
        const float code = std::nearbyint(x[i] / how.scale) + how.zero;
        result[i] = static_cast<Byte>(std::isnan(code) ? how.zero : std::clamp(code, kLeast, kMost));
    }
}

void quantize(const float* x, int64_t count, const ByteScale& how, uint8_t* to) {
    how.isSigned ? quantizeTo<int8_t>(x, count, how, to) : quantizeTo<uint8_t>(x, count, how, to);
}

template <class Byte>
HWY_INLINE hn::Vec<D> loadBytes(D d, const uint8_t* from) {
    const hn::Rebind<int32_t, D> ints;
    const hn::Rebind<Byte, D> bytes;
    return hn::ConvertTo(d, hn::PromoteTo(ints, hn::LoadU(bytes, reinterpret_cast<const Byte*>(from))));
}

template <class Byte>
void dequantizeFrom(const uint8_t* x, int64_t count, const ByteScale& how, float* to) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto scale = hn::Set(d, how.scale);
    const auto zero = hn::Set(d, how.zero);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(hn::Mul(hn::Sub(loadBytes<Byte>(d, x + i), zero), scale), d, to + i);
    }
    for (; i < count; ++i) {
        to[i] = (static_cast<float>(static_cast<Byte>(x[i])) - how.zero) * how.scale;
    }
}

void dequantize(const uint8_t* x, int64_t count, const ByteScale& how, float* to) {
    how.isSigned ? dequantizeFrom<int8_t>(x, count, how, to) : dequantizeFrom<uint8_t>(x, count, how, to);
}

// What a sum leaves: a NaN, which comparisons would make the lowest byte, becomes the zero point as in quantize.
HWY_INLINE hn::Vec<D> cutSum(D d, const ByteSum& how, hn::Vec<D> sum) {
    const auto cut = hn::Min(hn::Max(sum, hn::Set(d, how.least)), hn::Set(d, how.most));
    return hn::IfThenElse(hn::IsNaN(sum), hn::Set(d, how.zero), cut);
}

HWY_INLINE hn::Vec<D> loadOperand(D d, const float* from) { return hn::LoadU(d, from); }
template <class Byte>
HWY_INLINE hn::Vec<D> loadOperand(D d, const Byte* from) {
    return loadBytes<Byte>(d, reinterpret_cast<const uint8_t*>(from));
}

// B: bytes, or numbers.
template <class A, class B, class Result>
void sumOf(const ByteSum& how, const uint8_t* a, const B* b, int64_t count, uint8_t* to) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto factorA = hn::Set(d, how.factorA);
    const auto factorB = hn::Set(d, how.factorB);
    const auto shift = hn::Set(d, how.shift);
    const auto step = [&](const uint8_t* x, const B* y, uint8_t* z) HWY_ATTR {
        const auto sum = hn::MulAdd(loadBytes<A>(d, x), factorA, hn::MulAdd(loadOperand(d, y), factorB, shift));
        storeBytes(d, cutSum(d, how, sum), reinterpret_cast<Result*>(z));
    };
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        step(a + i, b + i, to + i);
    }
    if (i < count) {
        const auto rest = static_cast<size_t>(count - i);
        uint8_t x[HWY_MAX_BYTES] = {};
        B y[HWY_MAX_BYTES] = {};
        uint8_t z[HWY_MAX_BYTES] = {};
        std::memcpy(x, a + i, rest);
        std::memcpy(y, b + i, rest * sizeof(B));
        step(x, y, z);
        std::memcpy(to + i, z, rest);
    }
}

template <class A, class B>
void sumTo(const ByteSum& how, const uint8_t* a, const B* b, int64_t count, uint8_t* to) {
    how.signedResult ? sumOf<A, B, int8_t>(how, a, b, count, to) : sumOf<A, B, uint8_t>(how, a, b, count, to);
}

template <class B>
void sumWith(const ByteSum& how, const uint8_t* a, const B* b, int64_t count, uint8_t* to) {
    how.signedA ? sumTo<int8_t>(how, a, b, count, to) : sumTo<uint8_t>(how, a, b, count, to);
}

void sum(const ByteSum& how, const uint8_t* a, const uint8_t* b, int64_t count, uint8_t* to) {
    how.signedB ? sumWith(how, a, reinterpret_cast<const int8_t*>(b), count, to) : sumWith(how, a, b, count, to);
}

void sumWithRow(const ByteSum& how, const uint8_t* a, const float* row, int64_t count, uint8_t* to) {
    sumWith(how, a, row, count, to);
}

// Plain loops: compilers know them.
template <class Byte>
int32_t largestOf(const uint8_t* x, int64_t count) {
    const auto* from = reinterpret_cast<const Byte*>(x);
    Byte largest = std::numeric_limits<Byte>::lowest();
    for (int64_t i = 0; i < count; ++i) {
        largest = from[i] > largest ? from[i] : largest;
    }
    return largest;
}

int32_t largest(const uint8_t* x, bool isSigned, int64_t count) {
    return isSigned ? largestOf<int8_t>(x, count) : largestOf<uint8_t>(x, count);
}

template <class Byte>
void momentsOf(const uint8_t* x, int64_t count, int64_t* sum, int64_t* squares) {
    constexpr int64_t kBand = 32768; // squares that 32 bits hold the sum of
    const auto* from = reinterpret_cast<const Byte*>(x);
    *sum = 0;
    *squares = 0;
    for (int64_t begin = 0; begin < count; begin += kBand) {
        const int64_t end = std::min(begin + kBand, count);
        int32_t bandSum = 0;
        uint32_t bandSquares = 0;
        for (int64_t i = begin; i < end; ++i) {
            const int32_t difference = int32_t{from[i]} - int32_t{from[0]};
            bandSum += difference;
            bandSquares += static_cast<uint32_t>(difference * difference);
        }
        *sum += bandSum;
        *squares += bandSquares;
    }
}

void moments(const uint8_t* x, bool isSigned, int64_t count, int64_t* sum, int64_t* squares) {
    isSigned ? momentsOf<int8_t>(x, count, sum, squares) : momentsOf<uint8_t>(x, count, sum, squares);
}

template <class Byte>
void addBytes(const uint8_t* x, int64_t count, int32_t* sums) {
    const hn::ScalableTag<int32_t> d;
    const hn::Rebind<Byte, hn::ScalableTag<int32_t>> bytes;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto* from = reinterpret_cast<const Byte*>(x);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::PromoteTo(d, hn::LoadU(bytes, from + i))), d, sums + i);
    }
    for (; i < count; ++i) {
        sums[i] += from[i];
    }
}

void addInto(const uint8_t* x, bool isSigned, int64_t count, int32_t* sums) {
    isSigned ? addBytes<int8_t>(x, count, sums) : addBytes<uint8_t>(x, count, sums);
}

void average(const int32_t* sums, int64_t rows, int64_t apart, int64_t count, float zeros, float factor, float* to) {
    const hn::ScalableTag<int32_t> d;
    const hn::ScalableTag<float> numbers;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto total = hn::Zero(d);
        for (int64_t row = 0; row < rows; ++row) {
            total = hn::Add(total, hn::LoadU(d, sums + row * apart + i));
        }
        const auto real = hn::Sub(hn::ConvertTo(numbers, total), hn::Set(numbers, zeros));
        hn::StoreU(hn::Mul(real, hn::Set(numbers, factor)), numbers, to + i);
    }
    for (; i < count; ++i) {
        int32_t total = 0;
        for (int64_t row = 0; row < rows; ++row) {
            total += sums[row * apart + i];
        }
        to[i] = (static_cast<float>(total) - zeros) * factor;
    }
}

void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, int64_t count, uint8_t* to) {
    // Vectors of 16 bytes: what wider ones would exchange between their halves costs more than it gains.
    const hn::CappedTag<uint8_t, 16> d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreInterleaved3(hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::LoadU(d, c + i), d, to + 3 * i);
    }
    for (; i < count; ++i) {
        to[3 * i] = a[i];
        to[3 * i + 1] = b[i];
        to[3 * i + 2] = c[i];
    }
}

void lookup(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* to) {
    int64_t i = 0;
#if HWY_TARGET <= HWY_AVX3_DL
    // The table lies in four registers; two are asked at once, and the highest bit of an index says which two.
    const __m512i first = _mm512_loadu_si512(table);
    const __m512i second = _mm512_loadu_si512(table + 64);
    const __m512i third = _mm512_loadu_si512(table + 128);
    const __m512i fourth = _mm512_loadu_si512(table + 192);
    const auto step = [&](__m512i index) HWY_ATTR {
        const __m512i low = _mm512_permutex2var_epi8(first, index, second);
        const __m512i high = _mm512_permutex2var_epi8(third, index, fourth);
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
    };
    for (; i + 64 <= count; i += 64) {
        _mm512_storeu_si512(to + i, step(_mm512_loadu_si512(x + i)));
    }
#endif
    for (; i < count; ++i) {
        to[i] = table[x[i]];
    }
}

const ByteRows* rows() {
    static const ByteRows kRows{range,   quantize, dequantize, sum,        sumWithRow, largest,
                                moments, addInto,  average,    interleave, lookup};
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
