// Pooling: one thread an output. Device code, after prelude.cuh.

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
