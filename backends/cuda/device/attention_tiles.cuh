// Scaled dot-product attention of 16-bit floats on tensor cores. Device code, after prelude.cuh. The printer defines Element, Mask, Result, DEPTH and
// WIDTH (elements of q and of v per head, in eights), HAS_MASK and MASK_IS_BOOL.
//
// A block computes 16 rows of a head's result. Its warps share the keys, some at a time, each with a softmax that goes along; at the end their parts
// are put together. Few rows are spread over all of the device this way, and nothing is exchanged before the end: a product may take the elements
// that it sums in any order as long as both factors take the same, and its columns in any order too, so that each thread reads 16 bytes at once and
// already holds what mma.m16n8k16 wants of it (PTX ISA, "Matrix Fragments for mma.m16n8k16"). Of the row g and the quarter t of a thread's lane:
//   q and k: row g, elements 32 s + 8 t ... + 7: the first four are a product's part of the thread, the last four the next product's;
//   v: the four keys that the scores of t belong to, columns 64 b + 8 g ... + 7: column j of these is part of the j-th product.

using Quad = Pack<unsigned, 4>; // eight elements

constexpr int kRows = 16;
constexpr int kKeys = DEPTH + WIDTH <= kShortRows ? kKeysOfShortRows : kKeysOfShortRows / 2; // at a time: what registers hold
constexpr int kKeyTiles = kKeys / 8;
constexpr int kDepthSteps = (DEPTH + 31) / 32;
constexpr int kWidthBlocks = (WIDTH + 63) / 64;
constexpr double kLog2OfE = 1.4426950408889634;
constexpr int kMostWarps = kColumnsOfWarps / (64 * kWidthBlocks);

// c += a b, of 16 x 16 and 16 x 8 elements.
__device__ inline void multiply(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1) {
    if constexpr (Same<Element, F16>::value) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    }
}

__device__ inline unsigned pair(float low, float high) {
    unsigned both;
    if constexpr (Same<Element, F16>::value) {
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    } else {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    }
    return both;
}

__device__ inline Quad eightAt(const Element* from, bool isThere) {
    return isThere ? packAt<4>(reinterpret_cast<const unsigned*>(from)) : Quad{};
}

// What a thread holds of some keys, and of their values.
__device__ inline void loadKeys(Quad (&key)[kKeyTiles][kDepthSteps], const Element* from, I64 stride, I64 first, I64 count) {
    const int g = (int)threadIdx.x % 32 / 4;
    const int t = (int)threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < kKeyTiles; ++i) {
        const I64 at = first + 8 * i + g;
#pragma unroll
        for (int s = 0; s < kDepthSteps; ++s) {
            const int element = 32 * s + 8 * t;
            key[i][s] = eightAt(from + at * stride + element, at < count && element < DEPTH);
        }
    }
}
__device__ inline void loadValues(Quad (&value)[2 * kKeyTiles][kWidthBlocks], const Element* from, I64 stride, I64 first, I64 count) {
    const int g = (int)threadIdx.x % 32 / 4;
    const int t = (int)threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < 2 * kKeyTiles; ++i) {
        const I64 at = first + 8 * (i / 2) + 2 * t + i % 2;
#pragma unroll
        for (int w = 0; w < kWidthBlocks; ++w) {
            const int column = 64 * w + 8 * g;
            value[i][w] = eightAt(from + at * stride + column, at < count && column < WIDTH);
        }
    }
}

// 2 ** (x - top), where no score above -inf has turned up yet: 0.
__device__ inline float power(float x, float top) {
    float result;
    asm("ex2.approx.f32 %0, %1;" : "=f"(result) : "f"(x - (top == -(float)infinity64() ? 0.0F : top)));
    return result;
}

