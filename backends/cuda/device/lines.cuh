// Reductions, softmax, normalisation, order: work along lines, by teams of a thread, a warp or a block. Device code, after prelude.cuh.

#define TEAM_KERNEL(name, Args, team)                                                                                                        \
    extern "C" __global__ void name##_##team(const __grid_constant__ Args a, const __grid_constant__ Ports ports) { name<team>(a, ports); }
// With rows in registers the printer knows the team.
#ifdef ONLY_TEAM
#define ONE_TEAM_KERNEL(name, Args, team) TEAM_KERNEL(name, Args, team)
#define TEAM_KERNELS(name, Args) ONE_TEAM_KERNEL(name, Args, ONLY_TEAM)
#else
#define TEAM_KERNELS(name, Args)                                                                                                             \
    TEAM_KERNEL(name, Args, 1)                                                                                                               \
    TEAM_KERNEL(name, Args, 32)                                                                                                              \
    TEAM_KERNEL(name, Args, 256)
#endif

// The elements of one line that a thread works on, VECTOR neighbours at a time: read once where ROW times so many always suffice (the printer
// knows the largest length), else read again in each pass. `length` elements, a multiple of VECTOR, `step` apart (neighbours: 1).
#ifndef ROW
#define ROW 0
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
// With an addend, the line is the sum of two.
#ifndef HAS_ADDEND
#define HAS_ADDEND 0
#endif
template <int TEAM, class T>
class Line {
public:
    using Wide = typename Of<T>::Wide;
    __device__ Line(const T* x, I64 length, I64 step, const T* addend = nullptr)
        : mX(x), mAddend(addend), mLength((int)length), mStep(step) {
#pragma unroll
        for (int k = 0; k < ROW; ++k) {
            const int i = (lane<TEAM>() + k * TEAM) * VECTOR;
            if (i < mLength) {
                read(i, mRow[k]);
            }
        }
    }
    // each(index, values) for all of the thread's elements, `index` of the first of VECTOR values.
    template <class Each>
    __device__ void forPacks(const Each& each) const {
        if constexpr (ROW > 0) {
#pragma unroll
            for (int k = 0; k < ROW; ++k) {
                const int i = (lane<TEAM>() + k * TEAM) * VECTOR;
                if (i < mLength) {
                    each((I64)i, mRow[k]);
                }
            }
        } else {
            for (I64 i = lane<TEAM>() * VECTOR; i < mLength; i += TEAM * VECTOR) {
                Wide values[VECTOR];
                read(i, values);
                each(i, values);
            }
        }
    }
    // each(value)
    template <class Each>
    __device__ void forAll(const Each& each) const {
        forPacks([&](I64, const Wide(&values)[VECTOR]) {
#pragma unroll
            for (int k = 0; k < VECTOR; ++k) {
                each(values[k]);
            }
        });
    }

private:
    __device__ void read(I64 i, Wide (&values)[VECTOR]) const {
        const Pack<T, VECTOR> x = packAt<VECTOR>(mX + i * mStep);
#pragma unroll
        for (int k = 0; k < VECTOR; ++k) {
            values[k] = widen(x.each[k]);
        }
        if constexpr (HAS_ADDEND != 0) {
            const Pack<T, VECTOR> addend = packAt<VECTOR>(mAddend + i * mStep);
#pragma unroll
            for (int k = 0; k < VECTOR; ++k) {
                values[k] += widen(addend.each[k]);
            }
        }
    }

    const T* mX;
    const T* mAddend;
    int mLength;
    I64 mStep;
    Wide mRow[ROW > 0 ? ROW : 1][VECTOR];
};
// What `of` makes of each of a pack's values, at `to` and behind.
template <class Wide, class Make>
__device__ inline void writePack(Result* to, const Wide (&values)[VECTOR], const Make& of) {
    Pack<Result, VECTOR> pack;
#pragma unroll
    for (int k = 0; k < VECTOR; ++k) {
        pack.each[k] = narrowed<Result>(of(values[k], k));
    }
    storePack(to, pack);
}

