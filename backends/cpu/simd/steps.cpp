// The instructions of pointwise programs, compiled once per instruction set. Plain loops where the compiler vectorises them as
// well as anybody; Highway where a polynomial has to be evaluated.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/steps.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/math-inl.h"
#include "backends/cpu/simd/steps.h"

#include "backends/common/elements.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

// Elements do not depend on each other, and `to` may be one of the operands.
#if defined(__clang__)
#define TENON_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TENON_INDEPENDENT _Pragma("GCC ivdep")
#endif

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

using kernels::Half;

// --- Vector functions of one float -----------------------------------------------------------------------------------------

template <class Function>
void MapFloats(const StepArgs& args) {
    const StepArgs s = args; // a copy, which no store can change: what depends on it alone is done once
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto* from = static_cast<const float*>(s.a);
    auto* to = static_cast<float*>(s.to);
    int64_t i = 0;
    for (; i + lanes <= s.count; i += lanes) {
        hn::StoreU(Function::Of(d, hn::LoadU(d, from + i), s), d, to + i);
    }
    if (i < s.count) {
        // What is left goes through a full vector whose other lanes hold a harmless number.
        HWY_ALIGN float rest[HWY_MAX_BYTES / sizeof(float)] = {};
        const auto bytes = static_cast<size_t>(s.count - i) * sizeof(float);
        std::memcpy(rest, from + i, bytes);
        hn::Store(Function::Of(d, hn::Load(d, rest), s), d, rest);
        std::memcpy(to + i, rest, bytes);
    }
}

#define TENON_FUNCTION(name, expression)                                                                               \
    struct name {                                                                                                      \
        static HWY_INLINE FloatVec Of(FloatTag d, FloatVec x, const StepArgs& s) {                                     \
            (void)d;                                                                                                   \
            (void)s;                                                                                                   \
            return expression;                                                                                         \
        }                                                                                                              \
    }
TENON_FUNCTION(Exp, ExpOf(d, x));
TENON_FUNCTION(Log, LogOf(d, x));
TENON_FUNCTION(Sqrt, hn::Sqrt(x));
TENON_FUNCTION(Rsqrt, hn::Div(hn::Set(d, 1.0F), hn::Sqrt(x)));
TENON_FUNCTION(Recip, hn::Div(hn::Set(d, 1.0F), x));
TENON_FUNCTION(Sin, SinOf(d, x));
TENON_FUNCTION(Cos, CosOf(d, x));
TENON_FUNCTION(Tan, ByLanes<std::tan>(d, x));
TENON_FUNCTION(Sinh, AllWithin(d, x, 80.0F) ? hn::Sinh(d, x) : ByLanes<std::sinh>(d, x));
TENON_FUNCTION(Cosh, CoshOf(d, x));
TENON_FUNCTION(Asin, AllWithin(d, x, 1.0F) ? hn::Asin(d, x) : ByLanes<std::asin>(d, x));
TENON_FUNCTION(Acos, AllWithin(d, x, 1.0F) ? hn::Acos(d, x) : ByLanes<std::acos>(d, x));
TENON_FUNCTION(Atan, AllWithin(d, x, 1e30F) ? hn::Atan(d, x) : ByLanes<std::atan>(d, x));
TENON_FUNCTION(Asinh, AllWithin(d, x, 1e15F) ? hn::Asinh(d, x) : ByLanes<std::asinh>(d, x));
TENON_FUNCTION(Acosh, hn::AllTrue(d, hn::And(hn::Ge(x, hn::Set(d, 1.0F)), hn::Le(x, hn::Set(d, 1e15F))))
                          ? hn::Acosh(d, x)
                          : ByLanes<std::acosh>(d, x));
