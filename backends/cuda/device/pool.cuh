// Pooling: one thread an output, or four neighbouring channels. Device code, after prelude.cuh.

extern "C" __global__ void pool(const __grid_constant__ WindowArgs a, const __grid_constant__ Ports ports) {
    using Wide = typename Of<Element>::Wide;
    const I64 count = a.batch * a.outputs * a.outputSize;
    for (Index i = threadIndex(); i < (Index)count; i += threadCount()) {
        Index rest;
        Index pixel;
        I64 channel;
        if (a.yChannel == 1) {
            channel = (I64)(i % (Index)a.outputs);
            rest = i / (Index)a.outputs;
            pixel = rest % (Index)a.outputSize;
            rest /= (Index)a.outputSize;
        } else {
            pixel = i % (Index)a.outputSize;
            rest = i / (Index)a.outputSize;
            channel = (I64)(rest % (Index)a.outputs);
            rest /= (Index)a.outputs;
        }
        const I64 batch = (I64)rest;
        I64 origin[SPATIAL];
        I64 to = batch * a.yBatch + channel * a.yChannel;
#pragma unroll
        for (int d = SPATIAL - 1; d >= 0; --d) {
            const Index c = pixel % (Index)a.output[d];
            pixel /= (Index)a.output[d];
            to += (I64)c * a.y[d];
            origin[d] = (I64)c * a.step[d] - a.padBegin[d];
        }
        const Element* x = input<Element>(ports, a.operands, 0) + batch * a.xBatch + channel * a.xChannel;
#ifdef POOL_MAX
        I64 best = -1;
        I64 bestAt[SPATIAL] = {};
        Wide bestValue = 0;
#else
        Sum<Wide>::Type sum = 0;
        I64 inPads = 0;
        I64 inInput = 0;
#endif
        I64 tap[SPATIAL] = {};
        for (I64 t = 0; t < a.taps; ++t) {
            bool inside = true;
            bool counted = true;
            I64 from = 0;
            I64 at[SPATIAL];
#pragma unroll
            for (int d = 0; d < SPATIAL; ++d) {
                at[d] = origin[d] + tap[d] * a.dilation[d];
                inside = inside && at[d] >= 0 && at[d] < a.input[d];
                counted = counted && at[d] < a.input[d] + a.padEnd[d];
                from += at[d] * a.x[d];
            }
#ifdef POOL_MAX
            if (inside) {
                const Wide value = widen(x[from]);
                if (best < 0 || value > bestValue || (value != value && bestValue == bestValue)) {
                    best = from;
                    bestValue = value;
#pragma unroll
                    for (int d = 0; d < SPATIAL; ++d) {
                        bestAt[d] = at[d];
                    }
                }
            }
#else
            inPads += counted ? 1 : 0;
            inInput += inside ? 1 : 0;
            if (inside) {
#ifdef POOL_LP
                sum += pow(fabs((double)widen(x[from])), (double)a.p);
#else
                sum += widen(x[from]);
#endif
            }
#endif
            bool carry = true;
#pragma unroll
            for (int d = SPATIAL - 1; d >= 0; --d) {
                if (carry) {
                    tap[d] += 1;
                    carry = tap[d] == a.kernel[d];
                    tap[d] = carry ? 0 : tap[d];
                }
            }
        }
#ifdef POOL_MAX
        output<Result>(ports, a.operands, 0)[to] = best >= 0 ? narrowed<Result>(bestValue) : lowest();
        if (I64* indices = output<I64>(ports, a.operands, 1)) {
            I64 size = 1;
            I64 index = 0;
#pragma unroll
            for (int d = 0; d < SPATIAL; ++d) {
                if (a.storageOrder != 0) {
                    index += bestAt[d] * size;
                } else {
                    index = index * a.input[d] + bestAt[d];
                }
                size *= a.input[d];
            }
            indices[to] = (batch * a.channels + channel) * size + index;
        }
#elif defined(POOL_LP)
        output<Result>(ports, a.operands, 0)[to] = narrowed<Result>(pow((double)sum, 1.0 / a.p));
#else
        const I64 divisor = a.countPads != 0 ? inPads : inInput;
        output<Result>(ports, a.operands, 0)[to] = narrowed<Result>(divisor == 0 ? (Sum<Wide>::Type)0 : sum / (Sum<Wide>::Type)divisor);
#endif
    }
}

