// The innermost product of bf16 of windows: positions of an image in memory times a panel of 32 columns, summed in f32 over the taps of a window and the
// channels of each, finished and written as bf16.
//
// Who uses it: the convolutions and deconvolutions of the cpu backend in bf16. There is one for processors with matrix registers (AMX) and one for those that add two
// products of bf16 in one instruction (AVX-512 BF16). What it must not know: ops, tensors, layouts, threads.
#pragma once

#include <cstdint>

namespace tenon::cpu {

struct WindowProduct {
    static constexpr int64_t kColumns = 32; // of a panel
    static constexpr int64_t kRows =
        32; // positions of a tile of matrix registers: so many may be read behind the last one

    const uint16_t* a = nullptr;   // the first position
    int64_t aPixel = 0;            // from a position to the next
    const int64_t* taps = nullptr; // where the taps lie from a position on
    int64_t tapCount = 0;
    int64_t depth = 0;           // channels of a tap
    const uint16_t* b = nullptr; // [taps][depth / 2][columns][2]
    const char* next = nullptr;  // fetched meanwhile
    int64_t nextBytes = 0;

    int64_t positions = 0;
    const int32_t* where = nullptr; // the pixel of each position's result; negative: it has none
    uint16_t* c = nullptr;
    int64_t cPixel = 0;
    int64_t columns = kColumns;    // that are written
    const float* start = nullptr;  // added to each column
    const uint16_t* sum = nullptr; // added to each result, laid out as c; null: nothing
    float low = 0;                 // results are cut to [low, high]
    float high = 0;
    // Of each `count` sums, start included, before `sum` is added; null: nothing.
    void (*function)(const void* context, float* sums, int64_t count) = nullptr;
    const void* context = nullptr;
};

struct WindowTile {
    // Bytes of scratch that a thread needs, aligned to a line of the cache: for sums of two tiles.
    static constexpr int64_t kScratch =
        2 * WindowProduct::kRows * WindowProduct::kColumns * static_cast<int64_t>(sizeof(float));

    // The channels of a tap that matrix registers multiply at a time: they divide `depth` and are even. 0: there are no such ones, and the product is left
    // to others with vectors as well, which take two at a time.
    static int64_t step(int64_t depth);
    int64_t products; // that take as long as an operation of vectors of f32
    // Before a thread's first product and after its last one.
    void (*begin)(int64_t step);
    void (*end)();
    void (*run)(const WindowProduct& product, int64_t step, float* scratch);
    // `count` pieces of `bytes`, each so far from the one before it.
    void (*copy)(const char* from, int64_t fromNext, char* to, int64_t toNext, int64_t bytes, int64_t count);
    // Pixels of three or four planes to [count][4]; null: zeros.
    void (*interleave)(const float* const (&planes)[4], int64_t count, uint16_t* to);
};

// Null where the processor, or the system for matrix registers, does not have what it takes: there is one wherever brain_tile.h has one.
const WindowTile* matrixWindowTile();
const WindowTile* vectorWindowTile();
// The faster one.
const WindowTile* windowTile();

} // namespace tenon::cpu
