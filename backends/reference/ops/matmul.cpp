// matmul: numpy's rules, 1-d operands and batch broadcasting included. Floats are summed in double, integers wrap.
#include "backends/common/contraction.h"
#include "backends/common/parallel.h"
#include "backends/reference/ops.h"
#include "backends/reference/product_tile.h"
#include "backends/reference/wide.h"

#include <algorithm>

namespace tenon::reference {

namespace {

// A matrix inside a tensor: where rows and columns lie.
struct Matrix {
    TnDataType type;
    int64_t rowStride;
    int64_t columnStride;
};

void load(const Matrix& m, const void* from, int64_t first, int64_t stride, int64_t count, double* to) {
    loadFloats(m.type, from, first, stride, count, to);
}
void load(const Matrix& m, const void* from, int64_t first, int64_t stride, int64_t count, uint64_t* to) {
    loadInts(m.type, from, first, stride, count, reinterpret_cast<int64_t*>(to));
}
void store(TnDataType type, const double* from, int64_t count, void* to, int64_t first) {
    storeFloats(type, from, count, to, first);
}
void store(TnDataType type, const uint64_t* from, int64_t count, void* to, int64_t first) {
    storeInts(type, reinterpret_cast<const int64_t*>(from), count, to, first);
}

constexpr int64_t kPanel = 64; // columns of b that one thread holds widened

template <class W>
Plan planWide(const Call& call) {
    const kernels::MatrixProduct m = kernels::matrixProductOf(call);
    const int64_t rows = m.rows;
    const int64_t depth = m.depth;
    const int64_t columns = m.columns;
    const Matrix matrixA{call.in(0).dtype, m.aRow, m.aColumn};
    const Matrix matrixB{call.in(1).dtype, m.bRow, m.bColumn};
    const TnDataType type = call.out().dtype;
    const int64_t batches = product(m.batch);
    const int64_t panels = (columns + kPanel - 1) / kPanel;
    const int threads = call.threads();
    // Per thread: a panel of b, four rows of a; then the offsets of the panel's rows, the same for all.
    const int64_t panelElements = depth * kPanel + kTileColumns;
    const int64_t perThread = panelElements + kTileRows * depth;
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(W)) * (perThread * threads + depth);
    plan.run = [=](const Buffers& buffers) {
        auto* offsets = static_cast<int64_t*>(buffers.workspace);
        for (int64_t k = 0; k < depth; ++k) {
            offsets[k] = k * kPanel;
        }
        auto* scratch = reinterpret_cast<W*>(offsets + depth);
        // One range of panels per thread, so that a range can own a part of the scratch.
        const int64_t work = batches * panels;
        const int64_t team = rows * depth * columns * batches < 100000 ? 1 : std::min<int64_t>(threads, work);
        parallelFor(static_cast<int>(team), team, 1, [&](int64_t firstThread, int64_t lastThread) {
            for (int64_t t = firstThread; t < lastThread; ++t) {
                W* panel = scratch + t * perThread;
                W* widened = panel + panelElements;
                std::fill(panel, panel + panelElements, W{});
                for (int64_t item = work * t / team; item < work * (t + 1) / team; ++item) {
                    const int64_t index = item / panels;
                    const int64_t firstColumn = item % panels * kPanel;
                    const int64_t width = std::min(kPanel, columns - firstColumn);
                    const auto [firstA, firstB] = m.firstOf(index);
                    for (int64_t k = 0; k < depth; ++k) {
                        load(matrixB, buffers.inputs[1],
                             firstB + k * matrixB.rowStride + firstColumn * matrixB.columnStride, matrixB.columnStride,
                             width, panel + k * kPanel);
                    }
                    for (int64_t row = 0; row < rows; row += kTileRows) {
                        const int64_t height = std::min(kTileRows, rows - row);
                        for (int64_t r = 0; r < kTileRows; ++r) {
                            const int64_t source = row + std::min(r, height - 1);
                            load(matrixA, buffers.inputs[0], firstA + source * matrixA.rowStride, matrixA.columnStride,
                                 depth, widened + r * depth);
                        }
                        for (int64_t c = 0; c < width; c += kTileColumns) {
                            W tile[kTileRows * kTileColumns];
                            multiplyTile(widened, depth, panel + c, offsets, 1, tile);
                            for (int64_t r = 0; r < height; ++r) {
                                store(type, tile + r * kTileColumns, std::min(kTileColumns, width - c),
                                      buffers.outputs[0], (index * rows + row + r) * columns + firstColumn + c);
                            }
                        }
                    }
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planMatmul(const Call& call) {
    return contains(kFloats, call.in(0).dtype) ? planWide<double>(call) : planWide<uint64_t>(call);
}

} // namespace

void addMatmul(KernelTable& table) {
    table.add({.op = "matmul",
               .minInputs = 2,
               .maxInputs = 2,
               .types = kNumeric,
               .plan = planMatmul,
               .check = requireSameTypes});
}

} // namespace tenon::reference
