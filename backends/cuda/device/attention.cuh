// Scaled dot-product attention. Device code, after prelude.cuh. The printer defines Element, Mask, Result, DEPTH and WIDTH (elements of q and of
// v per head), HAS_MASK and MASK_IS_BOOL.
//
// A warp computes a row of the result: its lanes share the elements of q, k and v. Softmax goes along: what was summed is scaled down whenever
// a larger score turns up.

using Wide = typename Of<Element>::Wide;
constexpr int kKeys = 4; // keys per step: their loads and sums overlap
constexpr int kDepthPerLane = (DEPTH + 31) / 32;
constexpr int kWidthPerLane = (WIDTH + 31) / 32;

extern "C" __global__ void attention(const __grid_constant__ AttentionArgs a, const __grid_constant__ Ports ports) {
    const int lane = (int)(threadIdx.x % 32);
    const Element* const q = input<Element>(ports, a.operands, 0);
    const Element* const k = input<Element>(ports, a.operands, 1);
    const Element* const v = input<Element>(ports, a.operands, 2);
    Result* const y = output<Result>(ports, a.operands, 0);
    for (Index row = threadIndex() / 32; row < (Index)a.count; row += threadCount() / 32) {
        const I64 s = (I64)row % a.queries;
        const I64 h = (I64)row / a.queries % a.heads;
        const I64 b = (I64)row / a.queries / a.heads;
        const I64 shared = h / a.group;
        Wide query[kDepthPerLane];
#pragma unroll
        for (int j = 0; j < kDepthPerLane; ++j) {
            const int i = lane + 32 * j;
            query[j] = i < DEPTH ? widen(q[b * a.q[0] + h * a.q[1] + s * a.q[2] + i * a.q[3]]) * (Wide)a.scale : (Wide)0;
        }
        const Element* const keys = k + b * a.k[0] + shared * a.k[1];
        const Element* const values = v + b * a.v[0] + shared * a.v[1];
#if HAS_MASK
        const Mask* const mask = input<Mask>(ports, a.operands, 3) + b * a.mask[0] + h * a.mask[1] + s * a.mask[2];
#endif
        const I64 last = a.causal != 0 && s + 1 < a.keys ? s + 1 : a.keys;
        Wide top = (Wide)-infinity64();
        Wide sum = 0;
        Wide result[kWidthPerLane];
#pragma unroll
        for (int j = 0; j < kWidthPerLane; ++j) {
            result[j] = 0;
        }
        for (I64 first = 0; first < last; first += kKeys) {
            Wide score[kKeys];
            Wide newTop = top;
#pragma unroll
            for (int c = 0; c < kKeys; ++c) {
                score[c] = 0;
#pragma unroll
                for (int j = 0; j < kDepthPerLane; ++j) {
                    const int i = lane + 32 * j;
                    if (first + c < last && i < DEPTH) {
                        score[c] += query[j] * widen(keys[(first + c) * a.k[2] + i * a.k[3]]);
                    }
                }
            }
#pragma unroll
            for (int c = 0; c < kKeys; ++c) {
                for (int o = 16; o > 0; o >>= 1) {
                    score[c] += shuffled(score[c], o);
                }
                if (first + c < last) {
#if HAS_MASK && MASK_IS_BOOL
                    if ((mask[(first + c) * a.mask[3]].bits != 0) != (a.maskKeeps != 0)) {
                        score[c] = (Wide)a.fill;
                    }
#elif HAS_MASK
                    score[c] += widen(mask[(first + c) * a.mask[3]]);
#endif
                    newTop = score[c] > newTop ? score[c] : newTop;
                }
            }
            // With no score above -inf yet, exp(score - base) is 0.
            const Wide base = newTop == (Wide)-infinity64() ? (Wide)0 : newTop;
            const Wide shrink = exp(top - base);
            top = newTop;
            sum *= shrink;
#pragma unroll
            for (int j = 0; j < kWidthPerLane; ++j) {
                result[j] *= shrink;
            }
#pragma unroll
            for (int c = 0; c < kKeys; ++c) {
                if (first + c < last) {
                    const Wide probability = exp(score[c] - base);
                    sum += probability;
#pragma unroll
                    for (int j = 0; j < kWidthPerLane; ++j) {
                        const int i = lane + 32 * j;
                        if (i < WIDTH) {
                            result[j] += probability * widen(values[(first + c) * a.v[2] + i * a.v[3]]);
                        }
                    }
                }
            }
        }
        const bool isNan = sum != sum || sum == (Wide)0;
#pragma unroll
        for (int j = 0; j < kWidthPerLane; ++j) {
            const int i = lane + 32 * j;
            if (i < WIDTH) {
                const Wide value = a.keys == 0 || (isNan && a.nanToZero != 0) ? (Wide)0 : result[j] / sum;
                y[b * a.y[0] + h * a.y[1] + s * a.y[2] + i * a.y[3]] = narrowed<Result>(value);
            }
        }
    }
}
