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
    float scale;
    // Added to scaled scores; or, if they replace them, what scores become where it is not NaN. Null: none.
    const float* offsets;
    int64_t offsetKey;   // from one key to the next
    bool offsetPerQuery; // a row of offsets for each key, or one number
    bool replaces;
    int64_t firstHidden; // column c sees keys below firstHidden + c only
};

struct AttentionTable {
    int64_t columns;
    int64_t rows; // at most, of a product
    void (*product)(int64_t rows, const TileProduct& tile);
    // Scores become e^(score - largest), and `factors` what each column is to be multiplied with to sum to one.
    void (*softmax)(const ScoreBlock& block, float* factors);
};

const AttentionTable& attentionTable();

// No instruction set has more.
inline constexpr int64_t kMostQueryColumns = 128;

} // namespace tenon::cpu
