// Vector functions beyond Highway's own: one vector of float in, one out. Included once per instruction set.
//
// Errors, measured against the exact value over the named range: Exp 1 unit; Sin, Cos, Log, Tanh, Sinh, the inverse functions: Highway's
// bounds (1 to 4 units in the last place); Erf 2 units; Sigmoid 4; Expm1 4; Pow and the fallbacks for special values are
// those of the C library or computed in double, within 1 unit.

#if defined(TENON_CPU_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_CPU_MATH_INL_H
#undef TENON_CPU_MATH_INL_H
#else
#define TENON_CPU_MATH_INL_H
#endif

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVec = hn::Vec<FloatTag>;

// Special values go through the C library, a lane at a time.
template <float (*scalar)(float)>
HWY_NOINLINE FloatVec ByLanes(FloatTag d, FloatVec x) {
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(x, d, lanes);
    for (size_t i = 0; i < hn::Lanes(d); ++i) {
        lanes[i] = scalar(lanes[i]);
    }
    return hn::Load(d, lanes);
}

// True when every lane lies within [-limit, limit]; NaN does not.
HWY_INLINE bool AllWithin(FloatTag d, FloatVec x, float limit) {
    return hn::AllTrue(d, hn::Le(hn::Abs(x), hn::Set(d, limit)));
}

// 1 / x of numbers between 2^-125 and 2^126, within two units: an estimate and the steps of Newton's that it needs, at a fraction of a division.
HWY_INLINE FloatVec ReciprocalOf(FloatTag d, FloatVec x) {
#if HWY_ARCH_X86
    constexpr int kSteps = 1; // from 11 bits or more
#else
    constexpr int kSteps = 2; // from 8
#endif
    FloatVec r = hn::ApproximateReciprocal(x);
    for (int i = 0; i < kSteps; ++i) {
        r = hn::Mul(r, hn::NegMulAdd(x, r, hn::Set(d, 2.0F)));
    }
    return r;
}

// exp of x, or of -x, with |x| <= 87.3, within one unit: 2^n times a least-maximum polynomial on [-ln(2)/2, ln(2)/2]. The sign of -x is in the
// constants.
template <bool kNegates = false>
HWY_INLINE FloatVec ExpWithin(FloatTag d, FloatVec x) {
    const hn::RebindToSigned<FloatTag> di;
    constexpr float kSign = kNegates ? -1.0F : 1.0F;
    // Adding 1.5 * 2^23 rounds to a whole number, which then is in the low bits.
    const FloatVec shift = hn::Set(d, 12582912.0F);
    const FloatVec shifted = hn::MulAdd(x, hn::Set(d, kSign * 1.44269504F), shift);
    const FloatVec n = hn::Sub(shifted, shift);
    // ln(2) in two parts: the first has so few digits that its product with n is exact.
    FloatVec r = hn::MulAdd(n, hn::Set(d, -kSign * 0.693145751953125F), x);
    r = hn::MulAdd(n, hn::Set(d, -kSign * 1.42860677e-6F), r);
    FloatVec p = hn::Set(d, 0.0013814466074109077F);
    p = hn::MulAdd(p, r, hn::Set(d, kSign * 0.008368780836462975F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.04166839271783829F));
    p = hn::MulAdd(p, r, hn::Set(d, kSign * 0.1666651964187622F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.4999999403953552F));
    p = hn::MulAdd(p, r, hn::Set(d, kSign));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0F));
    // No result is below the normal numbers: n may be added to the exponent.
    return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

// Overflows to infinity, keeps NaN, and gives the small numbers below the normal ones their digits.
HWY_INLINE FloatVec ExpOf(FloatTag d, FloatVec x) {
    if (HWY_LIKELY(AllWithin(d, x, 87.0F))) {
        return ExpWithin(d, x);
    }
    const auto tiny = hn::And(hn::Lt(x, hn::Set(d, -87.0F)), hn::Gt(x, hn::Set(d, -104.0F)));
    if (!hn::AllFalse(d, tiny)) {
        return ByLanes<std::exp>(d, x);
    }
    FloatVec y = ExpWithin(d, hn::Min(hn::Max(x, hn::Set(d, -87.0F)), hn::Set(d, 87.0F)));
    // Up to the overflow at 88.72 the result is reached in two factors.
    const FloatVec half = ExpWithin(d, hn::Mul(hn::Min(hn::Max(x, hn::Zero(d)), hn::Set(d, 100.0F)), hn::Set(d, 0.5F)));
    y = hn::IfThenElse(hn::Gt(x, hn::Set(d, 87.0F)), hn::Mul(half, half), y);
    y = hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Zero(d), y);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// For x <= 0, as softmax needs it: what would be below the normal numbers is zero. NaN stays.