TENON_FUNCTION(Atanh, AllWithin(d, x, 0.999F) ? hn::Atanh(d, x) : ByLanes<std::atanh>(d, x));
TENON_FUNCTION(Ceil, AllWithin(d, x, 8388608.0F) ? hn::CopySign(hn::Ceil(x), x) : ByLanes<std::ceil>(d, x));
TENON_FUNCTION(Floor, AllWithin(d, x, 8388608.0F) ? hn::CopySign(hn::Floor(x), x) : ByLanes<std::floor>(d, x));
TENON_FUNCTION(Round, AllWithin(d, x, 8388608.0F) ? hn::CopySign(hn::Round(x), x) : ByLanes<std::nearbyint>(d, x));
TENON_FUNCTION(Erf, ErfOf(d, x));
TENON_FUNCTION(Sigmoid, SigmoidOf(d, x));
TENON_FUNCTION(Tanh, TanhOf(d, x));
TENON_FUNCTION(Softplus, SoftplusOf(d, x));
TENON_FUNCTION(Mish, hn::Mul(x, TanhOf(d, SoftplusOf(d, x))));
TENON_FUNCTION(Elu, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(hn::Set(d, s.p0), Expm1Negative(d, x)), x));
TENON_FUNCTION(Selu, hn::Mul(hn::Set(d, s.p1), hn::IfThenElse(hn::Lt(x, hn::Zero(d)),
                                                              hn::Mul(hn::Set(d, s.p0), Expm1Negative(d, x)), x)));
TENON_FUNCTION(Celu, hn::IfThenElse(hn::Lt(x, hn::Zero(d)),
                                    hn::Mul(hn::Set(d, s.p0), Expm1Negative(d, hn::Div(x, hn::Set(d, s.p0)))), x));
TENON_FUNCTION(ScaledTanh, hn::Mul(hn::Set(d, s.p0), TanhOf(d, hn::Mul(hn::Set(d, s.p1), x))));
TENON_FUNCTION(GeluErf, GeluErfOf(d, x));
// x/2 * (1 + tanh(u)) = x * sigmoid(2 u)
TENON_FUNCTION(GeluTanh,
               hn::Mul(x, SigmoidOf(d, hn::Mul(hn::Set(d, 1.5957691F),
                                               hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715F), x)))));
TENON_FUNCTION(PlainSilu, SiluOf(d, x));
TENON_FUNCTION(ScaledSilu, hn::Mul(x, SigmoidOf(d, hn::Mul(hn::Set(d, s.p0), x))));
#undef TENON_FUNCTION

void Silu(const StepArgs& s) { s.p0 == 1.0F ? MapFloats<PlainSilu>(s) : MapFloats<ScaledSilu>(s); }

// --- Plain loops ---------------------------------------------------------------------------------------------------------------

template <class From, class To, class Function>
HWY_INLINE void MapPlain(const StepArgs& s, Function function) {
    const auto* a = static_cast<const From*>(s.a);
    auto* to = static_cast<To*>(s.to);
    TENON_INDEPENDENT
    for (int64_t i = 0; i < s.count; ++i) {
        to[i] = function(a[i]);
    }
}
template <class From, class To, class Function>
HWY_INLINE void MapTwo(const StepArgs& s, Function function) {
    const auto* a = static_cast<const From*>(s.a);
    const auto* b = static_cast<const From*>(s.b);
    auto* to = static_cast<To*>(s.to);
    TENON_INDEPENDENT
    for (int64_t i = 0; i < s.count; ++i) {
        to[i] = function(a[i], b[i]);
    }
}

#define TENON_ONE(name, expression)                                                                                    \
    template <class T>                                                                                                 \
    void name(const StepArgs& s) {                                                                                     \
        MapPlain<T, T>(s, [&s](T x) HWY_ATTR -> T {                                                                    \
            (void)s;                                                                                                   \
            return expression;                                                                                         \
        });                                                                                                            \
    }
TENON_ONE(Abs, x < 0 ? static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(x)) : x)
TENON_ONE(Neg, static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(x)))
TENON_ONE(Sign, static_cast<T>(x > 0 ? 1 : x < 0 ? -1 : x))
TENON_ONE(Not, static_cast<T>(x == 0 ? 1 : 0))
TENON_ONE(BitwiseNot, static_cast<T>(~x))
TENON_ONE(Relu, x < 0 ? 0 : x)
TENON_ONE(LeakyRelu, x < 0 ? s.p0 * x : x)
TENON_ONE(Softsign, x / (1 + std::fabs(x)))
TENON_ONE(ThresholdedRelu, x <= s.p0 ? 0 : x)
TENON_ONE(ClipFloat, (x < s.p0 ? s.p0 : x) > s.p1 ? s.p1 : (x < s.p0 ? s.p0 : x))
TENON_ONE(ClipInt, static_cast<T>((x < s.low ? s.low : x) > s.high ? s.high : (x < s.low ? s.low : x)))
TENON_ONE(HardSigmoid,
          (s.p0 * x + s.p1 < 0 ? 0 : s.p0 * x + s.p1) > 1 ? 1 : (s.p0 * x + s.p1 < 0 ? 0 : s.p0 * x + s.p1))
