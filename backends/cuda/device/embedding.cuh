// Embeddings: rows of tables added up, and the norm of the sum, by a warp or a block for each row. Device code, after prelude.cuh.
// The printer defines LENGTH, ROW_TEAM, ROW, Element, what results there are, and the class Addends, which finds the rows of one sum.

extern "C" __global__ void embedding(const __grid_constant__ EmbeddingArgs a, const __grid_constant__ Ports ports) {
    using Wide = typename SumOf<Element>::Type;
    for (Index row = team<ROW_TEAM>(); row < (Index)a.rows; row += teams<ROW_TEAM>()) {
        const Addends addends(a, ports, row);
        float values[ROW];
        Wide sum = 0;
#pragma unroll
        for (int k = 0; k < ROW; ++k) {
            const int i = lane<ROW_TEAM>() + k * ROW_TEAM;
            values[k] = i < LENGTH ? addends.at(i) : 0.0F;
            sum += values[k];
        }
#if HAS_SUM
        Element* sums = output<Element>(ports, a.operands, 0) + (I64)row * LENGTH;
#pragma unroll
        for (int k = 0; k < ROW; ++k) {
            const int i = lane<ROW_TEAM>() + k * ROW_TEAM;
            if (i < LENGTH) {
                sums[i] = narrowed<Element>(values[k]);
            }
        }
#endif
#if HAS_NORM
        Wide mean = 0;
#if CENTERS
        mean = teamMerge<ROW_TEAM>(sum, AddUp()) / (Wide)LENGTH;
#endif
        Wide squares = 0;
#pragma unroll
        for (int k = 0; k < ROW; ++k) {
            const int i = lane<ROW_TEAM>() + k * ROW_TEAM;
            const Wide offset = (Wide)values[k] - mean;
            squares += i < LENGTH ? offset * offset : (Wide)0;
        }
        const Wide factor = (Wide)1 / sqrt(teamMerge<ROW_TEAM>(squares, AddUp()) / (Wide)LENGTH + (Wide)a.epsilon);
        Element* result = output<Element>(ports, a.operands, 1) + (I64)row * LENGTH;
#pragma unroll
        for (int k = 0; k < ROW; ++k) {
            const int i = lane<ROW_TEAM>() + k * ROW_TEAM;
            if (i < LENGTH) {
                float y = (float)(((Wide)values[k] - mean) * factor);
#if HAS_SCALE
                y *= widen(input<Element>(ports, a.operands, kEmbeddingScale)[i]);
#endif
#if HAS_BIAS
                y += widen(input<Element>(ports, a.operands, kEmbeddingBias)[i]);
#endif
                result[i] = narrowed<Element>(y);
            }
        }
#endif
    }
}
