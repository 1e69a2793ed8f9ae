// Sums of products: matmul, convolution as an implicit matrix product, direct convolution, deconvolution, einsum. Device code, after
// prelude.cuh. Floats of up to 32 bits are summed in float, doubles in double, integers wrap.

template <class W>
struct Accumulator {
    using Type = U64;
};
template <>
struct Accumulator<float> {
    using Type = float;
};
template <>
struct Accumulator<double> {
    using Type = double;
};

#if defined(KERNEL_MATMUL) || defined(KERNEL_CONV_TILED)
constexpr int kTile = 64;
constexpr int kDepth = 16;
constexpr int kThreads = 256;
constexpr int kPerThread = kTile * kDepth / kThreads;

// 64 by 64 elements of a product by 256 threads, 4 by 4 each. loadA(row, k) and loadB(k, column, j) give elements inside the tile, zero outside
// the matrices; `j` is which of its own elements the thread loads.
template <class Acc, class LoadA, class LoadB>
__device__ inline void multiplyTile(I64 depth, bool rowsFirst, bool columnsFirst, const LoadA& loadA, const LoadB& loadB,
                                    Acc (&sums)[4][4]) {
    __shared__ Acc as[kDepth][kTile + 4];
    __shared__ Acc bs[kDepth][kTile + 4];
    const int thread = (int)threadIdx.x;
    const int row = thread / 16 * 4;
    const int column = thread % 16 * 4;
    for (I64 k0 = 0; k0 < depth; k0 += kDepth) {
#pragma unroll
        for (int j = 0; j < kPerThread; ++j) {
            const int item = thread + j * kThreads;
            const int aRow = rowsFirst ? item % kTile : item / kDepth;
            const int aK = rowsFirst ? item / kTile : item % kDepth;
            as[aK][aRow] = loadA(aRow, k0 + aK);
            const int bColumn = columnsFirst ? item % kTile : item / kDepth;
            const int bK = columnsFirst ? item / kTile : item % kDepth;
            bs[bK][bColumn] = loadB(k0 + bK, bColumn);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < kDepth; ++k) {
            Acc a[4];
            Acc b[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                a[i] = as[k][row + i];
                b[i] = bs[k][column + i];
            }
#pragma unroll
            for (int r = 0; r < 4; ++r) {
#pragma unroll
                for (int c = 0; c < 4; ++c) {
                    sums[r][c] += a[r] * b[c];
                }
            }
        }
        __syncthreads();
    }
}
#endif

#ifdef KERNEL_MATMUL
extern "C" __global__ void __launch_bounds__(256) matmul(const __grid_constant__ MatmulArgs a, const __grid_constant__ Ports ports) {
    using Acc = Accumulator<Of<Element>::Wide>::Type;
    const I64 columnTiles = (a.columns + kTile - 1) / kTile;
    const I64 row0 = (I64)blockIdx.x / columnTiles * kTile;
    const I64 column0 = (I64)blockIdx.x % columnTiles * kTile;
    I64 batches = 1;
    for (int d = 0; d < a.batchRank; ++d) {
        batches *= a.batchDims[d];
    }
    for (I64 batch = blockIdx.y; batch < batches; batch += gridDim.y) {
        I64 firstA = 0;
        I64 firstB = 0;
        I64 rest = batch;
        for (int d = a.batchRank - 1; d >= 0; --d) {
            firstA += rest % a.batchDims[d] * a.batchA[d];
            firstB += rest % a.batchDims[d] * a.batchB[d];
            rest /= a.batchDims[d];
        }
        const Element* left = input<Element>(ports, a.operands, 0) + firstA;
        const Second* right = input<Second>(ports, a.operands, 1) + firstB;
        Acc sums[4][4] = {};
        multiplyTile<Acc>(
            a.depth, a.aColumn != 1, a.bRow != 1,
            [&](int r, I64 k) -> Acc {
                return row0 + r < a.rows && k < a.depth ? (Acc)widen(left[(row0 + r) * a.aRow + k * a.aColumn]) : (Acc)0;
            },
            [&](I64 k, int c) -> Acc {
                return column0 + c < a.columns && k < a.depth ? (Acc)widen(right[k * a.bRow + (column0 + c) * a.bColumn]) : (Acc)0;
            },
            sums);
        Result* y = output<Result>(ports, a.operands, 0) + batch * a.rows * a.columns;
        const int row = (int)threadIdx.x / 16 * 4;
        const int column = (int)threadIdx.x % 16 * 4;
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const I64 i = row0 + row + r;
                const I64 j = column0 + column + c;
                if (i < a.rows && j < a.columns) {
                    y[i * a.columns + j] = narrowed<Result>(sums[r][c]);
                }
            }
        }
    }
}
#endif