constexpr float kSixth = 1.0F / 6;
TENON_ONE(HardSwish,
          x*((x * kSixth + 0.5F < 0 ? 0 : x * kSixth + 0.5F) > 1 ? 1 : (x * kSixth + 0.5F < 0 ? 0 : x * kSixth + 0.5F)))
TENON_ONE(FloatAbs, std::fabs(x))
TENON_ONE(FloatNeg, -x)
#undef TENON_ONE

// Integers wrap: they are computed unsigned.
template <class T>
HWY_INLINE T Wrapped(std::make_unsigned_t<T> x) {
    return static_cast<T>(x);
}
#define TENON_TWO(name, forFloats, forInts)                                                                            \
    template <class T>                                                                                                 \
    void name(const StepArgs& s) {                                                                                     \
        MapTwo<T, T>(s, [](T a, T b) HWY_ATTR -> T {                                                                   \
            if constexpr (std::is_same_v<T, float>) {                                                                  \
                return forFloats;                                                                                      \
            } else {                                                                                                   \
                using U = std::make_unsigned_t<T>;                                                                     \
                (void)sizeof(U);                                                                                       \
                return forInts;                                                                                        \
            }                                                                                                          \
        });                                                                                                            \
    }
TENON_TWO(Add, a + b, Wrapped<T>(static_cast<U>(a) + static_cast<U>(b)))
TENON_TWO(Sub, a - b, Wrapped<T>(static_cast<U>(a) - static_cast<U>(b)))
TENON_TWO(Mul, a* b, Wrapped<T>(static_cast<U>(a) * static_cast<U>(b)))
TENON_TWO(Div, a / b, b == 0 ? 0 : b == -1 ? Wrapped<T>(U{0} - static_cast<U>(a)) : a / b)
TENON_TWO(Max, a > b || a != a ? a : b, a > b ? a : b)
TENON_TWO(Min, a < b || a != a ? a : b, a < b ? a : b)
TENON_TWO(FloorDiv, std::floor(a / b),
          b == 0    ? 0
          : b == -1 ? Wrapped<T>(U{0} - static_cast<U>(a))
                    : a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0))
TENON_TWO(TruncatedMod, std::fmod(a, b), b == 0 || b == -1 ? 0 : a % b)
TENON_TWO(FloorMod, (std::fmod(a, b) != 0 && (std::fmod(a, b) < 0) != (b < 0) ? std::fmod(a, b) + b : std::fmod(a, b)),
          b == 0 || b == -1 ? 0 : a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0))
TENON_TWO(Prelu, a < 0 ? a * b : a, a < 0 ? Wrapped<T>(static_cast<U>(a) * static_cast<U>(b)) : a)
#undef TENON_TWO

#define TENON_BITS(name, expression)                                                                                   \
    template <class T>                                                                                                 \
    void name(const StepArgs& s) {                                                                                     \
        MapTwo<T, T>(s, [](T a, T b) HWY_ATTR -> T { return static_cast<T>(expression); });                            \
    }
TENON_BITS(And, a& b)
TENON_BITS(Or, a | b)
TENON_BITS(Xor, a ^ b)
#undef TENON_BITS

#define TENON_COMPARE(name, expression)                                                                                \
    template <class T>                                                                                                 \
    void name(const StepArgs& s) {                                                                                     \
        MapTwo<T, uint8_t>(s, [](T a, T b) HWY_ATTR -> uint8_t { return (expression) ? 1 : 0; });                      \
    }
TENON_COMPARE(Equal, a == b)
TENON_COMPARE(Less, a < b)
TENON_COMPARE(LessEqual, a <= b)
TENON_COMPARE(Greater, a > b)
TENON_COMPARE(GreaterEqual, a >= b)
#undef TENON_COMPARE

template <class T>
void Where(const StepArgs& s) {
    const auto* condition = static_cast<const uint8_t*>(s.a);
    const auto* yes = static_cast<const T*>(s.b);
    const auto* no = static_cast<const T*>(s.c);
    auto* to = static_cast<T*>(s.to);
    TENON_INDEPENDENT
    for (int64_t i = 0; i < s.count; ++i) {
        to[i] = condition[i] != 0 ? yes[i] : no[i];
    }
}

