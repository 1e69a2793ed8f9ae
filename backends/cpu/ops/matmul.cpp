// matmul of floats: packed and blocked; a few rows times a large matrix are streamed instead, since packing would cost more
// than the product.
#include "backends/common/contraction.h"
#include "backends/common/parallel.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

struct Product {
    TnDataType type;
    int64_t rows, columns, depth, batches;
    int64_t rowStrideA, depthStrideA;
    int64_t depthStrideB, columnStrideB;
    Dims firstA, firstB; // per batch
};

Product readProduct(const Call& call) {
    const kernels::MatrixProduct m = kernels::matrixProductOf(call);
    Product p{};
    p.type = call.in(0).dtype;
    p.rows = m.rows;
    p.depth = m.depth;
    p.columns = m.columns;
    p.rowStrideA = m.aRow;
    p.depthStrideA = m.aColumn;
    p.depthStrideB = m.bRow;
    p.columnStrideB = m.bColumn;
    p.batches = product(m.batch);
    // One matrix on the right for all on the left: one tall product.
    const bool shared = std::all_of(m.batchB.begin(), m.batchB.end(), [](int64_t s) { return s == 0; });
    const bool dense = call.in(0).elements == p.batches * p.rows * p.depth;
    if (p.batches > 1 && shared && dense && m.aRow == m.depth) {
        p.rows *= p.batches;
        p.batches = 1;
        p.firstA = p.firstB = {0};
        return p;
    }
    Dims coordinate(m.batch.size(), 0);
    int64_t atA = 0;
    Dims coordinateB(m.batch.size(), 0);
    int64_t atB = 0;
    for (int64_t i = 0; i < p.batches; ++i) {
        p.firstA.push_back(atA);
        p.firstB.push_back(atB);
        advance(coordinate, m.batch, m.batchA, atA);
        advance(coordinateB, m.batch, m.batchB, atB);
    }
    return p;
}

constexpr int64_t kStripe = 512;

// Few rows: each element of the right operand is read once, and used for all of them.
Plan planStream(const Product& p, TnDataType outputType, int threads) {
    const bool byRows = p.columnStrideB == 1; // b's rows lie in memory as they are needed
    const int64_t stripe = byRows ? kStripe : 32;
    const int64_t stripes = (p.columns + stripe - 1) / stripe;
    const int64_t team = teamFor(threads, p.batches * stripes, p.rows * p.depth * stripe / 8);
    const int64_t perThread = byRows ? (p.rows + 1) * kStripe : p.depth;
    Plan plan;
    plan.workspace = (threads * perThread + p.rows * p.depth * p.batches) * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        auto* left = static_cast<float*>(b.workspace); // the left operand as floats, row by row
        float* scratch = left + p.rows * p.depth * p.batches;
        for (int64_t batch = 0; batch < p.batches; ++batch) {
            for (int64_t r = 0; r < p.rows; ++r) {
                float* to = left + (batch * p.rows + r) * p.depth;
                const int64_t first = p.firstA[static_cast<size_t>(batch)] + r * p.rowStrideA;
                if (p.depthStrideA == 1) {
                    const float* row = readRow(p.type, b.inputs[0], first, p.depth, to);
                    if (row != to) {
                        std::copy(row, row + p.depth, to);
                    }
                } else {
                    for (int64_t k = 0; k < p.depth; ++k) {
                        to[k] = *readRow(p.type, b.inputs[0], first + k * p.depthStrideA, 1, to + k);
                    }
                }
            }
        }
        parallelTeam(team, p.batches * stripes, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* own = scratch + member * perThread;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t batch = item / stripes;
                const int64_t column = item % stripes * stripe;
                const int64_t width = std::min(stripe, p.columns - column);
                const int64_t first = p.firstB[static_cast<size_t>(batch)] + column * p.columnStrideB;
                const float* a = left + batch * p.rows * p.depth;
                float sums[32];
                if (byRows) {
                    std::fill(own, own + p.rows * kStripe, 0.0F);
                    for (int64_t k = 0; k < p.depth; ++k) {
                        const float* row =
                            readRow(p.type, b.inputs[1], first + k * p.depthStrideB, width, own + p.rows * kStripe);
                        for (int64_t r = 0; r < p.rows; ++r) {
                            rows.addScaledInto(own + r * kStripe, row, a[r * p.depth + k], width);
                        }
                    }
                }
                for (int64_t r = 0; r < p.rows; ++r) {
                    float* line = byRows ? own + r * kStripe : sums;
                    for (int64_t c = 0; !byRows && c < width; ++c) {
                        const float* row = readRow(p.type, b.inputs[1], first + c * p.columnStrideB, p.depth, own);
                        line[c] = rows.dot(a + r * p.depth, row, p.depth);
                    }
                    const int64_t at = (batch * p.rows + r) * p.columns + column;
                    if (outputType == TN_F32) {
                        std::copy(line, line + width, b.out<float>() + at);
                    } else {
                        finishRow(outputType, b.outputs[0], at, width, line);
                    }
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planMatmul(const Call& call) {
    const Product p = readProduct(call);
    const TnDataType type = call.out().dtype;
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    const bool straightB = p.columnStrideB == 1 || p.depthStrideB == 1;
    if (p.rows <= 3 && straightB && p.depth > 0) {
        return planStream(p, type, call.threads());
    }
    const Gemm gemm{p.batches, p.rows, p.columns, p.depth, type, call.threads()};
    Plan plan;
    // Also enough for the streamed form of smaller extents.
    plan.workspace = gemmWorkspace(gemm) + (4 * p.depth * p.batches + call.threads() * (4 * kStripe + p.depth)) * 4;
    plan.run = [=](const Buffers& b) {
        const MatrixSource left(p.type, b.inputs[0], p.rowStrideA, p.depthStrideA, p.firstA.data());
        const MatrixSource right(p.type, b.inputs[1], p.columnStrideB, p.depthStrideB, p.firstB.data());
        runGemm(gemm, left, right, nullptr, 0, 1, b.outputs[0], b.workspace);
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addMatmul(KernelTable& table) {
    table.add({.op = "matmul",
               .minInputs = 2,
               .maxInputs = 2,
               .types = kVectorFloats,
               .plan = planMatmul,
               .check = requireSameTypes});
}

} // namespace tenon::cpu