extern "C" __global__ void __launch_bounds__(kMostWarps * 32, 1)
    attention(const __grid_constant__ AttentionArgs a, const __grid_constant__ Ports ports) {
    __shared__ float parts[kMostWarps][kWidthBlocks * 32][32];
    __shared__ float tops[kMostWarps][kRows];
    __shared__ float sums[kMostWarps][kRows];
    const int warp = (int)threadIdx.x / 32;
    const int warps = (int)blockDim.x / 32;
    const int lane = (int)threadIdx.x % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    // In 32 bits, of which the host has made sure: a division of 64 takes longer than a product.
    const unsigned tilesOfHead = (unsigned)((a.queries + kRows - 1) / kRows);
    const unsigned tiles = (unsigned)(a.batches * a.heads) * tilesOfHead;
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const unsigned head = tile / tilesOfHead;
        const I64 first = (I64)(tile % tilesOfHead) * kRows;
        const I64 row[2] = {first + g, first + g + 8};
        const I64 h = head % (unsigned)a.heads;
        const I64 b = head / (unsigned)a.heads;
        const I64 shared = (unsigned)h / (unsigned)a.group;
        const Element* const queries = input<Element>(ports, a.operands, 0) + b * a.q[0] + h * a.q[1];
        const Element* const keys = input<Element>(ports, a.operands, 1) + b * a.k[0] + shared * a.k[1];
        const Element* const values = input<Element>(ports, a.operands, 2) + b * a.v[0] + shared * a.v[1];
        // What the next keys need is on its way while these are computed.
        const I64 last = a.causal != 0 && first + kRows < a.keys ? first + kRows : a.keys;
        const I64 step = (I64)warps * kKeys;
        Quad query[2][kDepthSteps];
        Quad key[kKeyTiles][kDepthSteps];
        Quad value[2 * kKeyTiles][kWidthBlocks];
        loadKeys(key, keys, a.k[2], (I64)warp * kKeys, last);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
#pragma unroll
            for (int s = 0; s < kDepthSteps; ++s) {
                const int element = 32 * s + 8 * t;
                query[r][s] = eightAt(queries + row[r] * a.q[2] + element, row[r] < a.queries && element < DEPTH);
            }
        }
        loadValues(value, values, a.v[2], (I64)warp * kKeys, last);
        // A score as the power of 2 that it stands for.
        const float scale = (float)(a.scale * kLog2OfE);
        const auto scaled = [&](float x, I64 at, I64 of) {
#if HAS_MASK
            if (at >= a.keys || of >= a.queries) {
                return x;
            }
            const Mask mask = input<Mask>(ports, a.operands, 3)[b * a.mask[0] + h * a.mask[1] + of * a.mask[2] + at * a.mask[3]];
#if MASK_IS_BOOL
            return (mask.bits != 0) != (a.maskKeeps != 0) ? (float)(a.fill * kLog2OfE) : x * scale;
#else
            return x * scale + widen(mask) * (float)kLog2OfE;
#endif
#else
            return x * scale;
#endif
        };
        float top[2] = {-(float)infinity64(), -(float)infinity64()};
        float sum[2] = {};
        float result[kWidthBlocks][8][4] = {};
