// The loops around a generated `compute`: one element, or four neighbours, at a time. Device code; the printer defines before this file
// `computeAt`, `computeFour` and OPERANDS.

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

// Four neighbours along the innermost dimension, whose extent is a multiple of four; each input is read there as four neighbours, aligned as
// such, or as one element. Buffers start on 16 bytes.
extern "C" __global__ void pointwise4(const __grid_constant__ PointwiseArgs a, const __grid_constant__ Ports ports) {
    const Index quads = (Index)a.count / 4;
    for (Index q = threadIndex(); q < quads; q += threadCount()) {
        Index at[OPERANDS + 1] = {};
        Index rest = q * 4;
        for (int d = a.rank - 1; d >= 0; --d) {
            const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
            rest = d > 0 ? rest / (Index)a.dims[d] : 0;
#pragma unroll
            for (int o = 0; o < OPERANDS; ++o) {
                at[o] += c * (Index)a.strides[o][d];
            }
        }
        computeFour(a, ports, at, q);
    }
    // What one dimension leaves over.
    const Index i = quads * 4 + threadIndex();
    if (i < (Index)a.count) {
        Index at[OPERANDS + 1] = {};
        for (int o = 0; o < OPERANDS; ++o) {
            at[o] = i * (Index)a.strides[o][0];
        }
        computeAt(ports, at, i);
    }
}