#ifdef KERNEL_REDUCE
// The printer defines Element, Wide (what is summed in) and the functions start(), step(value, x), merge(a, b), finish(value, count).
struct Merge {
    __device__ Wide operator()(Wide a, Wide b) const { return merge(a, b); }
};
template <int TEAM>
__device__ inline void reduce(const ReduceArgs& a, const Ports& ports) {
    const Element* x = input<Element>(ports, a.operands, 0);
    Element* y = output<Element>(ports, a.operands, 0);
    for (Index o = team<TEAM>(); o < (Index)a.outputs; o += teams<TEAM>()) {
        const Element* from = x + offsetAt(o, a.keptRank, a.keptDims, a.keptStrides);
#ifdef LOG_SUM_EXP
        double top = -infinity64();
        for (Index i = (Index)lane<TEAM>(); i < (Index)a.count; i += TEAM) {
            const double value = (double)widen(from[offsetAt(i, a.reducedRank, a.reducedDims, a.reducedStrides)]);
            top = value > top ? value : top;
        }
        top = teamMerge<TEAM>(top, TakeMax());
        double sum = 0;
        for (Index i = (Index)lane<TEAM>(); i < (Index)a.count && !isinf(top); i += TEAM) {
            sum += exp((double)widen(from[offsetAt(i, a.reducedRank, a.reducedDims, a.reducedStrides)]) - top);
        }
        sum = teamMerge<TEAM>(sum, AddUp());
        const double value = isinf(top) ? top : top + log(sum);
#else
        Wide value = start();
        for (Index i = (Index)lane<TEAM>(); i < (Index)a.count; i += TEAM) {
            value = step(value, widen(from[offsetAt(i, a.reducedRank, a.reducedDims, a.reducedStrides)]));
        }
        value = finish(teamMerge<TEAM>(value, Merge()), a.count);
#endif
        if (lane<TEAM>() == 0) {
            y[o] = store(value);
        }
    }
}
TEAM_KERNELS(reduce, ReduceArgs)

#ifndef LOG_SUM_EXP
// Of four lines that lie side by side: elements `first`, `first` + `apart` and so on of each, from the lines' beginning at `from`.
__device__ inline void foldFour(Wide (&value)[4], const ReduceArgs& a, const Element* from, Index first, Index apart) {
    for (Index r = first; r < (Index)a.count;) {
#ifdef SHORT_SUMS
        // A few values of 16 bits add up in float as well as in double, in less time.
        float part[4] = {0, 0, 0, 0};
#else
        Wide(&part)[4] = value;
#endif
#pragma unroll
        for (int n = 0; n < 8; ++n, r += apart) {
            if (r < (Index)a.count) {
                const Pack<Element, 4> row = packAt<4>(from + offsetAt(r, a.reducedRank, a.reducedDims, a.reducedStrides));
#pragma unroll
                for (int k = 0; k < 4; ++k) {
#ifdef SHORT_SUMS
                    part[k] += widen(row.each[k]);
#else
                    part[k] = step(part[k], widen(row.each[k]));
#endif
                }
            }
        }
#ifdef SHORT_SUMS
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            value[k] += (Wide)part[k];
        }
#endif
    }
}

// Four lines to a thread, where there are enough of them for a device.
extern "C" __global__ void reduce_fours(const __grid_constant__ ReduceArgs a, const __grid_constant__ Ports ports) {
    const Element* x = input<Element>(ports, a.operands, 0);
    Element* y = output<Element>(ports, a.operands, 0);
    for (Index o = threadIndex() * 4; o < (Index)a.outputs; o += threadCount() * 4) {
        Wide value[4] = {start(), start(), start(), start()};
        foldFour(value, a, x + offsetAt(o, a.keptRank, a.keptDims, a.keptStrides), 0, 1);
        Pack<Element, 4> result;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            result.each[k] = store(finish(value[k], a.count));
        }
        storePack(y + o, result);
    }
}

