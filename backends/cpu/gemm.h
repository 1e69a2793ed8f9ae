// Blocked product of matrices whose operands are packed on the way, so that they may be anything: a matrix, its transpose, 16-bit floats, the windows
// of an image. Accumulates in f32 in one fixed order over the depth.
//
// Who uses it: matmul and convolution of the cpu backend. What it must not know: ops.
#pragma once

#include "backends/cpu/ops.h"

#include <cstdint>

namespace tenon::cpu {

// Gives pieces of an operand. `pack` writes to[k * width + i] for k in [firstDepth, +depth) and i in [first, +count), where
// i counts rows of the left or columns of the right operand; what lies beyond `count`, up to `width`, is zero.
class PanelSource {
public:
    virtual ~PanelSource() = default;
    virtual void pack(int64_t batch, int64_t firstDepth, int64_t depth, int64_t first, int64_t count, int64_t width,
                      float* to) const = 0;
};

// A matrix in memory, one per batch: element (i, k) at first(batch) + i * outerStride + k * depthStride.
class MatrixSource final : public PanelSource {
public:
    MatrixSource(TnDataType type, const void* data, int64_t outerStride, int64_t depthStride,
                 const int64_t* firstOfBatch)
        : mType(type), mData(data), mOuterStride(outerStride), mDepthStride(depthStride), mFirst(firstOfBatch) {}
    void pack(int64_t batch, int64_t firstDepth, int64_t depth, int64_t first, int64_t count, int64_t width,
              float* to) const override;

private:
    TnDataType mType;
    const void* mData;
    int64_t mOuterStride;
    int64_t mDepthStride;
    const int64_t* mFirst;
};

struct Gemm {
    int64_t batches = 1;
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t depth = 0;
    // Of the result: element (batch, row, column) at batch * rows * columns + row * columns + column.
    TnDataType type = TN_F32;
    int threads = 1;
};

// Bytes of scratch: the left operand packed, and blocks per thread. Does not fall when an extent rises.
int64_t gemmWorkspace(const Gemm& gemm);
// `bias` (one per row: batch % biasBatches * biasStride + row) may be null.
void runGemm(const Gemm& gemm, const PanelSource& left, const PanelSource& right, const float* bias, int64_t biasStride,
             int64_t biasBatches, void* result, void* workspace);

} // namespace tenon::cpu