HWY_INLINE FloatVec ExpNegative(FloatTag d, FloatVec x) {
    const FloatVec y = ExpWithin(d, hn::Max(x, hn::Set(d, -87.0F)));
    return hn::IfThenElse(hn::Eq(x, x), hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Zero(d), y), x);
}

HWY_INLINE FloatVec LogOf(FloatTag d, FloatVec x) {
    const auto normal = hn::And(hn::Ge(x, hn::Set(d, 1.1754944e-38F)), hn::Le(x, hn::Set(d, 3.4028235e38F)));
    return HWY_LIKELY(hn::AllTrue(d, normal)) ? hn::Log(d, x) : ByLanes<std::log>(d, x);
}

HWY_INLINE FloatVec SinOf(FloatTag d, FloatVec x) {
    return HWY_LIKELY(AllWithin(d, x, 10000.0F)) ? hn::Sin(d, x) : ByLanes<std::sin>(d, x);
}
HWY_INLINE FloatVec CosOf(FloatTag d, FloatVec x) {
    return HWY_LIKELY(AllWithin(d, x, 10000.0F)) ? hn::Cos(d, x) : ByLanes<std::cos>(d, x);
}

// tanh by exp(-2|x|), and near zero by its odd series, where the difference would cancel.
HWY_INLINE FloatVec TanhOf(FloatTag d, FloatVec x) {
    const FloatVec magnitude = hn::Abs(x);
    const FloatVec one = hn::Set(d, 1.0F);
    const FloatVec e = ExpWithin(d, hn::Mul(hn::Min(magnitude, hn::Set(d, 20.0F)), hn::Set(d, -2.0F)));
    const FloatVec far = hn::Div(hn::Sub(one, e), hn::Add(one, e));
    const FloatVec s = hn::Mul(x, x);
    FloatVec p = hn::Set(d, -0.00590586056932807F);
    p = hn::MulAdd(p, s, hn::Set(d, 0.020805377513170242F));
    p = hn::MulAdd(p, s, hn::Set(d, -0.05378668010234833F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.13331958651542664F));
    p = hn::MulAdd(p, s, hn::Set(d, -0.33333298563957214F));
    const FloatVec near = hn::MulAdd(hn::Mul(p, s), magnitude, magnitude);
    const FloatVec y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.6F)), near, far);
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(y, x), x);
}

// Below 1 in magnitude x * P(x^2); above 1 - exp(-x^2) * R(1 / (1 + |x|)); both polynomials are least-maximum fits.
HWY_INLINE FloatVec ErfOf(FloatTag d, FloatVec x) {
    const FloatVec magnitude = hn::Min(hn::Abs(x), hn::Set(d, 4.0F));
    const FloatVec s = hn::Mul(magnitude, magnitude);
    FloatVec p = hn::Set(d, 7.853857823647559e-05F);
    p = hn::MulAdd(p, s, hn::Set(d, -0.0008010192541405559F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.005188327748328447F));
    p = hn::MulAdd(p, s, hn::Set(d, -0.026853810995817184F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.1128358542919159F));
    p = hn::MulAdd(p, s, hn::Set(d, -0.3761262595653534F));
    // 2 / sqrt(pi) = 1 + 0.128...: adding x last rounds once near the result.
    p = hn::MulAdd(p, s, hn::Set(d, 0.12837916709551256F));
    const FloatVec near = hn::MulAdd(p, magnitude, magnitude);
    const FloatVec u = hn::Div(hn::Set(d, 1.0F), hn::Add(hn::Set(d, 1.0F), magnitude));
    FloatVec r = hn::Set(d, -0.1433025300502777F);
    r = hn::MulAdd(r, u, hn::Set(d, 0.8449010252952576F));
    r = hn::MulAdd(r, u, hn::Set(d, -1.438424825668335F));
    r = hn::MulAdd(r, u, hn::Set(d, 0.6907452344894409F));
    r = hn::MulAdd(r, u, hn::Set(d, 0.48433220386505127F));
    r = hn::MulAdd(r, u, hn::Set(d, 0.5725147128105164F));
    r = hn::MulAdd(r, u, hn::Set(d, -0.00036246111267246306F));
    const FloatVec far = hn::NegMulAdd(ExpWithin<true>(d, s), r, hn::Set(d, 1.0F));
    const FloatVec y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1.0F)), near, far);
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(y, x), x);
}