void IsNan(const StepArgs& s) {
    MapPlain<float, uint8_t>(s, [](float x) HWY_ATTR -> uint8_t { return x != x ? 1 : 0; });
}
void IsInf(const StepArgs& s) {
    const bool positive = s.p0 != 0;
    const bool negative = s.p1 != 0;
    MapPlain<float, uint8_t>(s, [=](float x) HWY_ATTR -> uint8_t {
        return (positive && x > std::numeric_limits<float>::max()) ||
                       (negative && x < std::numeric_limits<float>::lowest())
                   ? 1
                   : 0;
    });
}

// Powers that occur in networks have one exponent for all; the rest is computed in double, so that the result rounds once.
void Pow(const StepArgs& s) {
    const auto* b = static_cast<const float*>(s.b);
    if (s.scalarB && s.count > 0) {
        const float exponent = b[0];
        if (exponent == 2.0F) {
            MapPlain<float, float>(s, [](float x) HWY_ATTR -> float { return x * x; });
            return;
        }
        if (exponent == 1.0F) {
            MapPlain<float, float>(s, [](float x) HWY_ATTR -> float { return x; });
            return;
        }
        if (exponent == 0.5F) {
            // pow(-0, 0.5) is +0 and pow(-inf, 0.5) is +inf, unlike the square root.
            MapPlain<float, float>(
                s, [](float x) HWY_ATTR -> float { return x < -3.4028235e38F ? -x : std::sqrt(x + 0.0F); });
            return;
        }
    }
    const auto* a = static_cast<const float*>(s.a);
    auto* to = static_cast<float*>(s.to);
    const hn::ScalableTag<double> d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN double x[HWY_MAX_BYTES / sizeof(double)];
    HWY_ALIGN double y[HWY_MAX_BYTES / sizeof(double)];
    int64_t i = 0;
    for (; i + lanes <= s.count; i += lanes) {
        bool plain = true;
        for (int64_t k = 0; k < lanes; ++k) {
            x[k] = a[i + k];
            y[k] = b[i + k];
            plain = plain && x[k] > 0 && x[k] < 1e38 && std::fabs(y[k]) < 1e6;
        }
        if (plain) {
            const auto product = hn::Mul(hn::Log(d, hn::Load(d, x)), hn::Load(d, y));
            hn::Store(hn::Exp(d, hn::Min(hn::Max(product, hn::Set(d, -200.0)), hn::Set(d, 200.0))), d, x);
            for (int64_t k = 0; k < lanes; ++k) {
                to[i + k] = static_cast<float>(x[k]);
            }
        } else {
            for (int64_t k = 0; k < lanes; ++k) {
                to[i + k] = static_cast<float>(std::pow(x[k], y[k]));
            }
        }
    }
    for (; i < s.count; ++i) {
        to[i] = static_cast<float>(std::pow(static_cast<double>(a[i]), static_cast<double>(b[i])));
    }
}

// --- Between classes, and between memory and registers -----------------------------------------------------------------------

template <class From, class To>
void Convert(const StepArgs& s) {
    MapPlain<From, To>(s, [](From x) HWY_ATTR -> To { return static_cast<To>(x); });
}
template <class From>
void ToBool(const StepArgs& s) {
    MapPlain<From, uint8_t>(s, [](From x) HWY_ATTR -> uint8_t { return x != 0 ? 1 : 0; });
}
// Cuts and saturates; NaN gives 0.
template <class To>
void Cut(const StepArgs& s) {
    const auto low = static_cast<double>(s.low);
    const auto high = static_cast<double>(s.high);
    const int64_t most = s.high;
    const int64_t least = s.low;
    MapPlain<float, To>(s, [=](float x) HWY_ATTR -> To {
        const double wide = x;
        return wide != wide   ? To{0}
               : wide <= low  ? static_cast<To>(least)
               : wide >= high ? static_cast<To>(most)
                              : static_cast<To>(wide);
    });
}

void FromCodes(const StepArgs& s) {
    const float scale = s.p0;
    const float zero = s.p1;
    MapPlain<int32_t, float>(s, [=](int32_t x) HWY_ATTR -> float { return (static_cast<float>(x) - zero) * scale; });
}

