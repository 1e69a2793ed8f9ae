// The scalar functions of pointwise ops, over wide types (float, double, 64-bit integers). Device code, after prelude.cuh.
// A function is named as its op, with '_' for '.': what the source printer writes.

// The wide value of element type D: integers are cut to D's width, as two's complement does.
template <class D, class X>
__device__ inline typename Of<D>::Wide fixed(X x) {
    using W = typename Of<D>::Wide;
    if constexpr (isReal<W>) {
        return (W)x;
    } else {
        return widen(narrowed<D>(x));
    }
}
// Through the element type, for a cast that must round.
template <class D, class X>
__device__ inline typename Of<D>::Wide rounded(X x) {
    return widen(narrowed<D>(x));
}

#define REAL_FUNCTION(name, expression)                                                                                                      \
    template <class W>                                                                                                                       \
    __device__ inline W name(W x) {                                                                                                          \
        return expression;                                                                                                                   \
    }

REAL_FUNCTION(unary_exp, exp(x))
REAL_FUNCTION(unary_log, log(x))
REAL_FUNCTION(unary_sqrt, sqrt(x))
REAL_FUNCTION(unary_rsqrt, (W)1 / sqrt(x))
REAL_FUNCTION(unary_recip, (W)1 / x)
REAL_FUNCTION(unary_sin, sin(x))
REAL_FUNCTION(unary_cos, cos(x))
REAL_FUNCTION(unary_tan, tan(x))
REAL_FUNCTION(unary_sinh, sinh(x))
REAL_FUNCTION(unary_cosh, cosh(x))
REAL_FUNCTION(unary_asin, asin(x))
REAL_FUNCTION(unary_acos, acos(x))
REAL_FUNCTION(unary_atan, atan(x))
REAL_FUNCTION(unary_asinh, asinh(x))
REAL_FUNCTION(unary_acosh, acosh(x))
REAL_FUNCTION(unary_atanh, atanh(x))
REAL_FUNCTION(unary_ceil, ceil(x))
REAL_FUNCTION(unary_floor, floor(x))
REAL_FUNCTION(unary_round, rint(x))
REAL_FUNCTION(unary_erf, erf(x))

template <class W>
__device__ inline W unary_abs(W x) {
    if constexpr (isReal<W>) {
        return fabs(x);
    } else if constexpr (Same<W, U64>::value) {
        return x;
    } else {
        return x < 0 ? (I64)(0ULL - (U64)x) : x;
    }
}
template <class W>
__device__ inline W unary_neg(W x) {
    if constexpr (isReal<W>) {
        return -x;
    } else {
        return (W)(0ULL - (U64)x);
    }
}
template <class W>
__device__ inline W unary_sign(W x) {
    return x > 0 ? (W)1 : x < 0 ? (W)-1 : x == 0 ? (W)0 : x;
}
template <class W>
__device__ inline I64 unary_not(W x) {
    return x == 0;
}
template <class W>
__device__ inline W unary_bitwise_not(W x) {
    return ~x;
}
template <class W>
__device__ inline I64 unary_isnan(W x) {
    return x != x;
}
template <class W>
__device__ inline I64 unary_isinf(W x, bool positive, bool negative) {
    return isinf(x) && (x > 0 ? positive : negative);
}

