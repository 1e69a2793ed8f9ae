// attention: blocks of queries, each against all keys of its head. The scores of a block stay in the second-level cache from the product with the
// keys to the product with the values; keys and values are read where they lie, in either order of heads and positions.
#include "backends/common/attention.h"
#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/ops/brain_attention.h"
#include "backends/cpu/simd/attention_tile.h"
#include "backends/cpu/simd/brain_tile.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace tenon::cpu {

float maskAt(const kernels::AttentionShape& shape, const Buffers& b, int64_t at) {
    if (shape.maskType == TN_BOOL) {
        const bool stays = (b.in<uint8_t>(3)[at] != 0) == shape.maskKeeps;
        return stays ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(shape.fill);
    }
    float scratch = 0;
    return *readRow(shape.maskType, b.inputs[3], at, 1, &scratch);
}

namespace {

using kernels::AttentionShape;
using kernels::AttentionStrides;

// Where the loops read keys or values of one head: in the tensor, or in a copy as floats.
struct Matrix {
    const float* data = nullptr;
    int64_t row = 0;
    int64_t element = 1;
};

// What one thread has for itself; sizes in floats.
struct Scratch {
    float* query;   // one, as floats
    float* queries; // depth x columns
    float* scores;  // keys x columns
    float* offsets; // keys x columns, or keys
    float* factors; // columns
    float* keys;    // copies of 16-bit tensors
    float* values;
    float* tail;   // the last values of a row, in tiles of full width: keys x columns of a tile
    float* result; // columns x the width in full tiles
};

class Attention {
public:
    explicit Attention(const AttentionShape& shape, int threads)
        : mShape(shape), mScoreTile(attentionTable().tileFor(shape.rows)),
          mValueTile(attentionTable().tileFor(shape.width)), mColumns(mScoreTile.columns), mThreads(threads) {}

    int64_t workspace() const { return scratchSize() * mThreads * static_cast<int64_t>(sizeof(float)); }

    void run(const Buffers& b) const {
        const int64_t blocks = (mShape.rows + mColumns - 1) / mColumns;
        const int64_t items = mShape.batches * mShape.heads * blocks;
        const int64_t team = teamFor(mThreads, items, mColumns * mShape.keys * (mShape.depth + mShape.width) / 8 + 1);
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            const Scratch scratch = scratchOf(static_cast<float*>(b.workspace) + member * scratchSize());
            Matrix keys;
            Matrix values;
            int64_t last = -1;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t head = item / blocks % mShape.heads;
                const int64_t batch = item / (blocks * mShape.heads);
                const int64_t shared = batch * std::max<int64_t>(mShape.sharedHeads, 1) + head / mShape.group();
                if (shared != last) {
                    keys = keysOf(b, batch, head / mShape.group(), scratch.keys);
                    values = valuesOf(b, batch, head / mShape.group(), scratch);
                    last = shared;
                }
                runBlock(b, batch, head, item % blocks * mColumns, keys, values, scratch);
            }
        });
    }

