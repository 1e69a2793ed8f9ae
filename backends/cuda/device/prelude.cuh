// What every generated kernel starts with: element types, wide types, loads and stores, teams of threads.
// Device code: compiled by NVRTC only, after args.h. It must not need a header.

using namespace tenon::cuda;

struct F16 {
    unsigned short bits;
};
struct BF16 {
    unsigned short bits;
};
struct F8E4M3 {
    unsigned char bits;
};
struct F8E5M2 {
    unsigned char bits;
};
struct F8E8M0 {
    unsigned char bits;
};
struct Bool {
    unsigned char bits;
};
using F32 = float;
using F64 = double;
using I8 = signed char;
using U8 = unsigned char;
using I16 = short;
using U16 = unsigned short;
using I32 = int;
using U32 = unsigned int;

__device__ inline float asFloat(unsigned bits) { return __uint_as_float(bits); }
__device__ inline double nan64() { return __longlong_as_double(0x7ff8000000000000LL); }
__device__ inline double infinity64() { return __longlong_as_double(0x7ff0000000000000LL); }

// --- To the wide type: float for floats of up to 32 bits, double, 64-bit integers -----------------------------------------------------------

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline float widen(F16 x) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
}
__device__ inline float widen(BF16 x) { return asFloat((unsigned)x.bits << 16); }
__device__ inline float widen(F8E4M3 x) {
    const unsigned exponent = x.bits >> 3 & 15U;
    const unsigned mantissa = x.bits & 7U;
    float magnitude;
    if ((x.bits & 127U) == 127U) {
        magnitude = __int_as_float(0x7fc00000);
    } else if (exponent == 0) {
        magnitude = (float)mantissa * 0.001953125F;
    } else {
        magnitude = asFloat((exponent + 120U) << 23 | mantissa << 20);
    }
    return (x.bits & 128U) != 0 ? -magnitude : magnitude;
}
__device__ inline float widen(F8E5M2 x) { return widen(F16{(unsigned short)(x.bits << 8)}); }
__device__ inline float widen(F8E8M0 x) {
    return x.bits == 255U ? __int_as_float(0x7fc00000) : x.bits == 0 ? asFloat(0x00400000U) : asFloat((unsigned)x.bits << 23);
}
__device__ inline I64 widen(I8 x) { return x; }
__device__ inline I64 widen(U8 x) { return x; }
__device__ inline I64 widen(I16 x) { return x; }
__device__ inline I64 widen(U16 x) { return x; }
__device__ inline I64 widen(I32 x) { return x; }
__device__ inline I64 widen(U32 x) { return x; }
__device__ inline I64 widen(I64 x) { return x; }
__device__ inline U64 widen(U64 x) { return x; }
__device__ inline I64 widen(Bool x) { return x.bits; }

template <class T>
struct Of {
    using Wide = decltype(widen(T{}));
};
template <class A, class B>
struct Same {
    static constexpr bool value = false;
};
template <class A>
struct Same<A, A> {
    static constexpr bool value = true;
};
template <class W>
constexpr bool isReal = Same<W, float>::value || Same<W, double>::value;

// --- Back, rounding once to nearest even -----------------------------------------------------------------------------------------------

// A double through a float of its own would round twice: rounding to odd on the way keeps what the second rounding needs.
__device__ inline float toOdd(double x) {
    float nearest = __double2float_rn(x);
    if (x != x || (double)nearest == x || isinf(nearest)) {
        return nearest;
    }
    const float low = __double2float_rz(x);
    return asFloat(__float_as_uint(low) | 1U);
}

