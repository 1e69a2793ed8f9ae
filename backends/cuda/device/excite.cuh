// Squeeze-and-excite: means of channels, then two small products with bias and activation by one block for each item of the batch.
// Device code, after prelude.cuh and functions.cuh. The printer defines CHANNELS, HIDDEN, the types and activation1 and activation2.

#ifdef SQUEEZES
#ifdef CHANNELS_LAST
// Sums of a chunk of positions for all channels: threads side by side take channels, the others positions further down.
extern "C" __global__ void squeeze(const __grid_constant__ ExciteArgs a, const __grid_constant__ Ports ports) {
    constexpr int kVectors = CHANNELS / IMAGE_VECTOR;
    constexpr int kAcross = kVectors < 256 ? kVectors : 256;
    constexpr int kDown = 256 / kAcross;
    __shared__ float parts[kDown * kAcross * IMAGE_VECTOR];
    using Vector = Pack<Image, IMAGE_VECTOR>;
    const Vector* x = reinterpret_cast<const Vector*>(input<Image>(ports, a.operands, 0));
    float* sums = static_cast<float*>(ports.workspace);
    const int across = (int)threadIdx.x % kAcross;
    const int down = (int)threadIdx.x / kAcross;
    for (I64 part = blockIdx.x; part < a.batch * a.chunks; part += gridDim.x) {
        const I64 item = part / a.chunks;
        const I64 chunk = part % a.chunks;
        const I64 last = a.positions * (chunk + 1) / a.chunks;
        for (int v = across; v < kVectors; v += kAcross) {
            float sum[IMAGE_VECTOR] = {};
            for (I64 p = a.positions * chunk / a.chunks + down; down < kDown && p < last; p += kDown) {
                const Vector here = x[(item * a.positions + p) * kVectors + v];
#pragma unroll
                for (int i = 0; i < IMAGE_VECTOR; ++i) {
                    sum[i] += widen(here.each[i]);
                }
            }
            if constexpr (kDown > 1) {
                if (down > 0 && down < kDown) {
#pragma unroll
                    for (int i = 0; i < IMAGE_VECTOR; ++i) {
                        parts[(down * kAcross + across) * IMAGE_VECTOR + i] = sum[i];
                    }
                }
                __syncthreads();
                for (int d = 1; down == 0 && d < kDown; ++d) {
#pragma unroll
                    for (int i = 0; i < IMAGE_VECTOR; ++i) {
                        sum[i] += parts[(d * kAcross + across) * IMAGE_VECTOR + i];
                    }
                }
                __syncthreads();
            }
            if (down == 0) {
#pragma unroll
                for (int i = 0; i < IMAGE_VECTOR; ++i) {
                    sums[part * CHANNELS + v * IMAGE_VECTOR + i] = sum[i];
                }
            }
        }
    }
}
#else
// A warp for each channel.
extern "C" __global__ void squeeze(const __grid_constant__ ExciteArgs a, const __grid_constant__ Ports ports) {
    const Image* x = input<Image>(ports, a.operands, 0);
    float* sums = static_cast<float*>(ports.workspace);
    for (I64 row = team<32>(); row < a.batch * CHANNELS; row += teams<32>()) {
        float sum = 0;
        for (I64 p = lane<32>(); p < a.positions; p += 32) {
            sum += widen(x[row * a.positions + p]);
        }
        sum = teamMerge<32>(sum, AddUp());
        if (lane<32>() == 0) {
            sums[row] = sum;
        }
    }
}
#endif
#endif

// The sum of a row of weights times x over the lanes of a group, which all get it.
template <int LANES, int VECTOR, class T>
__device__ inline float rowTimes(const T* weights, const float* x, int count, int stride) {
    const int lane = (int)threadIdx.x % LANES;
    float sum = 0;
    if constexpr (VECTOR > 1) {
        const Pack<T, VECTOR>* row = reinterpret_cast<const Pack<T, VECTOR>*>(weights);
        for (int k = lane; k < count / VECTOR; k += LANES) {
            const Pack<T, VECTOR> here = row[k];
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
                sum += widen(here.each[i]) * x[k * VECTOR + i];
            }
        }
    } else {
        for (int k = lane; k < count; k += LANES) {
            sum += widen(weights[(I64)k * stride]) * x[k];
        }
    }
#pragma unroll
    for (int other = LANES / 2; other > 0; other /= 2) {
        sum += __shfl_xor_sync(0xffffffffU, sum, other);
    }
    return sum;
}

// Groups of LANES threads take rows in turn; `rows` is rounded up so that all lanes of a warp take part in exchanging.
template <int LANES, int VECTOR, class T, class Store>
__device__ inline void layer(const T* weights, const float* x, int inputs, int outputs, bool transposed, const Store& store) {
    const int groups = (int)blockDim.x / LANES;
    for (int begin = 0; begin < outputs; begin += groups) {
        const int row = begin + (int)threadIdx.x / LANES;
        const int known = row < outputs ? row : outputs - 1;
        const float sum = rowTimes<LANES, VECTOR>(weights + (transposed ? (I64)known * inputs : known), x, inputs, transposed ? 1 : outputs);
        if (row < outputs && threadIdx.x % LANES == 0) {
            store(row, sum);
        }
    }
}

extern "C" __global__ void excite(const __grid_constant__ ExciteArgs a, const __grid_constant__ Ports ports) {
    __shared__ float means[CHANNELS];
    __shared__ float hidden[HIDDEN];
    const Weights1* weights1 = input<Weights1>(ports, a.operands, 1);
    const Weights2* weights2 = input<Weights2>(ports, a.operands, 3);
    for (I64 item = blockIdx.x; item < a.batch; item += gridDim.x) {
        for (int c = threadIdx.x; c < CHANNELS; c += blockDim.x) {
#ifdef SQUEEZES
            const float* sums = static_cast<const float*>(ports.workspace) + item * a.chunks * CHANNELS + c;
            float sum = 0;
#pragma unroll 4
            for (I64 chunk = 0; chunk < a.chunks; ++chunk) {
                sum += sums[chunk * CHANNELS];
            }
            means[c] = sum / (float)a.positions;
#else
            means[c] = widen(input<Image>(ports, a.operands, 0)[item * CHANNELS + c]);
#endif
        }
        __syncthreads();
        layer<32, WEIGHTS1_VECTOR>(weights1, means, CHANNELS, HIDDEN, TRANSPOSED1, [&](int j, float sum) {
#if HAS_BIAS1
            sum += widen(input<Bias1>(ports, a.operands, 2)[j]);
#endif
            hidden[j] = activation1(sum);
        });
        __syncthreads();
        Result* y = output<Result>(ports, a.operands, 0) + item * OUTPUTS;
        layer<LANES2, 1>(weights2, hidden, HIDDEN, OUTPUTS, TRANSPOSED2, [&](int c, float sum) {
#if HAS_BIAS2
            sum += widen(input<Bias2>(ports, a.operands, 4)[c]);
#endif
            y[c] = narrowed<Result>(activation2(sum));
        });
        __syncthreads();
    }
}