// The quotient is that of a division: a product with the reciprocal, corrected by what is left over.
void ToCodes(const StepArgs& s) {
    constexpr float kFar = 0x1p21F; // beyond the range of the result, whatever the zero point
    constexpr float kRounder = 0x1.8p23F;
    const float scale = s.p0;
    const float reciprocal = 1 / scale;
    const float zero = s.p1;
    const auto low = static_cast<float>(s.low);
    const auto high = static_cast<float>(s.high);
    MapPlain<float, int32_t>(s, [=](float x) HWY_ATTR -> int32_t {
        float quotient = x * reciprocal;
        quotient = quotient > kFar ? kFar : quotient < -kFar ? -kFar : quotient;
        const float rest = __builtin_fmaf(-quotient, scale, x);
        float exact = __builtin_fmaf(rest, reciprocal, quotient);
        exact = exact != exact ? 0.0F : exact > kFar ? kFar : exact < -kFar ? -kFar : exact;
        const float code = (exact + kRounder) - kRounder + zero;
        return static_cast<int32_t>(code > high ? high : code < low ? low : code);
    });
}

// To nearest even, by adding half of the last place kept; NaN keeps its top bits and stays NaN.
HWY_INLINE uint16_t Bf16Bits(float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    return static_cast<uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? (bits >> 16) | 0x40U : rounded);
}
HWY_INLINE float FloatOfBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

using WordTag = hn::Rebind<uint32_t, FloatTag>;
using HalfTag = hn::Rebind<uint16_t, FloatTag>;

void LoadBf16(const StepArgs& s) {
    const WordTag words;
    const HalfTag halves;
    const auto lanes = static_cast<int64_t>(hn::Lanes(words));
    const auto* from = static_cast<const uint16_t*>(s.a);
    auto* to = static_cast<float*>(s.to);
    int64_t i = 0;
    for (; i + lanes <= s.count; i += lanes) {
        const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, from + i)));
        hn::StoreU(hn::BitCast(FloatTag(), bits), FloatTag(), to + i);
    }
    for (; i < s.count; ++i) {
        to[i] = FloatOfBf16(from[i]);
    }
}
void StoreBf16(const StepArgs& s) {
    const WordTag words;
    const HalfTag halves;
    const auto lanes = static_cast<int64_t>(hn::Lanes(words));
    const auto half = hn::Set(words, 0x7FFFU);
    const auto one = hn::Set(words, 1U);
    const auto quiet = hn::Set(words, 0x40U);
    const auto* from = static_cast<const float*>(s.a);
    auto* to = static_cast<uint16_t*>(s.to);
    int64_t i = 0;
    for (; i + lanes <= s.count; i += lanes) {
        const auto x = hn::LoadU(FloatTag(), from + i);
        const auto bits = hn::BitCast(words, x);
        const auto high = hn::ShiftRight<16>(bits);
        const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(half, hn::And(high, one))));
        const auto isNan = hn::RebindMask(words, hn::IsNaN(x));
        hn::StoreU(hn::TruncateTo(halves, hn::IfThenElse(isNan, hn::Or(high, quiet), rounded)), halves, to + i);
    }
    for (; i < s.count; ++i) {
        to[i] = Bf16Bits(from[i]);
    }
}
void RoundToBf16(const StepArgs& s) {
    MapPlain<float, float>(s, [](float x) HWY_ATTR -> float { return FloatOfBf16(Bf16Bits(x)); });
}

// Half precision has instructions from AVX2 on; elsewhere the exact scalar conversions serve.
#undef TENON_HAVE_F16
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define TENON_HAVE_F16 1
#else
#define TENON_HAVE_F16 0
#endif

void LoadF16(const StepArgs& s) {
    const auto* from = static_cast<const uint16_t*>(s.a);
    auto* to = static_cast<float*>(s.to);
    int64_t i = 0;
#if TENON_HAVE_F16
    const FloatTag d;
    const hn::Rebind<hwy::float16_t, FloatTag> half;
    for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); i + lanes <= s.count; i += lanes) {
        hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(from) + i)), d, to + i);
    }