#if SPATIAL == 2 && !defined(POOL_LP)
// Planes with channels innermost, in fours, and no indices: a thread takes four channels of an output pixel. Offsets fit 31 bits.
extern "C" __global__ void pool_quads(const __grid_constant__ WindowArgs a, const __grid_constant__ Ports ports) {
    using Wide = typename Of<Element>::Wide;
    const unsigned quads = (unsigned)a.outputs / 4;
    const unsigned height = (unsigned)a.output[0];
    const unsigned width = (unsigned)a.output[1];
    const unsigned count = (unsigned)a.batch * height * width * quads;
    const int step[2] = {(int)a.step[0], (int)a.step[1]};
    const int dilation[2] = {(int)a.dilation[0], (int)a.dilation[1]};
    const int kernel[2] = {(int)a.kernel[0], (int)a.kernel[1]};
    const int input0 = (int)a.input[0];
    const int input1 = (int)a.input[1];
    for (unsigned i = (unsigned)threadIndex(); i < count; i += (unsigned)threadCount()) {
        const unsigned quad = i % quads;
        unsigned rest = i / quads;
        const unsigned column = rest % width;
        rest /= width;
        const unsigned row = rest % height;
        const unsigned item = rest / height;
        const Element* x = input<Element>(ports, a.operands, 0) + (int)(item * (unsigned)a.xBatch + quad * 4);
        const int top = (int)row * step[0] - (int)a.padBegin[0];
        const int left = (int)column * step[1] - (int)a.padBegin[1];
#ifdef POOL_MAX
        bool any = false;
        Wide best[4] = {0, 0, 0, 0};
#else
        Sum<Wide>::Type sum[4] = {0, 0, 0, 0};
        int inPads = 0;
        int inInput = 0;
#endif
        for (int r = 0; r < kernel[0]; ++r) {
            const int y = top + r * dilation[0];
            for (int c = 0; c < kernel[1]; ++c) {
                const int z = left + c * dilation[1];
                const bool inside = y >= 0 && y < input0 && z >= 0 && z < input1;
#ifndef POOL_MAX
                inPads += y < input0 + (int)a.padEnd[0] && z < input1 + (int)a.padEnd[1] ? 1 : 0;
                inInput += inside ? 1 : 0;
#endif
                if (inside) {
                    const Pack<Element, 4> here = packAt<4>(x + (y * (int)a.x[0] + z * (int)a.x[1]));
#pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        const Wide value = widen(here.each[k]);
#ifdef POOL_MAX
                        best[k] = !any || value > best[k] || (value != value && best[k] == best[k]) ? value : best[k];
#else
                        sum[k] += value;
#endif
                    }
#ifdef POOL_MAX
                    any = true;
#endif
                }
            }
        }
        Pack<Result, 4> result;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
#ifdef POOL_MAX
            result.each[k] = any ? narrowed<Result>(best[k]) : lowest();
#else
            const int divisor = a.countPads != 0 ? inPads : inInput;
            result.each[k] = narrowed<Result>(divisor == 0 ? (Sum<Wide>::Type)0 : sum[k] / (Sum<Wide>::Type)divisor);
#endif
        }
        Result* y = output<Result>(ports, a.operands, 0) + (int)(item * (unsigned)a.yBatch + quad * 4);
        storePack(y + (int)(row * (unsigned)a.y[0] + column * (unsigned)a.y[1]), result);
    }
}
#endif