// 1 / (1 + e^-x), x cut to where e^-x is a number.
HWY_INLINE FloatVec SigmoidOf(FloatTag d, FloatVec x) {
    const FloatVec one = hn::Set(d, 1.0F);
    const FloatVec cut = hn::Min(hn::Max(x, hn::Set(d, -87.0F)), hn::Set(d, 87.0F));
    const FloatVec inside = ReciprocalOf(d, hn::Add(one, ExpWithin<true>(d, cut)));
    // Zero where it would leave the normal numbers: a large factor of the result must not bring it back.
    const FloatVec y = hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Zero(d), inside);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// x / (1 + e^-x) with x cut where the result is below the normal numbers in any case; NaN comes through the product. Limits come first: of two
// operands one of which is NaN, minimum and maximum give the second on x86, and NaN elsewhere.
HWY_INLINE FloatVec SiluOf(FloatTag d, FloatVec x) {
    const FloatVec limit = hn::Set(d, 87.0F);
    const FloatVec cut = hn::Max(hn::Set(d, -87.0F), x);
    const FloatVec e = ExpWithin<true>(d, hn::Min(limit, cut));
    return hn::Mul(cut, ReciprocalOf(d, hn::Add(e, hn::Set(d, 1.0F))));
}

// x/2 * (1 + erf(x / sqrt(2))) = x/2 + |x|/2 * erf(|x| / sqrt(2)), with erf as a least-maximum quotient of polynomials in x^2, which costs half of
// ErfOf. Within 2e-7 |x|.
HWY_INLINE FloatVec GeluErfOf(FloatTag d, FloatVec x) {
    const FloatVec one = hn::Set(d, 1.0F);
    const FloatVec half = hn::Mul(hn::Set(d, 0.5F), x);
    const FloatVec magnitude = hn::Min(hn::Abs(x), hn::Set(d, 5.6568542F));
    const FloatVec s = hn::Mul(magnitude, magnitude);
    FloatVec p = hn::Set(d, 4.390149754840422e-08F);
    p = hn::MulAdd(p, s, hn::Set(d, 1.2576008884934708e-05F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.00034323931322433054F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.009387132711708546F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.06842836737632751F));
    p = hn::MulAdd(p, s, hn::Set(d, 0.7978845238685608F));
    FloatVec q = hn::Set(d, 1.1693659871525597e-06F);
    q = hn::MulAdd(q, s, hn::Set(d, 7.40973700885661e-05F));
    q = hn::MulAdd(q, s, hn::Set(d, 0.001900898409076035F));
    q = hn::MulAdd(q, s, hn::Set(d, 0.028837446123361588F));
    q = hn::MulAdd(q, s, hn::Set(d, 0.25242850184440613F));
    q = hn::MulAdd(q, s, one);
    const FloatVec erf = hn::Min(hn::Mul(hn::Mul(magnitude, p), ReciprocalOf(d, q)), one);
    return hn::MulAdd(hn::Abs(half), erf, half);
}

// max(x, 0) + log1p(exp(-|x|))
HWY_INLINE FloatVec SoftplusOf(FloatTag d, FloatVec x) {
    const FloatVec e = ExpWithin<true>(d, hn::Min(hn::Abs(x), hn::Set(d, 87.0F)));
    const FloatVec y = hn::Add(hn::Max(x, hn::Zero(d)), hn::Log1p(d, e));
    return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// exp(x) - 1 for x <= 0, which is what elu and its kin need.
HWY_INLINE FloatVec Expm1Negative(FloatTag d, FloatVec x) {
    return hn::Expm1(d, hn::Max(hn::Min(x, hn::Zero(d)), hn::Set(d, -87.0F)));
}

HWY_INLINE FloatVec CoshOf(FloatTag d, FloatVec x) {
    if (!AllWithin(d, x, 80.0F)) {
        return ByLanes<std::cosh>(d, x);
    }
    const FloatVec e = ExpWithin(d, hn::Abs(x));
    return hn::MulAdd(hn::Set(d, 0.5F), e, hn::Div(hn::Set(d, 0.5F), e));
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#endif