#endif
    for (; i < s.count; ++i) {
        to[i] = kernels::floatOf(Half{from[i]});
    }
}
void StoreF16(const StepArgs& s) {
    const auto* from = static_cast<const float*>(s.a);
    auto* to = static_cast<uint16_t*>(s.to);
    int64_t i = 0;
#if TENON_HAVE_F16
    const FloatTag d;
    const hn::Rebind<hwy::float16_t, FloatTag> half;
    for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); i + lanes <= s.count; i += lanes) {
        hn::StoreU(hn::DemoteTo(half, hn::LoadU(d, from + i)), half, reinterpret_cast<hwy::float16_t*>(to) + i);
    }
#endif
    for (; i < s.count; ++i) {
        to[i] = kernels::halfOf(static_cast<double>(from[i])).bits;
    }
}
void RoundToF16(const StepArgs& s) {
    uint16_t bits[64];
    const auto* from = static_cast<const float*>(s.a);
    auto* to = static_cast<float*>(s.to);
    for (int64_t i = 0; i < s.count; i += 64) {
        StepArgs piece{};
        piece.count = s.count - i < 64 ? s.count - i : 64;
        piece.a = from + i;
        piece.to = bits;
        StoreF16(piece);
        piece.a = bits;
        piece.to = to + i;
        LoadF16(piece);
    }
}

const char* Name() { return hwy::TargetName(HWY_TARGET); }