// Sixteen lines that lie side by side to a block: four lanes of four each, and as many rows at a time as the block has fours.
extern "C" __global__ void reduce_columns(const __grid_constant__ ReduceArgs a, const __grid_constant__ Ports ports) {
    const Element* x = input<Element>(ports, a.operands, 0);
    Element* y = output<Element>(ports, a.operands, 0);
    __shared__ Wide parts[32][16];
    const Index columns = (Index)a.keptDims[a.keptRank - 1];
    const Index groups = (columns + 15) / 16;
    const Index blocks = (Index)a.outputs / columns * groups;
    const Index quad = threadIdx.x % 4 * 4;
    for (Index b = blockIdx.x; b < blocks; b += gridDim.x) {
        const Index outer = b / groups;
        const Index first = b % groups * 16;
        const Element* from = x + offsetAt(outer, a.keptRank - 1, a.keptDims, a.keptStrides) + first + quad;
        Wide value[4] = {start(), start(), start(), start()};
        if (first + quad < columns) {
            foldFour(value, a, from, threadIdx.x / 4, blockDim.x / 4);
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            for (int apart = 4; apart < 32; apart *= 2) {
                value[k] = merge(value[k], shuffled(value[k], apart));
            }
            if (threadIdx.x % 32 < 4) {
                parts[threadIdx.x / 32][quad + k] = value[k];
            }
        }
        __syncthreads();
        if (threadIdx.x < 16 && first + threadIdx.x < columns) {
            Wide total = parts[0][threadIdx.x];
            for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) {
                total = merge(total, parts[warp][threadIdx.x]);
            }
            y[outer * columns + first + threadIdx.x] = store(finish(total, a.count));
        }
        __syncthreads();
    }
}
#endif
#endif

__device__ inline I64 lineStart(const AxisArgs& a, Index line) {
    return (I64)line / a.inner * a.length * a.inner + (I64)line % a.inner;
}

#ifdef KERNEL_SOFTMAX
template <int TEAM>
__device__ inline void softmax(const AxisArgs& a, const Ports& ports) {
    using Wide = typename Of<Element>::Wide;
    for (Index line = team<TEAM>(); line < (Index)a.slices; line += teams<TEAM>()) {
        const Element* x = input<Element>(ports, a.operands, 0) + lineStart(a, line);
        Result* y = output<Result>(ports, a.operands, 0) + lineStart(a, line);
        const Line<TEAM, Element> row(x, a.length, a.inner);
        Wide top = (Wide)-infinity64();
        row.forAll([&](Wide value) { top = value > top ? value : top; });
        top = teamMerge<TEAM>(top, TakeMax());
        Wide sum = 0;
        row.forAll([&](Wide value) { sum += exp(value - top); });
        sum = teamMerge<TEAM>(sum, AddUp());
#ifdef LOGARITHM
        const Wide logSum = log(sum);
        const auto finish = [&](Wide value, int) { return (value - top) - logSum; };
#else
        const Wide factor = (Wide)1 / sum;
        const auto finish = [&](Wide value, int) { return exp(value - top) * factor; };
#endif
        row.forPacks([&](I64 i, const Wide(&values)[VECTOR]) { writePack(y + i * a.inner, values, finish); });
    }
}
TEAM_KERNELS(softmax, AxisArgs)
#endif

#ifdef KERNEL_LP_NORM
template <int TEAM>
__device__ inline void lp_norm(const AxisArgs& a, const Ports& ports) {
    for (Index line = team<TEAM>(); line < (Index)a.slices; line += teams<TEAM>()) {
        const Element* x = input<Element>(ports, a.operands, 0) + lineStart(a, line);
        Result* y = output<Result>(ports, a.operands, 0) + lineStart(a, line);
        double sum = 0;
        for (I64 i = lane<TEAM>(); i < a.length; i += TEAM) {
            const double value = fabs((double)widen(x[i * a.inner]));
            sum += a.p == 1 ? value : a.p == 2 ? value * value : pow(value, (double)a.p);
        }
        sum = teamMerge<TEAM>(sum, AddUp());
        const double norm = a.p == 1 ? sum : a.p == 2 ? sqrt(sum) : pow(sum, 1.0 / a.p);
        for (I64 i = lane<TEAM>(); i < a.length; i += TEAM) {
            y[i * a.inner] = narrowed<Result>(norm == 0 ? 0.0 : (double)widen(x[i * a.inner]) / norm);
        }
    }
}
TEAM_KERNELS(lp_norm, AxisArgs)
#endif

