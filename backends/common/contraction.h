// Geometry of products: matmul as matrices with strides, einsum as one loop over labels.
//
// Who uses it: the matmul and einsum kernels of reference, cpu and cuda, each of which brings its own loops. What it must not know: element
// types, layouts.
#pragma once

#include "backends/common/call.h"

#include <vector>

namespace tenon::kernels {

// [batch...] matrices of rows x depth times depth x columns. Strides are in elements of the operand.
struct MatrixProduct {
    int64_t rows = 0;
    int64_t depth = 0;
    int64_t columns = 0;
    int64_t aRow = 0; // from one row of a to the next
    int64_t aColumn = 0;
    int64_t bRow = 0;
    int64_t bColumn = 0;
    Dims batch;  // of the result
    Dims batchA; // from one matrix to the next along each dimension of batch; 0 where it is broadcast
    Dims batchB;

    // Where the matrices of one of the result's batches begin.
    struct Place {
        int64_t a = 0;
        int64_t b = 0;
    };
    Place firstOf(int64_t index) const;
};

// Of a matmul with its trans_a and trans_b; vectors are one row or one column. Throws Failure where the extents do not fit.
MatrixProduct matrixProductOf(const Call& call);

// One loop over dims: the output's labels first, then those that are summed. strides[i][d] are elements of input i along dims[d].
struct Contraction {
    Dims dims;
    size_t outputRank = 0;
    std::vector<Dims> strides;

    int64_t summed() const { return product(dims, outputRank, dims.size()); }
};

// Of an einsum: any equation of letters, '...' and an optional '->'. Throws Failure where equation and extents do not fit.
Contraction contractionOf(const Call& call);

} // namespace tenon::kernels
