// The innermost product of bf16 with packed weights: a block of rows by one panel of columns, summed in f32.
//
// Who uses it: products and attention of the cpu backend in bf16. There is one for processors with matrix registers (AMX) and one for those that add two products of bf16 in one
// instruction (AVX-512 BF16). What it must not know: ops, tensors, layouts.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// c[r * cRow + n] = start[n] + sum over k of a[r * aRow + k] * b[k / 2][n][k % 2], kDepth of the depth in each step.
struct BrainProduct {
    static constexpr int64_t kRows = 32; // of a block, at most
    static constexpr int64_t kColumns = 32;
    static constexpr int64_t kDepth = 32;

    const uint16_t* a = nullptr;
    int64_t aRow = 0;
    const uint16_t* b = nullptr;
    int64_t steps = 0;
    // One more step, where the depth is no whole number of them: [rows][kDepth] and [kDepth / 2][kColumns][2], with zeros at their ends. Null: none.
    const uint16_t* aRest = nullptr;
    const uint16_t* bRest = nullptr;
    const float* start = nullptr; // null: what is in c
    float* c = nullptr;
    int64_t cRow = kColumns;
    const char* next = nullptr; // what to fetch meanwhile, `lines` lines of 64 bytes in each step
    int64_t lines = 0;
};

// Blocks have up to kRows rows, and at least as many as `begin` was told, or 16.
struct BrainTile {
    // On the thread that then runs products, which ends them before anything else uses the matrix registers.
    void (*begin)(int64_t rows);
    void (*run)(int64_t rows, const BrainProduct& product);
    void (*end)();
    // Rows of a tensor to those of a block and back, each row times its factor (null: one); columns that the tensor lacks are zero in the block.
    void (*widen)(const uint16_t* from, int64_t fromRow, int64_t rows, int64_t columns, float* to);
    void (*narrow)(const float* from, const float* factors, int64_t rows, int64_t columns, uint16_t* to, int64_t toRow);
    // A panel of up to kColumns columns, from a matrix that has them as columns, or as rows of `depth` elements: [paddedDepth / 2][kColumns][2], with
    // zeros for what the matrix lacks. paddedDepth: a multiple of kDepth.
    void (*packRows)(const uint16_t* from, int64_t fromRow, int64_t depth, int64_t columns, int64_t paddedDepth,
                     uint16_t* to);
    void (*packColumns)(const uint16_t* from, int64_t fromRow, int64_t depth, int64_t columns, int64_t paddedDepth,
                        uint16_t* to);
};

// Null where the processor, or the system for matrix registers, does not have what it takes.
const BrainTile* matrixBrainTile();
const BrainTile* vectorBrainTile();
// The faster one.
const BrainTile* brainTile();

} // namespace tenon::cpu