__device__ inline void narrow(float x, float& to) { to = x; }
__device__ inline void narrow(double x, float& to) { to = __double2float_rn(x); }
__device__ inline void narrow(float x, double& to) { to = x; }
__device__ inline void narrow(double x, double& to) { to = x; }
__device__ inline void narrow(float x, F16& to) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(x)); }
__device__ inline void narrow(double x, F16& to) { narrow(toOdd(x), to); }
__device__ inline void narrow(float x, BF16& to) {
    const unsigned bits = __float_as_uint(x);
    to.bits = x != x ? 0x7fc0 : (unsigned short)((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
__device__ inline void narrow(double x, BF16& to) { narrow(toOdd(x), to); }
template <class W>
__device__ inline void narrow(W x, Bool& to) {
    to.bits = x != 0 ? 1 : 0;
}
template <class W>
__device__ inline void narrow(W x, I8& to) { to = (I8)x; }
template <class W>
__device__ inline void narrow(W x, U8& to) { to = (U8)x; }
template <class W>
__device__ inline void narrow(W x, I16& to) { to = (I16)x; }
template <class W>
__device__ inline void narrow(W x, U16& to) { to = (U16)x; }
template <class W>
__device__ inline void narrow(W x, I32& to) { to = (I32)x; }
template <class W>
__device__ inline void narrow(W x, U32& to) { to = (U32)x; }
template <class W>
__device__ inline void narrow(W x, I64& to) { to = (I64)x; }
template <class W>
__device__ inline void narrow(W x, U64& to) { to = (U64)x; }

// 8-bit floats of ONNX. `saturate`: what is too large becomes the largest finite value; otherwise NaN (e4m3) or infinity (e5m2).
__device__ inline F8E4M3 toF8E4M3(double x, bool saturate) {
    const unsigned char sign = __double_as_longlong(x) < 0 ? 128 : 0;
    if (x != x) {
        return {(unsigned char)(sign | 127U)};
    }
    const double magnitude = fabs(x);
    if (isinf(magnitude)) {
        return {(unsigned char)(sign | (saturate ? 126U : 127U))};
    }
    int exponent = 0;
    frexp(magnitude, &exponent);
    const int unit = exponent - 4 > -9 ? exponent - 4 : -9;
    const double rounded = ldexp(rint(ldexp(magnitude, -unit)), unit);
    if (rounded > 448) {
        return {(unsigned char)(sign | (saturate ? 126U : 127U))};
    }
    if (rounded < 0.015625) {
        return {(unsigned char)(sign | (unsigned)ldexp(rounded, 9))};
    }
    const double fraction = frexp(rounded, &exponent);
    return {(unsigned char)(sign | (unsigned)((exponent + 6) << 3) | (unsigned)((int)(fraction * 16) - 8))};
}
__device__ inline F8E5M2 toF8E5M2(double x, bool saturate) {
    const unsigned char sign = __double_as_longlong(x) < 0 ? 128 : 0;
    if (x != x) {
        return {(unsigned char)(sign | 126U)};
    }
    const double magnitude = fabs(x);
    unsigned bits = 124U;
    if (!isinf(magnitude)) {
        int exponent = 0;
        frexp(magnitude, &exponent);
        const int unit = exponent - 3 > -16 ? exponent - 3 : -16;
        const double rounded = ldexp(rint(ldexp(magnitude, -unit)), unit);
        if (rounded > 57344) {
            bits = 124U;
        } else if (rounded < 0.00006103515625) {
            bits = (unsigned)ldexp(rounded, 16);
        } else {
            const double fraction = frexp(rounded, &exponent);
            bits = (unsigned)((exponent + 14) << 2) | (unsigned)((int)(fraction * 8) - 4);
        }
    }
    return {(unsigned char)(sign | (saturate && bits == 124U ? 123U : bits))};
}
__device__ inline F8E8M0 toF8E8M0(double x) {
    if (x != x || x < 0) {
        return {255};
    }
    if (x == 0) {
        return {0};
    }
    if (isinf(x)) {
        return {254};
    }
    int exponent = 0;
    const double fraction = frexp(x, &exponent);
    const int encoded = exponent + 126 + (fraction >= 0.75 ? 1 : 0);
    return {(unsigned char)(encoded < 0 ? 0 : encoded > 254 ? 254 : encoded)};
}
template <class W>
__device__ inline void narrow(W x, F8E4M3& to) { to = toF8E4M3((double)x, true); }
template <class W>
__device__ inline void narrow(W x, F8E5M2& to) { to = toF8E5M2((double)x, true); }
template <class W>
__device__ inline void narrow(W x, F8E8M0& to) { to = toF8E8M0((double)x); }

template <class T, class W>
__device__ inline T narrowed(W x) {
    T to;
    narrow(x, to);
    return to;
}

// --- Threads ------------------------------------------------------------------------------------------------------------------------------

__device__ inline Index threadIndex() { return (Index)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline Index threadCount() { return (Index)gridDim.x * blockDim.x; }

template <class T>
__device__ inline const T* input(const Ports& ports, const Operands& operands, int i) {
    return static_cast<const T*>(ports.in[operands.in[i]]);
}
template <class T>
__device__ inline T* output(const Ports& ports, const Operands& operands, int i) {
    return operands.out[i] < 0 ? nullptr : static_cast<T*>(ports.out[operands.out[i]]);
}

// Neighbours in memory that move at once; the first lies at a multiple of their size, or of 16 bytes, where buffers start.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
    T each[N];
};
template <int N, class T>
__device__ inline Pack<T, N> packAt(const T* from) {
    return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
__device__ inline void storePack(T* to, const Pack<T, N>& pack) {
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// The offset of the i-th coordinate of `dims` in row-major order.
__device__ inline Index offsetAt(Index i, int rank, const I64* dims, const I64* strides) {
    Index offset = 0;
    for (int d = rank - 1; d > 0; --d) {
        const Index extent = (Index)dims[d];
        offset += i % extent * (Index)strides[d];
        i /= extent;
    }
    return rank > 0 ? offset + i * (Index)strides[0] : 0;
}

// TEAM threads (1, 32, or a block of more) that work on one line and all get its result.
template <class W>
__device__ inline W shuffled(W x, int lane) {
    if constexpr (sizeof(W) == 8) {
        int2 halves;
        memcpy(&halves, &x, 8);
        halves.x = __shfl_xor_sync(0xffffffffU, halves.x, lane);
        halves.y = __shfl_xor_sync(0xffffffffU, halves.y, lane);
        memcpy(&x, &halves, 8);
        return x;
    } else {
        return __shfl_xor_sync(0xffffffffU, x, lane);
    }
}
template <int TEAM, class W, class Merge>
__device__ inline W teamMerge(W value, const Merge& merge) {
    if constexpr (TEAM > 1) {
        for (int lane = 16; lane > 0; lane >>= 1) {
            value = merge(value, shuffled(value, lane));
        }
    }
    if constexpr (TEAM > 32) {
        __shared__ W parts[TEAM / 32];
        if (threadIdx.x % 32 == 0) {
            parts[threadIdx.x / 32] = value;
        }
        __syncthreads();
        value = parts[0];
        for (int w = 1; w < TEAM / 32; ++w) {
            value = merge(value, parts[w]);
        }
        __syncthreads();
    }
    return value;
}
template <int TEAM>
__device__ inline int lane() {
    return TEAM == 1 ? 0 : (int)(threadIdx.x % TEAM);
}
template <int TEAM>
__device__ inline Index team() {
    return threadIndex() / TEAM;
}
template <int TEAM>
__device__ inline Index teams() {
    return threadCount() / TEAM;
}
struct AddUp {
    template <class W>
    __device__ W operator()(W a, W b) const {
        return a + b;
    }
};
struct TakeMax {
    template <class W>
    __device__ W operator()(W a, W b) const {
        return b > a || b != b ? b : a;
    }
};
// What sums are taken in: doubles for 32-bit floats, so that the order of a long sum does not show.
template <class W>
struct Sum {
    using Type = W;
};
template <>
struct Sum<float> {
    using Type = double;
};
// Of elements: those of 16 bits have nothing that a sum in float would lose.
template <class T>
struct SumOf {
    using Type = typename Sum<typename Of<T>::Wide>::Type;
};
template <>
struct SumOf<F16> {
    using Type = float;
};
template <>
struct SumOf<BF16> {
    using Type = float;
};