#ifdef KERNEL_NORM
// Where scale and bias lie for an element of the tensor, by their strides. Not inlined: it would be, once for every element of a row.
__device__ __noinline__ uint2 factorsAt(const NormArgs& a, Index rest) {
    Index scale = 0;
    Index bias = 0;
    for (int d = a.rank - 1; d >= 0; --d) {
        const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
        rest = d > 0 ? rest / (Index)a.dims[d] : 0;
        scale += c * (Index)a.scale[d];
        bias += c * (Index)a.bias[d];
    }
    return make_uint2((unsigned)scale, (unsigned)bias);
}

// Normalises blocks of neighbouring elements, then scales and shifts: layer, rms, instance and group norm. With an addend (operand 3) the
// elements are sums, which result 1 shows if it is there.
template <int TEAM>
__device__ inline void norm(const NormArgs& a, const Ports& ports) {
    using Wide = typename Of<Element>::Wide;
    for (Index block = team<TEAM>(); block < (Index)a.outer; block += teams<TEAM>()) {
        const Element* x = input<Element>(ports, a.operands, 0) + (I64)block * a.length;
        Result* y = output<Result>(ports, a.operands, 0) + (I64)block * a.length;
#if HAS_ADDEND
        const Line<TEAM, Element> row(x, a.length, 1, input<Element>(ports, a.operands, 3) + (I64)block * a.length);
        if (Result* sums = output<Result>(ports, a.operands, 1)) {
            sums += (I64)block * a.length;
            row.forPacks([&](I64 i, const Wide(&values)[VECTOR]) { writePack(sums + i, values, [](Wide value, int) { return value; }); });
        }
#else
        const Line<TEAM, Element> row(x, a.length, 1);
#endif
        using Total = typename SumOf<Element>::Type;
        Wide mean = 0;
        if (a.center != 0) {
            Total sum = 0;
            row.forAll([&](Wide value) { sum += value; });
            mean = (Wide)(teamMerge<TEAM>(sum, AddUp()) / (Total)a.length);
        }
        Total squares = 0;
        row.forAll([&](Wide value) {
            const Wide apart = value - mean;
            squares += apart * apart;
        });
        squares = teamMerge<TEAM>(squares, AddUp());
        const Wide factor = (Wide)((Total)1 / sqrt(squares / (Total)a.length + (Total)a.epsilon));
        // Most often scale and bias have an element for each of the block's; of packs the printer knows it.
        const bool plain = VECTOR > 1 || (a.rank == 2 && a.dims[1] == a.length && a.scale[0] == 0 && a.bias[0] == 0);
        row.forPacks([&](I64 i, const Wide(&elements)[VECTOR]) {
#if HAS_SCALE || HAS_BIAS
            Index scale = VECTOR > 1 ? (Index)i : (Index)i * (Index)a.scale[1];
            Index bias = VECTOR > 1 ? (Index)i : (Index)i * (Index)a.bias[1];
            if (!plain) {
                const uint2 factors = factorsAt(a, (Index)((I64)block * a.length + i));
                scale = factors.x;
                bias = factors.y;
            }
#endif
#if HAS_SCALE
            const Pack<Scale, VECTOR> scales = packAt<VECTOR>(input<Scale>(ports, a.operands, 1) + scale);
#endif
#if HAS_BIAS
            const Pack<Bias, VECTOR> biases = packAt<VECTOR>(input<Bias>(ports, a.operands, 2) + bias);
#endif
            writePack(y + i, elements, [&](Wide element, int k) {
                Wide value = (element - mean) * factor;
#if HAS_SCALE
                value *= (Wide)widen(scales.each[k]);
#endif
#if HAS_BIAS
                value += (Wide)widen(biases.each[k]);
#endif
                return value;
            });
        });
    }
}
TEAM_KERNELS(norm, NormArgs)
#endif

#ifdef KERNEL_LRN
extern "C" __global__ void lrn(const __grid_constant__ LrnArgs a, const __grid_constant__ Ports ports) {
    const Element* x = input<Element>(ports, a.operands, 0);
    Result* y = output<Result>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const I64 channel = (I64)i / a.inner % a.channels;
        const I64 first = channel - (a.size - 1) / 2 > 0 ? channel - (a.size - 1) / 2 : 0;
        const I64 last = channel + a.size / 2 < a.channels - 1 ? channel + a.size / 2 : a.channels - 1;
        double squares = 0;
        for (I64 c = first; c <= last; ++c) {
            const double value = (double)widen(x[(I64)i + (c - channel) * a.inner]);
            squares += value * value;
        }
        y[i] = narrowed<Result>((double)widen(x[i]) / pow(a.bias + a.alpha / (double)a.size * squares, a.beta));
    }
}
#endif

