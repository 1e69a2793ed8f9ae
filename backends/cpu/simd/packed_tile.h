// The innermost product with packed weights: a few rows by one panel of columns, summed in registers, while the panel that comes next is fetched.
//
// Who uses it: products with constant weights of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::cpu {

// c[r * cRow + n] = start + sum over k of a[r * aRow + k] * b[k * bRow + n], n over the columns of the tile. Where a and c are images with channels
// in blocks, k / aDepth * aBlock + k % aDepth takes the place of k in a, and the tile's vectors of columns lie cVector apart in c.
struct PackedProduct {
    const float* a;
    int64_t aRow;
    const float* b;
    int64_t bRow;
    int64_t depth;
    float* c;
    int64_t cRow;
    bool continues = false;       // start with what is in c
    const float* start = nullptr; // else with these, one for each column; null: zero
    // What to fetch meanwhile, `lines` lines of 64 bytes in each four steps of the depth until all are there.
    const char* next = nullptr;
    const char* nextEnd = nullptr;
    int64_t lines = 4;
    int64_t aDepth = 0; // 0: all of the depth
    int64_t aBlock = 0;
    int64_t cVector = 0; // 0: one behind the other
    bool isCut = false;  // what is written is cut to [low, high]
    float low = 0;
    float high = 0;
    int64_t columns = 0; // that are read where sums continue, and written; 0: all
    bool isNear = false; // c is in the first-level cache or near it: nothing to fetch
};

struct PackedTile {
    int64_t rows = 0; // at most
    int64_t columns = 0;
    void (*run)(int64_t rows, const PackedProduct& product) = nullptr;
    // Any number of rows, for products of small depth, which are done before a caller has told of the next one. What is fetched goes on from tile to
    // tile.
    void (*runAll)(int64_t rows, const PackedProduct& product) = nullptr;
};

struct PackedTiles {
    PackedTile wide;   // as many columns as a panel
    PackedTile narrow; // half as many, for what is left of a row
    PackedTile thin;   // one vector of columns
    PackedTile paired; // one and a half, of plain rows only; no columns: there is none
    bool writesParts;  // PackedProduct::columns may be less than a tile's
    int64_t lanes;     // of a vector
};

const PackedTiles& packedTiles();

// Columns in whole panels.
inline int64_t wholePanels(const PackedTiles& tiles, int64_t columns) {
    return (columns + tiles.wide.columns - 1) / tiles.wide.columns * tiles.wide.columns;
}
// `bias` filled up to these with zeros, as products start with; nothing where there is none.
inline void fillPanels(const PackedTiles& tiles, const float* bias, int64_t columns, float* to) {
    if (bias != nullptr) {
        std::copy(bias, bias + columns, to);
        std::fill(to + columns, to + wholePanels(tiles, columns), 0.0F);
    }
}

// For `columns` of them, a panel's at most, in one piece.
inline const PackedTile& smallestTile(const PackedTiles& tiles, int64_t columns) {
    return columns <= tiles.thin.columns ? tiles.thin : columns <= tiles.narrow.columns ? tiles.narrow : tiles.wide;
}
// For the next columns of a row of which `left` are not done: what is left of a panel goes in two pieces where that wastes less.
inline const PackedTile& tileFor(const PackedTiles& tiles, int64_t left) {
    const int64_t both = tiles.narrow.columns + tiles.thin.columns;
    const bool isWide = left > tiles.narrow.columns && (left > both || both >= tiles.wide.columns);
    return isWide ? tiles.wide : left > tiles.thin.columns ? tiles.narrow : tiles.thin;
}
// The same where rows of a and c are plain.
inline const PackedTile& plainTileFor(const PackedTiles& tiles, int64_t left) {
    if (left == tiles.narrow.columns + tiles.paired.columns) {
        return tiles.narrow;
    }
    return left == tiles.paired.columns ? tiles.paired : tileFor(tiles, left);
}

// For images with channels in blocks: a panel is two vectors of channels, or one of the wider where vectors are short, so that it lies in one block
// or in whole ones.
const PackedTile& imageTile();

} // namespace tenon::cpu