template <class W>
__device__ inline W clampReal(W x, W low, W high) {
    const W raised = x < low ? low : x; // NaN stays NaN
    return raised > high ? high : raised;
}
template <class W>
__device__ inline W sigmoid(W x) {
    if (x >= 0) {
        return (W)1 / ((W)1 + exp(-x));
    }
    const W e = exp(x);
    return e / ((W)1 + e);
}
template <class W>
__device__ inline W softplus(W x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
// Of floats: bounds as numbers. Of integers: bounds that the printer has cut to the type.
template <class W>
__device__ inline W activation_clip(W x, W low, W high) {
    if constexpr (isReal<W>) {
        return clampReal(x, low, high);
    } else {
        const W raised = x < low ? low : x;
        return raised > high ? high : raised;
    }
}
REAL_FUNCTION(activation_sigmoid, sigmoid(x))
REAL_FUNCTION(activation_tanh, tanh(x))
REAL_FUNCTION(activation_softsign, x / ((W)1 + fabs(x)))
REAL_FUNCTION(activation_softplus, softplus(x))
REAL_FUNCTION(activation_mish, x* tanh(softplus(x)))
REAL_FUNCTION(activation_hard_swish, x* clampReal(x / (W)6 + (W)0.5, (W)0, (W)1))
REAL_FUNCTION(activation_gelu_erf, (W)0.5 * x * erfc(-x * (W)0.70710678118654752440))
REAL_FUNCTION(activation_gelu_tanh,
              (W)0.5 * x * ((W)1 + tanh((W)0.79788456080286535588 * (x + (W)0.044715 * x * x * x))))

#define REAL_FUNCTION_1(name, expression)                                                                                                    \
    template <class W>                                                                                                                       \
    __device__ inline W name(W x, double alphaGiven) {                                                                                       \
        const W alpha = (W)alphaGiven;                                                                                                       \
        return expression;                                                                                                                   \
    }
#define REAL_FUNCTION_2(name, expression)                                                                                                    \
    template <class W>                                                                                                                       \
    __device__ inline W name(W x, double alphaGiven, double betaGiven) {                                                                     \
        const W alpha = (W)alphaGiven;                                                                                                       \
        const W beta = (W)betaGiven;                                                                                                         \
        return expression;                                                                                                                   \
    }
REAL_FUNCTION_1(activation_leaky_relu, x < 0 ? alpha * x : x)
REAL_FUNCTION_1(activation_elu, x < 0 ? alpha * expm1(x) : x)
REAL_FUNCTION_1(activation_celu, x < 0 ? alpha * expm1(x / alpha) : x)
REAL_FUNCTION_1(activation_thresholded_relu, x > alpha || x != x ? x : (W)0)
REAL_FUNCTION_1(activation_silu, x* sigmoid(alpha* x))
REAL_FUNCTION_2(activation_selu, beta*(x <= 0 ? alpha * expm1(x) : x))
REAL_FUNCTION_2(activation_hard_sigmoid, clampReal(alpha* x + beta, (W)0, (W)1))
REAL_FUNCTION_2(activation_scaled_tanh, alpha* tanh(beta* x))

// Integers wrap; division by zero, which has no result, gives 0.
template <class W>
constexpr bool isSigned = Same<W, I64>::value;

#define WRAPPING(name, symbol)                                                                                                               \
    template <class W>                                                                                                                       \
    __device__ inline W name(W a, W b) {                                                                                                     \
        if constexpr (isReal<W>) {                                                                                                           \
            return a symbol b;                                                                                                               \
        } else {                                                                                                                             \
            return (W)((U64)a symbol(U64) b);                                                                                                \
        }                                                                                                                                    \
    }
WRAPPING(binary_add, +)
WRAPPING(binary_sub, -)
WRAPPING(binary_mul, *)

template <class W>
__device__ inline W binary_div(W a, W b) {
    if constexpr (isReal<W>) {
        return a / b;
    } else if constexpr (isSigned<W>) {
        return b == 0 ? 0 : b == -1 ? (W)(0ULL - (U64)a) : a / b;
    } else {
        return b == 0 ? 0 : a / b;
    }
}
// Quotients near a whole number are decided in double, whatever the type.
template <class W>
__device__ inline W binary_floor_div(W a, W b) {
    if constexpr (isReal<W>) {
        return (W)floor((double)a / (double)b);
    } else if constexpr (isSigned<W>) {
        const W quotient = binary_div(a, b);
        return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
    } else {
        return binary_div(a, b);
    }
}
template <class W>
__device__ inline W binary_mod_truncated(W a, W b) {
    if constexpr (isReal<W>) {
        return (W)fmod((double)a, (double)b);
    } else if constexpr (isSigned<W>) {
        return b == 0 || b == -1 ? 0 : a % b;
    } else {
        return b == 0 ? 0 : a % b;
    }
}
template <class W>
__device__ inline W binary_mod(W a, W b) {
    if constexpr (isReal<W>) {
        const double rest = fmod((double)a, (double)b);
        return (W)(rest != 0 && (rest < 0) != (b < 0) ? rest + (double)b : rest);
    } else {
        const W rest = binary_mod_truncated(a, b);
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
}
template <class W>
__device__ inline W binary_max(W a, W b) {
    return a > b || a != a ? a : b;
}
template <class W>
__device__ inline W binary_min(W a, W b) {
    return a < b || a != a ? a : b;
}
// What a real power of integers gives, cut; what does not fit saturates.
__device__ inline I64 cutToInteger(double x) {
    return x != x ? 0 : x >= 9223372036854775808.0 ? 0x7fffffffffffffffLL : x <= -9223372036854775808.0 ? -0x7fffffffffffffffLL - 1 : (I64)x;
}
template <class A, class B>
__device__ inline A binary_pow(A a, B b) {
    if constexpr (isReal<A> || isReal<B>) {
        const double power = pow((double)a, (double)b);
        if constexpr (isReal<A>) {
            return (A)power;
        } else {
            return (A)cutToInteger(power);
        }
    } else {
        if (b < 0) {
            return a == 1 ? 1 : a == (A)~0ULL ? (b % 2 == 0 ? 1 : a) : 0;
        }
        U64 result = 1;
        U64 base = (U64)a;
        for (U64 exponent = (U64)b; exponent != 0; exponent >>= 1) {
            result *= (exponent & 1) != 0 ? base : 1;
            base *= base;
        }
        return (A)result;
    }
}
#define INTEGER_FUNCTION(name, symbol)                                                                                                       \
    template <class W>                                                                                                                       \
    __device__ inline W name(W a, W b) {                                                                                                     \
        return a symbol b;                                                                                                                   \
    }
INTEGER_FUNCTION(binary_and, &)
INTEGER_FUNCTION(binary_or, |)
INTEGER_FUNCTION(binary_xor, ^)
INTEGER_FUNCTION(binary_bitwise_and, &)
INTEGER_FUNCTION(binary_bitwise_or, |)
INTEGER_FUNCTION(binary_bitwise_xor, ^)
template <class W>
__device__ inline W binary_shift_left(W a, W b) {
    return b < 0 || b > 63 ? 0 : (W)((U64)a << b);
}
template <class W>
__device__ inline W binary_shift_right(W a, W b) {
    return b < 0 || b > 63 ? (a < 0 ? (W)~0ULL : 0) : a >> b;
}
#define COMPARISON(name, symbol)                                                                                                             \
    template <class W>                                                                                                                       \
    __device__ inline I64 name(W a, W b) {                                                                                                   \
        return a symbol b;                                                                                                                   \
    }
COMPARISON(binary_equal, ==)
COMPARISON(binary_less, <)
COMPARISON(binary_less_equal, <=)
COMPARISON(binary_greater, >)
COMPARISON(binary_greater_equal, >=)

template <class W>
__device__ inline W where(I64 condition, W yes, W no) {
    return condition != 0 ? yes : no;
}
template <class W>
__device__ inline W prelu(W x, W slope) {
    if constexpr (isReal<W>) {
        return x < 0 ? slope * x : x;
    } else {
        return x < 0 ? (W)((U64)slope * (U64)x) : x;
    }
}
template <class W>
__device__ inline W batch_norm(W x, W scale, W bias, W mean, W variance, double epsilon) {
    return (x - mean) * (scale / sqrt(variance + (W)epsilon)) + bias;
}

template <class T>
struct Limits;
#define LIMITS(T, least, most, above)                                                                                                        \
    template <>                                                                                                                              \
    struct Limits<T> {                                                                                                                       \
        static constexpr T low = least;                                                                                                      \
        static constexpr T high = most;                                                                                                      \
        static constexpr double end = above;                                                                                                 \
    };
LIMITS(I8, -128, 127, 128.0)
LIMITS(U8, 0, 255, 256.0)
LIMITS(I16, -32768, 32767, 32768.0)
LIMITS(U16, 0, 65535, 65536.0)
LIMITS(I32, -2147483647 - 1, 2147483647, 2147483648.0)
LIMITS(U32, 0, 4294967295U, 4294967296.0)
LIMITS(I64, -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL, 9223372036854775808.0)
LIMITS(U64, 0, 0xffffffffffffffffULL, 18446744073709551616.0)

// A real number to an integer type: cut toward zero, saturating, NaN to 0.
template <class D, class X>
__device__ inline D saturated(X x) {
    return x != x ? (D)0 : (double)x <= (double)Limits<D>::low ? Limits<D>::low : (double)x >= Limits<D>::end ? Limits<D>::high : (D)x;
}
// An element of D from any wide value.
template <class D, class X>
__device__ inline D cast(X x, bool saturate) {
    if constexpr (Same<D, Bool>::value) {
        return {(unsigned char)(x != 0)};
    } else if constexpr (Same<D, F8E4M3>::value) {
        return toF8E4M3((double)x, saturate);
    } else if constexpr (Same<D, F8E5M2>::value) {
        return toF8E5M2((double)x, saturate);
    } else if constexpr (Same<D, F8E8M0>::value) {
        return toF8E8M0((double)x);
    } else if constexpr (isReal<typename Of<D>::Wide>) {
        if constexpr (isReal<X>) {
            return narrowed<D>(x);
        } else if constexpr (Same<D, F32>::value) {
            return (float)x;
        } else {
            return narrowed<D>((double)x);
        }
    } else if constexpr (isReal<X>) {
        return saturated<D>(x);
    } else {
        return narrowed<D>(x);
    }
}
// `T` is the tensor's own type: a tie that only exists after rounding to it still goes to even.
template <class D, class T, class X, class S, class Z>
__device__ inline D quantize(X x, S scale, Z zero, bool saturate) {
    const double quotient = (double)rounded<T>((double)x / (double)scale);
    if constexpr (Same<D, F8E4M3>::value || Same<D, F8E5M2>::value) {
        return cast<D>(quotient, saturate);
    } else {
        const double code = rint(quotient) + (double)zero;
        return code != code ? (D)zero : code <= (double)Limits<D>::low ? Limits<D>::low : code >= (double)Limits<D>::high ? Limits<D>::high : (D)code;
    }
}
template <class X, class S, class Z>
__device__ inline double dequantize(X x, S scale, Z zero) {
    return ((double)x - (double)zero) * (double)scale;
}
