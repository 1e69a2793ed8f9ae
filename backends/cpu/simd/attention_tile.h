// The inner loops of attention: products whose operands lie as they are, and softmax down the columns of a block of scores.
//
// Who uses it: attention of the cpu backend. The functions exist once per instruction set. A block of scores has a row for each key and a column
// for each of `columns` queries, so that softmax needs no sum across a vector and the probabilities need not be turned round before
// they meet the values. What it must not know: tensors, ops.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// c[r * cRow + n] = factors[r] * sum over k of a[r * aRow + k * aDepth] * b[k * bDepth + n], n over all columns of the tile.
struct TileProduct {
    const float* a;
    int64_t aRow;
    int64_t aDepth;
    const float* b;
    int64_t bDepth;
    int64_t depth;
    float* c;
    int64_t cRow;
    const float* factors; // null: 1
};

struct ScoreBlock {
    float* scores; // keys x columns
    int64_t keys;
    int64_t columns; // of a tile
    float scale;
    // Added to scaled scores; or, if they replace them, what scores become where it is not NaN. Null: none.
    const float* offsets;
    int64_t offsetKey;   // from one key to the next
    bool offsetPerQuery; // a row of offsets for each key, or one number
    bool replaces;
    int64_t firstHidden; // column c sees keys below firstHidden + c only
};

// The scores of one query, in a row.
struct ScoreRow {
    float* scores;
    int64_t keys; // that it sees
    float scale;
    const float* offsets; // as those of a block, one for each key
    bool replaces;
    uint16_t* weights; // e^(score - largest) as bf16
    int64_t padded;    // scores and weights are so many, in whole vectors: those behind `keys` become zero
};

// Products of up to `rows` rows with `columns` columns.
struct AttentionTile {
    int64_t columns;
    int64_t rows;
    void (*product)(int64_t rows, const TileProduct& tile);
};

struct AttentionTable {
    AttentionTile narrow; // two vectors of columns
    AttentionTile wide;   // more of them, where there are registers for it: better where columns fill them
    // Scores become e^(score - largest), and `factors` what each column is to be multiplied with to sum to one.
    void (*softmax)(const ScoreBlock& block, float* factors);
    // What the weights are to be multiplied with to sum to one; zero where there are no keys.
    float (*softmaxRow)(const ScoreRow& row);

    // The tile for so many columns: the wide one unless it leaves more of itself empty.
    const AttentionTile& tileFor(int64_t columns) const {
        const int64_t inWide = (columns + wide.columns - 1) / wide.columns * wide.columns;
        const int64_t inNarrow = (columns + narrow.columns - 1) / narrow.columns * narrow.columns;
        return inWide * 8 <= inNarrow * 9 ? wide : narrow;
    }
};

const AttentionTable& attentionTable();

} // namespace tenon::cpu