const StepTable& Table() {
    static const StepTable table = [] {
        StepTable t{};
        const auto set = [&t](Step step, StepFunction forFloat, StepFunction forInt = nullptr,
                              StepFunction forLong = nullptr, StepFunction forBool = nullptr) {
            const StepFunction functions[kClassCount] = {forFloat, forInt, forLong, forBool};
            for (int type = 0; type < kClassCount; ++type) {
                t.functions[static_cast<int>(step)][type] = functions[type];
            }
        };
        set(Step::kExp, MapFloats<Exp>);
        set(Step::kLog, MapFloats<Log>);
        set(Step::kSqrt, MapFloats<Sqrt>);
        set(Step::kRsqrt, MapFloats<Rsqrt>);
        set(Step::kRecip, MapFloats<Recip>);
        set(Step::kAbs, FloatAbs<float>, Abs<int32_t>, Abs<int64_t>);
        set(Step::kNeg, FloatNeg<float>, Neg<int32_t>, Neg<int64_t>);
        set(Step::kSin, MapFloats<Sin>);
        set(Step::kCos, MapFloats<Cos>);
        set(Step::kTan, MapFloats<Tan>);
        set(Step::kSinh, MapFloats<Sinh>);
        set(Step::kCosh, MapFloats<Cosh>);
        set(Step::kAsin, MapFloats<Asin>);
        set(Step::kAcos, MapFloats<Acos>);
        set(Step::kAtan, MapFloats<Atan>);
        set(Step::kAsinh, MapFloats<Asinh>);
        set(Step::kAcosh, MapFloats<Acosh>);
        set(Step::kAtanh, MapFloats<Atanh>);
        set(Step::kCeil, MapFloats<Ceil>);
        set(Step::kFloor, MapFloats<Floor>);
        set(Step::kRound, MapFloats<Round>);
        set(Step::kSign, Sign<float>, Sign<int32_t>, Sign<int64_t>);
        set(Step::kErf, MapFloats<Erf>);
        set(Step::kIsNan, IsNan);
        set(Step::kIsInf, IsInf);
        set(Step::kNot, nullptr, nullptr, nullptr, Not<uint8_t>);
        set(Step::kBitwiseNot, nullptr, BitwiseNot<int32_t>, BitwiseNot<int64_t>);
        set(Step::kRelu, Relu<float>, Relu<int32_t>, Relu<int64_t>);
        set(Step::kSigmoid, MapFloats<Sigmoid>);
        set(Step::kTanh, MapFloats<Tanh>);
        set(Step::kSoftsign, Softsign<float>);
        set(Step::kSoftplus, MapFloats<Softplus>);
        set(Step::kMish, MapFloats<Mish>);
        set(Step::kHardSwish, HardSwish<float>);
        set(Step::kLeakyRelu, LeakyRelu<float>);
        set(Step::kElu, MapFloats<Elu>);
        set(Step::kSelu, MapFloats<Selu>);
        set(Step::kCelu, MapFloats<Celu>);
        set(Step::kHardSigmoid, HardSigmoid<float>);
        set(Step::kScaledTanh, MapFloats<ScaledTanh>);
        set(Step::kThresholdedRelu, ThresholdedRelu<float>);
        set(Step::kGeluErf, MapFloats<GeluErf>);
        set(Step::kGeluTanh, MapFloats<GeluTanh>);
        set(Step::kSilu, Silu);
        set(Step::kClip, ClipFloat<float>, ClipInt<int32_t>, ClipInt<int64_t>);
        set(Step::kRoundToF16, RoundToF16);
        set(Step::kRoundToBf16, RoundToBf16);
        set(Step::kToFloat, Convert<float, float>, Convert<int32_t, float>, Convert<int64_t, float>,
            Convert<uint8_t, float>);
        set(Step::kToInt, Cut<int32_t>, Convert<int32_t, int32_t>, Convert<int64_t, int32_t>,
            Convert<uint8_t, int32_t>);
        set(Step::kToLong, Cut<int64_t>, Convert<int32_t, int64_t>, Convert<int64_t, int64_t>,
            Convert<uint8_t, int64_t>);
        set(Step::kToBool, ToBool<float>, ToBool<int32_t>, ToBool<int64_t>, ToBool<uint8_t>);
        set(Step::kFromCodes, nullptr, FromCodes);
        set(Step::kToCodes, ToCodes);
        set(Step::kAdd, Add<float>, Add<int32_t>, Add<int64_t>);
        set(Step::kSub, Sub<float>, Sub<int32_t>, Sub<int64_t>);
        set(Step::kMul, Mul<float>, Mul<int32_t>, Mul<int64_t>);
        set(Step::kDiv, Div<float>, Div<int32_t>, Div<int64_t>);
        set(Step::kMax, Max<float>, Max<int32_t>, Max<int64_t>, Or<uint8_t>);
        set(Step::kMin, Min<float>, Min<int32_t>, Min<int64_t>, And<uint8_t>);
        set(Step::kPow, Pow);
        set(Step::kFloorDiv, FloorDiv<float>, FloorDiv<int32_t>, FloorDiv<int64_t>);
        set(Step::kFloorMod, FloorMod<float>, FloorMod<int32_t>, FloorMod<int64_t>);
        set(Step::kTruncatedMod, TruncatedMod<float>, TruncatedMod<int32_t>, TruncatedMod<int64_t>);
        set(Step::kAnd, nullptr, And<int32_t>, And<int64_t>, And<uint8_t>);
        set(Step::kOr, nullptr, Or<int32_t>, Or<int64_t>, Or<uint8_t>);
        set(Step::kXor, nullptr, Xor<int32_t>, Xor<int64_t>, Xor<uint8_t>);
        set(Step::kEqual, Equal<float>, Equal<int32_t>, Equal<int64_t>, Equal<uint8_t>);
        set(Step::kLess, Less<float>, Less<int32_t>, Less<int64_t>);
        set(Step::kLessEqual, LessEqual<float>, LessEqual<int32_t>, LessEqual<int64_t>);
        set(Step::kGreater, Greater<float>, Greater<int32_t>, Greater<int64_t>);
        set(Step::kGreaterEqual, GreaterEqual<float>, GreaterEqual<int32_t>, GreaterEqual<int64_t>);
        set(Step::kPrelu, Prelu<float>, Prelu<int32_t>, Prelu<int64_t>);
        set(Step::kWhere, Where<float>, Where<int32_t>, Where<int64_t>, Where<uint8_t>);
        set(Step::kLoadF16, LoadF16);
        set(Step::kLoadBf16, LoadBf16);
        set(Step::kStoreF16, StoreF16);
        set(Step::kStoreBf16, StoreBf16);
        set(Step::kLoadU8, nullptr, Convert<uint8_t, int32_t>);
        set(Step::kLoadI8, nullptr, Convert<int8_t, int32_t>);
        set(Step::kStoreU8, nullptr, Convert<int32_t, uint8_t>);
        set(Step::kStoreI8, nullptr, Convert<int32_t, int8_t>);
        return t;
    }();
    return table;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Table);
HWY_EXPORT(Name);

const StepTable& stepTable() { return HWY_DYNAMIC_DISPATCH(Table)(); }
const char* instructionSet() { return HWY_DYNAMIC_DISPATCH(Name)(); }

} // namespace tenon::cpu
#endif