#pragma unroll 1
        for (I64 key0 = (I64)warp * kKeys; key0 < last; key0 += step) {
            float score[kKeyTiles][4] = {};
#pragma unroll
            for (int s = 0; s < kDepthSteps; ++s) {
#pragma unroll
                for (int half = 0; half < 4; half += 2) {
#pragma unroll
                    for (int i = 0; i < kKeyTiles; ++i) {
                        multiply(score[i], query[0][s].each[half], query[1][s].each[half], query[0][s].each[half + 1], query[1][s].each[half + 1],
                                 key[i][s].each[half], key[i][s].each[half + 1]);
                    }
                }
            }
            loadKeys(key, keys, a.k[2], key0 + step, last);
            const bool isWhole = key0 + kKeys <= a.keys && (a.causal == 0 || key0 + kKeys <= first);
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                float newTop = top[r];
#pragma unroll
                for (int i = 0; i < kKeyTiles; ++i) {
#pragma unroll
                    for (int c = 0; c < 2; ++c) {
                        float& x = score[i][2 * r + c];
                        const I64 at = key0 + 8 * i + 2 * t + c;
                        x = scaled(x, at, row[r]);
                        if (!isWhole && (at >= a.keys || (a.causal != 0 && at > row[r]))) {
                            x = -(float)infinity64();
                        }
                        newTop = x > newTop ? x : newTop;
                    }
                }
                // The four threads of a row.
#pragma unroll
                for (int o = 1; o < 4; o *= 2) {
                    const float other = shuffled(newTop, o);
                    newTop = other > newTop ? other : newTop;
                }
                const float shrink = power(top[r], newTop);
                top[r] = newTop;
                sum[r] *= shrink;
#pragma unroll
                for (int w = 0; w < kWidthBlocks; ++w) {
#pragma unroll
                    for (int j = 0; j < 8; ++j) {
                        result[w][j][2 * r] *= shrink;
                        result[w][j][2 * r + 1] *= shrink;
                    }
                }
#pragma unroll
                for (int i = 0; i < kKeyTiles; ++i) {
#pragma unroll
                    for (int c = 0; c < 2; ++c) {
                        float& x = score[i][2 * r + c];
                        x = power(x, newTop);
                        sum[r] += x;
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < kKeyTiles; i += 2) {
                unsigned p[4];
#pragma unroll
                for (int n = 0; n < 4; ++n) {
                    p[n] = pair(score[i + n / 2][n % 2 * 2], score[i + n / 2][n % 2 * 2 + 1]);
                }
#pragma unroll
                for (int w = 0; w < kWidthBlocks; ++w) {
#pragma unroll
                    for (int j = 0; j < 4; ++j) {
                        const auto both = [&](int n, unsigned which) {
                            return __byte_perm(value[2 * i + n][w].each[j], value[2 * i + n + 1][w].each[j], which);
                        };
                        multiply(result[w][2 * j], p[0], p[1], p[2], p[3], both(0, 0x5410), both(2, 0x5410));
                        multiply(result[w][2 * j + 1], p[0], p[1], p[2], p[3], both(0, 0x7632), both(2, 0x7632));
                    }
                }
            }
            loadValues(value, values, a.v[2], key0 + step, last);
        }
#pragma unroll
        for (int r = 0; r < 2; ++r) {
#pragma unroll
            for (int o = 1; o < 4; o *= 2) {
                sum[r] += shuffled(sum[r], o);
            }
        }
        // Every warp's part, as large as it is beside the largest score of all.
        float whole[2];
        if (warps > 1) {
            if (t == 0) {
#pragma unroll
                for (int r = 0; r < 2; ++r) {
                    tops[warp][g + 8 * r] = top[r];
                    sums[warp][g + 8 * r] = sum[r];
                }
            }
            __syncthreads();
        }
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            float all = top[r];
            float shrink = 1;
            whole[r] = sum[r];
            if (warps > 1) {
                float theirs[kMostWarps];
#pragma unroll
                for (int other = 0; other < kMostWarps; ++other) {
                    theirs[other] = other < warps ? tops[other][g + 8 * r] : -(float)infinity64();
                    all = theirs[other] > all ? theirs[other] : all;
                }
                whole[r] = 0;
#pragma unroll
                for (int other = 0; other < kMostWarps; ++other) {
                    whole[r] += other < warps ? sums[other][g + 8 * r] * power(theirs[other], all) : 0.0F;
                }
                shrink = power(top[r], all);
            }
#pragma unroll
            for (int w = 0; w < kWidthBlocks; ++w) {
#pragma unroll
                for (int c = 0; c < 2; ++c) {
#pragma unroll
                    for (int j = 0; j < 8; ++j) {
                        parts[warp][32 * w + 8 * (2 * r + c) + j][lane] = result[w][j][2 * r + c] * shrink;
                    }
                }
            }
        }
        __syncthreads();
        // Four neighbours of each thread at a time, by the warps in turn.
        Result* const y = output<Result>(ports, a.operands, 0) + b * a.y[0] + h * a.y[1];
        for (int four = warp; four < 8 * kWidthBlocks; four += warps) {
            const int c = four % 8 / 2;
            const int column = four / 8 * 64 + (2 * t + c % 2) * 8 + four % 2 * 4;
            const I64 to = c < 2 ? row[0] : row[1];
            const float total = c < 2 ? whole[0] : whole[1];
            const bool isNone = a.keys == 0 || (a.nanToZero != 0 && (total != total || total == 0.0F));
            float x[4] = {};
#pragma unroll
            for (int other = 0; other < kMostWarps; ++other) {
                if (other < warps) {
#pragma unroll
                    for (int i = 0; i < 4; ++i) {
                        x[i] += parts[other][four * 4 + i][lane];
                    }
                }
            }
            Pack<Result, 4> out;
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                out.each[i] = narrowed<Result>(isNone ? 0.0F : x[i] / total);
            }
            if (to < a.queries && column < WIDTH) {
                storePack(y + to * a.y[2] + column, out);
            }
        }
        __syncthreads();
    }
}