#if defined(KERNEL_CONV_TILED) || defined(KERNEL_CONV_DIRECT) || defined(KERNEL_DECONV)
// A number below the product of `extents` as coordinates of SPATIAL dimensions.
__device__ inline void split(I64 number, const I64* extents, I64 (&to)[SPATIAL]) {
    Index rest = (Index)number;
#pragma unroll
    for (int d = SPATIAL - 1; d > 0; --d) {
        to[d] = (I64)(rest % (Index)extents[d]);
        rest /= (Index)extents[d];
    }
    to[0] = (I64)rest;
}
__device__ inline I64 at(const I64 (&coordinate)[SPATIAL], const I64* strides) {
    I64 offset = 0;
#pragma unroll
    for (int d = 0; d < SPATIAL; ++d) {
        offset += coordinate[d] * strides[d];
    }
    return offset;
}
// Batch, channel and place of the i-th output in the order in which outputs lie in memory.
__device__ inline void place(const WindowArgs& a, Index i, I64& batch, I64& channel, I64 (&spatial)[SPATIAL]) {
    Index rest;
    Index pixel;
    if (a.yChannel == 1) {
        channel = (I64)(i % (Index)a.outputs);
        rest = i / (Index)a.outputs;
        pixel = rest % (Index)a.outputSize;
        batch = (I64)(rest / (Index)a.outputSize);
    } else {
        pixel = i % (Index)a.outputSize;
        rest = i / (Index)a.outputSize;
        channel = (I64)(rest % (Index)a.outputs);
        batch = (I64)(rest / (Index)a.outputs);
    }
    split((I64)pixel, a.output, spatial);
}
#endif

#ifdef KERNEL_CONV_TILED
// Rows: output channels of a group; columns: places of all images; depth: channels and taps. Grid: tiles, groups.
extern "C" __global__ void __launch_bounds__(256)
    conv_tiled(const __grid_constant__ WindowArgs a, const __grid_constant__ Ports ports) {
    using Acc = Accumulator<Of<Element>::Wide>::Type;
    const Element* x = input<Element>(ports, a.operands, 0);
    const Second* w = input<Second>(ports, a.operands, 1);
    const I64 columns = a.batch * a.outputSize;
    const I64 columnTiles = (columns + kTile - 1) / kTile;
    const I64 row0 = (I64)blockIdx.x / columnTiles * kTile;
    const I64 column0 = (I64)blockIdx.x % columnTiles * kTile;
    const I64 group = blockIdx.y;
    const I64 depth = a.groupChannels * a.taps;
    // A thread loads one column only: where its window starts.
    const I64 own = column0 + (int)threadIdx.x % kTile;
    I64 origin[SPATIAL];
    split(own % a.outputSize, a.output, origin);
#pragma unroll
    for (int d = 0; d < SPATIAL; ++d) {
        origin[d] = origin[d] * a.step[d] - a.padBegin[d];
    }
    const Element* image = x + own / a.outputSize * a.xBatch + group * a.groupChannels * a.xChannel;
    Acc sums[4][4] = {};
    multiplyTile<Acc>(
        depth, false, true,
        [&](int r, I64 k) -> Acc {
            if (row0 + r >= a.groupOutputs || k >= depth) {
                return (Acc)0;
            }
            I64 tap[SPATIAL];
            split((I64)((Index)k % (Index)a.taps), a.kernel, tap);
            return (Acc)widen(w[(group * a.groupOutputs + row0 + r) * a.wOutput + (I64)((Index)k / (Index)a.taps) * a.wChannel + at(tap, a.w)]);
        },
        [&](I64 k, int) -> Acc {
            if (own >= columns || k >= depth) {
                return (Acc)0;
            }
            I64 tap[SPATIAL];
            split((I64)((Index)k % (Index)a.taps), a.kernel, tap);
            bool inside = true;
#pragma unroll
            for (int d = 0; d < SPATIAL; ++d) {
                tap[d] = origin[d] + tap[d] * a.dilation[d];
                inside = inside && tap[d] >= 0 && tap[d] < a.input[d];
            }
            return inside ? (Acc)widen(image[(I64)((Index)k / (Index)a.taps) * a.xChannel + at(tap, a.x)]) : (Acc)0;
        },
        sums);
    Result* y = output<Result>(ports, a.operands, 0);
    const int row = (int)threadIdx.x / 16 * 4;
    const int column = (int)threadIdx.x % 16 * 4;
#pragma unroll
    for (int c = 0; c < 4; ++c) {
        const I64 j = column0 + column + c;
        if (j >= columns) {
            continue;
        }
        I64 pixel[SPATIAL];
        split(j % a.outputSize, a.output, pixel);
        Result* to = y + j / a.outputSize * a.yBatch + at(pixel, a.y);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
            const I64 i = row0 + row + r;
            if (i < a.groupOutputs) {
                const I64 channel = group * a.groupOutputs + i;
                const Acc bias = a.hasBias != 0 ? (Acc)widen(input<Third>(ports, a.operands, 2)[channel]) : (Acc)0;
                to[channel * a.yChannel] = narrowed<Result>(sums[r][c] + bias);
            }
        }
    }
}
#endif

