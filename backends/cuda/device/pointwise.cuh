// The loops around a generated `compute`: one element, or four or eight neighbours, at a time. Device code; the printer defines before this file
// `computeAt`, `computeMany` and OPERANDS.

// Any strides.
extern "C" __global__ void pointwise(const __grid_constant__ PointwiseArgs a, const __grid_constant__ Ports ports) {
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Index at[OPERANDS + 1] = {};
        Index rest = i;
        for (int d = a.rank - 1; d >= 0; --d) {
            const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
            rest = d > 0 ? rest / (Index)a.dims[d] : 0;
#pragma unroll
            for (int o = 0; o < OPERANDS; ++o) {
                at[o] += c * (Index)a.strides[o][d];
            }
        }
        computeAt(ports, at, i);
    }
}

// MANY neighbours along the innermost dimension, whose extent is a multiple of that; each input is read there as so many neighbours, aligned as
// such, or as one element. Buffers start on 16 bytes.
template <int MANY>
__device__ inline void pointwiseMany(const PointwiseArgs& a, const Ports& ports) {
    const Index groups = (Index)a.count / MANY;
    for (Index g = threadIndex(); g < groups; g += threadCount()) {
        Index at[OPERANDS + 1] = {};
        Index rest = g * MANY;
        for (int d = a.rank - 1; d >= 0; --d) {
            const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
            rest = d > 0 ? rest / (Index)a.dims[d] : 0;
#pragma unroll
            for (int o = 0; o < OPERANDS; ++o) {
                at[o] += c * (Index)a.strides[o][d];
            }
        }
        computeMany<MANY>(a, ports, at, g);
    }
    // What one dimension leaves over.
    const Index i = groups * MANY + threadIndex();
    if (i < (Index)a.count) {
        Index at[OPERANDS + 1] = {};
        for (int o = 0; o < OPERANDS; ++o) {
            at[o] = i * (Index)a.strides[o][0];
        }
        computeAt(ports, at, i);
    }
}
extern "C" __global__ void pointwise4(const __grid_constant__ PointwiseArgs a, const __grid_constant__ Ports ports) { pointwiseMany<4>(a, ports); }
extern "C" __global__ void pointwise8(const __grid_constant__ PointwiseArgs a, const __grid_constant__ Ports ports) { pointwiseMany<8>(a, ports); }