// NaN counts as larger than everything, as numpy sorts.
template <class K>
__device__ inline bool above(K a, K b) {
    return b == b && (a != a || a > b);
}

#ifdef KERNEL_ARG
template <int TEAM>
__device__ inline void arg(const AxisArgs& a, const Ports& ports) {
    for (Index line = team<TEAM>(); line < (Index)a.slices; line += teams<TEAM>()) {
        const Element* x = input<Element>(ports, a.operands, 0) + lineStart(a, line);
        const auto at = [&](I64 i) { return widen(x[i * a.inner]); };
        const auto leader = [&](I64 left, I64 right) {
            if (left < 0 || right < 0) {
                return left < 0 ? right : left;
            }
            const auto p = at(left);
            const auto q = at(right);
            if (a.largest != 0 ? above(p, q) : above(q, p)) {
                return left;
            }
            if (a.largest != 0 ? above(q, p) : above(p, q)) {
                return right;
            }
            return (left < right) == (a.selectLast == 0) ? left : right;
        };
        I64 best = -1;
        for (I64 i = lane<TEAM>(); i < a.length; i += TEAM) {
            best = leader(best, i);
        }
        best = teamMerge<TEAM>(best, leader);
        if (lane<TEAM>() == 0) {
            output<I64>(ports, a.operands, 0)[line] = best;
        }
    }
}
TEAM_KERNELS(arg, AxisArgs)
#endif

#ifdef KERNEL_CUMSUM
extern "C" __global__ void cumsum(const __grid_constant__ AxisArgs a, const __grid_constant__ Ports ports) {
    for (Index line = threadIndex(); line < (Index)a.slices; line += threadCount()) {
        const I64 start = lineStart(a, line);
        const Element* x = input<Element>(ports, a.operands, 0) + start;
        Result* y = output<Result>(ports, a.operands, 0) + start;
        Sum<typename Of<Element>::Wide>::Type sum = 0;
        for (I64 i = 0; i < a.length; ++i) {
            const I64 at = (a.reverse != 0 ? a.length - 1 - i : i) * a.inner;
            const auto before = sum;
            sum += widen(x[at]);
            y[at] = narrowed<Result>(a.exclusive != 0 ? before : sum);
        }
    }
}
#endif

#ifdef KERNEL_TOPK
// Every element counts those that come before it: its place in the order. Among equals the lower index comes first.
extern "C" __global__ void topk(const __grid_constant__ AxisArgs a, const __grid_constant__ Ports ports) {
    const I64 count = a.slices * a.length;
    for (Index n = threadIndex(); n < (Index)count; n += threadCount()) {
        // Neighbouring threads take neighbouring lines where these are neighbours in memory.
        const I64 block = a.length * a.inner;
        const I64 line = (I64)n / block * a.inner + (I64)n % a.inner;
        const I64 own = (I64)n % block / a.inner;
        const Element* x = input<Element>(ports, a.operands, 0) + lineStart(a, (Index)line);
        const auto value = widen(x[own * a.inner]);
        I64 place = 0;
        for (I64 i = 0; i < a.length && place < a.k; ++i) {
            const auto other = widen(x[i * a.inner]);
            const bool before = a.largest != 0 ? above(other, value) : above(value, other);
            const bool after = a.largest != 0 ? above(value, other) : above(other, value);
            place += before || (!after && i < own) ? 1 : 0;
        }
        if (place < a.k) {
            const I64 to = line / a.inner * a.k * a.inner + line % a.inner + place * a.inner;
            if (Result* values = output<Result>(ports, a.operands, 0)) {
                values[to] = narrowed<Result>(value);
            }
            if (I64* indices = output<I64>(ports, a.operands, 1)) {
                indices[to] = own;
            }
        }
    }
}
#endif