#ifdef KERNEL_CONV_DIRECT
// One thread an output: groups of few channels.
extern "C" __global__ void conv_direct(const __grid_constant__ WindowArgs a, const __grid_constant__ Ports ports) {
    using Acc = Accumulator<Of<Element>::Wide>::Type;
    const I64 count = a.batch * a.outputs * a.outputSize;
    for (Index i = threadIndex(); i < (Index)count; i += threadCount()) {
        I64 batch;
        I64 channel;
        I64 pixel[SPATIAL];
        place(a, i, batch, channel, pixel);
        const I64 group = channel / a.groupOutputs;
        const Element* image = input<Element>(ports, a.operands, 0) + batch * a.xBatch + group * a.groupChannels * a.xChannel;
        const Second* w = input<Second>(ports, a.operands, 1) + channel * a.wOutput;
        Acc sum = 0;
        for (I64 t = 0; t < a.taps; ++t) {
            I64 tap[SPATIAL];
            split(t, a.kernel, tap);
            const Second* weight = w + at(tap, a.w);
            bool inside = true;
#pragma unroll
            for (int d = 0; d < SPATIAL; ++d) {
                tap[d] = pixel[d] * a.step[d] - a.padBegin[d] + tap[d] * a.dilation[d];
                inside = inside && tap[d] >= 0 && tap[d] < a.input[d];
            }
            if (inside) {
                const Element* from = image + at(tap, a.x);
                for (I64 c = 0; c < a.groupChannels; ++c) {
                    sum += (Acc)widen(from[c * a.xChannel]) * (Acc)widen(weight[c * a.wChannel]);
                }
            }
        }
        if (a.hasBias != 0) {
            sum += (Acc)widen(input<Third>(ports, a.operands, 2)[channel]);
        }
        output<Result>(ports, a.operands, 0)[batch * a.yBatch + channel * a.yChannel + at(pixel, a.y)] = narrowed<Result>(sum);
    }
}
#endif

#ifdef KERNEL_DECONV
// One thread an output, which asks every tap what it brings.
extern "C" __global__ void deconv(const __grid_constant__ WindowArgs a, const __grid_constant__ Ports ports) {
    using Acc = Accumulator<Of<Element>::Wide>::Type;
    const I64 count = a.batch * a.outputs * a.outputSize;
    for (Index i = threadIndex(); i < (Index)count; i += threadCount()) {
        I64 batch;
        I64 channel;
        I64 pixel[SPATIAL];
        place(a, i, batch, channel, pixel);
        const I64 group = channel / a.groupOutputs;
        const Element* image = input<Element>(ports, a.operands, 0) + batch * a.xBatch + group * a.groupChannels * a.xChannel;
        const Second* w = input<Second>(ports, a.operands, 1) + channel % a.groupOutputs * a.wOutput + group * a.groupChannels * a.wChannel;
        Acc sum = 0;
        for (I64 t = 0; t < a.taps; ++t) {
            I64 tap[SPATIAL];
            split(t, a.kernel, tap);
            const Second* weight = w + at(tap, a.w);
            bool inside = true;
#pragma unroll
            for (int d = 0; d < SPATIAL; ++d) {
                const I64 from = pixel[d] + a.padBegin[d] - tap[d] * a.dilation[d];
                tap[d] = from / a.step[d];
                inside = inside && from >= 0 && from % a.step[d] == 0 && tap[d] < a.input[d];
            }
            if (inside) {
                const Element* from = image + at(tap, a.x);
                for (I64 c = 0; c < a.groupChannels; ++c) {
                    sum += (Acc)widen(from[c * a.xChannel]) * (Acc)widen(weight[c * a.wChannel]);
                }
            }
        }
        if (a.hasBias != 0) {
            sum += (Acc)widen(input<Third>(ports, a.operands, 2)[channel]);
        }
        output<Result>(ports, a.operands, 0)[batch * a.yBatch + channel * a.yChannel + at(pixel, a.y)] = narrowed<Result>(sum);
    }
}
#endif

#ifdef KERNEL_EINSUM
extern "C" __global__ void einsum(const __grid_constant__ EinsumArgs a, const __grid_constant__ Ports ports) {
    using Acc = Accumulator<Of<Element>::Wide>::Type;
    for (Index o = threadIndex(); o < (Index)a.outputs; o += threadCount()) {
        I64 first[INPUTS] = {};
        I64 rest = (I64)o;
        for (int d = a.outputRank - 1; d >= 0; --d) {
            for (int i = 0; i < INPUTS; ++i) {
                first[i] += rest % a.dims[d] * a.strides[i][d];
            }
            rest /= a.dims[d];
        }
        Acc sum = 0;
        for (I64 s = 0; s < a.summed; ++s) {
            I64 offset[INPUTS];
            for (int i = 0; i < INPUTS; ++i) {
                offset[i] = first[i];
            }
            I64 which = s;
            for (int d = a.rank - 1; d >= a.outputRank; --d) {
                for (int i = 0; i < INPUTS; ++i) {
                    offset[i] += which % a.dims[d] * a.strides[i][d];
                }
                which /= a.dims[d];
            }
            Acc term = 1;
            for (int i = 0; i < INPUTS; ++i) {
                term *= (Acc)widen(input<Element>(ports, a.operands, i)[offset[i]]);
            }
            sum += term;
        }
        output<Result>(ports, a.operands, 0)[o] = narrowed<Result>(sum);
    }
}
#endif