private:
    bool isWide() const { return mShape.type == TN_F32; }
    int64_t fullWidth() const { return mShape.width / mValueTile.columns * mValueTile.columns; }
    int64_t paddedWidth() const { return roundUp(mShape.width, mValueTile.columns); }

    int64_t scratchSize() const {
        const int64_t keys = mShape.keys;
        const int64_t copies = mShape.depth + (isWide() ? 0 : keys * (mShape.depth + mShape.width));
        return mColumns * (mShape.depth + 2 * keys + 1 + paddedWidth()) + mValueTile.columns * keys + copies;
    }
    Scratch scratchOf(float* from) const {
        const auto take = [&from](int64_t count) {
            float* const at = from;
            from += count;
            return at;
        };
        const int64_t keys = mShape.keys;
        Scratch scratch{};
        scratch.query = take(mShape.depth);
        scratch.queries = take(mColumns * mShape.depth);
        scratch.scores = take(mColumns * keys);
        scratch.offsets = take(mColumns * keys);
        scratch.tail = take(mValueTile.columns * keys);
        scratch.factors = take(mColumns);
        scratch.result = take(mColumns * paddedWidth());
        scratch.keys = take(isWide() ? 0 : keys * mShape.depth);
        scratch.values = take(isWide() ? 0 : keys * mShape.width);
        return scratch;
    }

    // Rows of a tensor as floats, one after another.
    void copyRows(const void* from, int64_t first, int64_t row, int64_t rows, int64_t length, float* to) const {
        for (int64_t i = 0; i < rows; ++i) {
            const float* read = readRow(mShape.type, from, first + i * row, length, to + i * length);
            if (read != to + i * length) {
                std::copy(read, read + length, to + i * length);
            }
        }
    }

    Matrix keysOf(const Buffers& b, int64_t batch, int64_t head, float* scratch) const {
        const AttentionStrides& k = mShape.k;
        const int64_t first = k.at(batch, head, 0);
        if (isWide()) {
            return {b.in<float>(1) + first, k.row, k.element};
        }
        if (k.element == 1) {
            copyRows(b.inputs[1], first, k.row, mShape.keys, mShape.depth, scratch);
            return {scratch, mShape.depth, 1};
        }
        copyRows(b.inputs[1], first, k.element, mShape.depth, mShape.keys, scratch);
        return {scratch, 1, mShape.keys};
    }

    // The values and, where the width is no multiple of a tile's, their last columns in a tile filled up with zeros.
    Matrix valuesOf(const Buffers& b, int64_t batch, int64_t head, const Scratch& scratch) const {
        Matrix values;
        const int64_t first = mShape.v.at(batch, head, 0);
        if (isWide()) {
            values = {b.in<float>(2) + first, mShape.v.row, 1};
        } else {
            copyRows(b.inputs[2], first, mShape.v.row, mShape.keys, mShape.width, scratch.values);
            values = {scratch.values, mShape.width, 1};
        }
        const int64_t rest = mShape.width - fullWidth();
        for (int64_t j = 0; rest > 0 && j < mShape.keys; ++j) {
            const float* from = values.data + j * values.row + fullWidth();
            float* const to = scratch.tail + j * mValueTile.columns;
            std::copy(from, from + rest, to);
            std::fill(to + rest, to + mValueTile.columns, 0.0F);
        }
        return values;
    }

    // Queries as columns; those that are missing are zero.
    void packQueries(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t count,
                     const Scratch& scratch) const {
        if (count < mColumns) {
            std::fill(scratch.queries, scratch.queries + mColumns * mShape.depth, 0.0F);
        }
        for (int64_t c = 0; c < count; ++c) {
            const float* q =
                readRow(mShape.type, b.inputs[0], mShape.q.at(batch, head, row + c), mShape.depth, scratch.query);
            for (int64_t d = 0; d < mShape.depth; ++d) {
                scratch.queries[d * mColumns + c] = q[d];
            }
        }
    }

    void readMask(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t count, const Scratch& scratch,
                  ScoreBlock& block) const {
        const AttentionStrides& mask = mShape.mask;
        const int64_t first = mask.at(batch, head, row);
        block.replaces = mShape.maskType == TN_BOOL;
        block.offsetPerQuery = mask.row != 0;
        block.offsets = scratch.offsets;
        if (!block.offsetPerQuery) {
            block.offsetKey = mask.element;
            if (mShape.maskType == TN_F32) {
                block.offsets = b.in<float>(3) + first;
                return;
            }
            for (int64_t j = 0; j < (mask.element == 0 ? 1 : block.keys); ++j) {
                scratch.offsets[j] = maskAt(mShape, b, first + j * mask.element);
            }
            return;
        }
        block.offsetKey = mColumns;
        for (int64_t c = 0; c < count; ++c) {
            for (int64_t j = 0; j < block.keys; ++j) {
                scratch.offsets[j * mColumns + c] = maskAt(mShape, b, first + c * mask.row + j * mask.element);
            }
        }
        for (int64_t j = 0; count < mColumns && j < block.keys; ++j) {
            std::fill(scratch.offsets + j * mColumns + count, scratch.offsets + (j + 1) * mColumns, 0.0F);
        }
    }

    void runBlock(const Buffers& b, int64_t batch, int64_t head, int64_t row, const Matrix& keys, const Matrix& values,
                  const Scratch& scratch) const {
        const int64_t count = std::min(mColumns, mShape.rows - row);
        packQueries(b, batch, head, row, count, scratch);
        ScoreBlock block{};
        block.scores = scratch.scores;
        block.keys = mShape.causal ? std::min(mShape.keys, row + count) : mShape.keys;
        block.scale = static_cast<float>(mShape.scale);
        block.firstHidden = mShape.causal ? row + 1 : std::numeric_limits<int64_t>::max();
        block.columns = mColumns;
        for (int64_t j = 0; j < block.keys; j += mScoreTile.rows) {
            mScoreTile.product(std::min(mScoreTile.rows, block.keys - j),
                               {keys.data + j * keys.row, keys.row, keys.element, scratch.queries, mColumns,
                                mShape.depth, scratch.scores + j * mColumns, mColumns, nullptr});
        }
        if (mShape.hasMask) {
            readMask(b, batch, head, row, count, scratch, block);
        }
        attentionTable().softmax(block, scratch.factors);
        for (int64_t c = 0; c < count && mShape.nanToZero; ++c) {
            if (std::isnan(scratch.factors[c])) {
                scratch.factors[c] = 0;
                for (int64_t j = 0; j < block.keys; ++j) {
                    scratch.scores[j * mColumns + c] = 0;
                }
            }
        }
        sumValues(b, batch, head, row, count, block.keys, values, scratch);
    }

    void sumValues(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t count, int64_t keys,
                   const Matrix& values, const Scratch& scratch) const {
        const int64_t full = fullWidth();
        const int64_t padded = paddedWidth();
        const int64_t columns = mValueTile.columns;
        // Full tiles go straight to where they belong if that holds floats.
        float* const result = isWide() ? b.out<float>() + mShape.y.at(batch, head, row) : scratch.result;
        const int64_t resultRow = isWide() ? mShape.y.row : padded;
        // Rows in equal parts: 32 are 11, 11 and 10 rather than 12, 12 and 8.
        const int64_t parts = (count + mValueTile.rows - 1) / mValueTile.rows;
        for (int64_t e = 0; e < padded; e += columns) {
            const bool isTail = e >= full;
            for (int64_t part = 0; part < parts; ++part) {
                const int64_t r = count * part / parts;
                mValueTile.product(count * (part + 1) / parts - r,
                                   {scratch.scores + r, 1, mColumns, isTail ? scratch.tail : values.data + e,
                                    isTail ? columns : values.row, keys,
                                    isTail ? scratch.result + r * padded + e : result + r * resultRow + e,
                                    isTail ? padded : resultRow, scratch.factors + r});
            }
        }
        for (int64_t c = 0; c < count; ++c) {
            const float* const from = scratch.result + c * padded;
            const int64_t to = mShape.y.at(batch, head, row + c);
            if (isWide()) {
                std::copy(from + full, from + mShape.width, b.out<float>() + to + full);
            } else {
                finishRow(mShape.type, b.outputs[0], to, mShape.width, from);
            }
        }
    }

    AttentionShape mShape;
    AttentionTile mScoreTile;
    AttentionTile mValueTile;
    int64_t mColumns; // queries of a block
    int mThreads;
};

Plan planAttention(const Call& call) {
    const AttentionShape shape = kernels::attentionShapeOf(call);
    if (shape.type == TN_BF16 && brainTile() != nullptr) {
        return planBrainAttention(shape, call.threads());
    }
    const Attention attention(shape, call.threads());
    return kernels::planOf(attention, attention.workspace(), shape.batches * shape.heads * shape.rows * shape.width);
}

void check(const module::NodeView& node) {
    kernels::checkAttention(node);
    if (std::isnan(node.floatOr("fill", 0))) {
        refuse("attention whose masked scores are NaN");
    }
}

} // namespace

void addAttention(KernelTable& table) {
    table.add({.op = "attention",
               .minInputs = 3,
               .maxInputs = 4,
               .types = kVectorFloats,
               .plan = planAttention,
               .check = check});
}

} // namespace tenon::cpu
