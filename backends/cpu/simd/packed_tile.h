// The innermost product with packed weights: a few rows by one panel of columns, summed in registers, while the panel that comes next is fetched.
//
// Who uses it: products with constant weights of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// c[r * cRow + n] = start + sum over k of a[r * aRow + k] * b[k * bRow + n], n over the columns of the tile.
struct PackedProduct {
    const float* a;
    int64_t aRow;
    const float* b;
    int64_t bRow;
    int64_t depth;
    float* c;
    int64_t cRow;
    bool continues;     // start with what is in c
    const float* start; // else with these, one for each column; null: zero
    const char* next;   // what to fetch meanwhile, `lines` lines of 64 bytes for each four of the depth
    int64_t lines;
};

struct PackedTile {
    int64_t rows; // at most
    int64_t columns;
    void (*run)(int64_t rows, const PackedProduct& product);
};

struct PackedTiles {
    PackedTile wide;   // as many columns as a panel
    PackedTile narrow; // half as many, for what is left of a row
};

const PackedTiles& packedTiles();

} // namespace tenon::cpu
