// A block of queries against all keys of its head, in rows: keys and values of a head are packed once, scores of the block lie in the cache until the weights
// have met the values.
#include "backends/cpu/ops/brain_attention.h"

#include "backends/common/parallel.h"
#include "backends/cpu/simd/attention_tile.h"
#include "backends/cpu/simd/brain_tile.h"

#include <algorithm>
#include <cmath>

namespace tenon::cpu {

namespace {

constexpr int64_t kRows = BrainProduct::kRows;
constexpr int64_t kColumns = BrainProduct::kColumns;
constexpr int64_t kDepth = BrainProduct::kDepth;

int64_t padded(int64_t extent) { return (extent + kDepth - 1) / kDepth * kDepth; }

// What one thread has for itself.
struct Scratch {
    float* scores;  // [kRows][padded keys]
    float* offsets; // [padded keys]
    float* result;  // [kRows][kColumns]
    float* factors; // [kRows]
    float* zeros;   // [kColumns]
    uint16_t* weights;
    uint16_t* queries; // where the depth is not whole steps
    uint16_t* keys;    // panels of keys
    uint16_t* values;  // panels of columns
};

class BrainAttention {
public:
    BrainAttention(const AttentionShape& shape, int threads)
        : mShape(shape), mTile(*brainTile()), mThreads(threads), mKeys(padded(shape.keys)), mDepth(padded(shape.depth)),
          mWidth(padded(shape.width)) {}

    int64_t workspace() const { return scratchSize() * mThreads; }

    void run(const Buffers& b) const {
        const int64_t blocks = (mShape.rows + kRows - 1) / kRows;
        const int64_t items = mShape.batches * mShape.heads * blocks;
        const int64_t team =
            teamFor(mThreads, items, kRows * mShape.keys * (mShape.depth + mShape.width + 64) / 64 + 1);
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            const Scratch scratch = scratchOf(static_cast<char*>(b.workspace) + member * scratchSize());
            std::fill(scratch.zeros, scratch.zeros + kColumns, 0.0F);
            mTile.begin(mShape.rows);
            int64_t last = -1;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t head = item / blocks % mShape.heads;
                const int64_t batch = item / (blocks * mShape.heads);
                const int64_t shared = batch * std::max<int64_t>(mShape.sharedHeads, 1) + head / mShape.group();
                if (shared != last) {
                    pack(b, batch, head / mShape.group(), scratch);
                    last = shared;
                }
                const int64_t block = item % blocks;
                const int64_t row = mShape.rows * block / blocks;
                runBlock(b, batch, head, row, mShape.rows * (block + 1) / blocks - row, scratch);
            }
            mTile.end();
        });
    }

private:
    // Bytes; each part begins a line.
    template <class Visit>
    void visitParts(Visit&& visit) const {
        visit(&Scratch::scores, kRows * mKeys);
        visit(&Scratch::offsets, mKeys);
        visit(&Scratch::result, kRows * kColumns);
        visit(&Scratch::factors, kRows);
        visit(&Scratch::zeros, kColumns);
        visit(&Scratch::weights, kRows * mKeys);
        visit(&Scratch::queries, kRows * mDepth);
        visit(&Scratch::keys, mKeys * mDepth);
        visit(&Scratch::values, mKeys * mWidth);
    }
    template <class Part>
    static int64_t bytesOf(Part* Scratch::*, int64_t count) {
        return (count * static_cast<int64_t>(sizeof(Part)) + 63) / 64 * 64;
    }
    int64_t scratchSize() const {
        int64_t bytes = 0;
        visitParts([&](auto part, int64_t count) { bytes += bytesOf(part, count); });
        return bytes;
    }
    Scratch scratchOf(char* from) const {
        Scratch scratch{};
        visitParts([&](auto part, int64_t count) {
            scratch.*part = reinterpret_cast<std::remove_reference_t<decltype(scratch.*part)>>(from);
            from += bytesOf(part, count);
        });
        return scratch;
    }

    void pack(const Buffers& b, int64_t batch, int64_t head, const Scratch& scratch) const {
        const AttentionStrides& k = mShape.k;
        const auto* const keys = b.in<uint16_t>(1) + k.at(batch, head, 0);
        for (int64_t j = 0; j < mShape.keys; j += kColumns) {
            const int64_t count = std::min(kColumns, mShape.keys - j);
            // Keys are the columns of scores: rows of the tensor, unless that is transposed.
            const auto packKeys = k.element == 1 ? mTile.packColumns : mTile.packRows;
            packKeys(keys + j * k.row, k.element == 1 ? k.row : k.element, mShape.depth, count, mDepth,
                     scratch.keys + j * mDepth);
        }
        const auto* const values = b.in<uint16_t>(2) + mShape.v.at(batch, head, 0);
        for (int64_t e = 0; e < mShape.width; e += kColumns) {
            mTile.packRows(values + e, mShape.v.row, mShape.keys, std::min(kColumns, mShape.width - e), mKeys,
                           scratch.values + e * mKeys);
        }
    }

    // Whole steps of queries, filled up with zeros if they have to be.
    BrainProduct queriesOf(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t count,
                           const Scratch& scratch) const {
        BrainProduct product;
        product.a = b.in<uint16_t>(0) + mShape.q.at(batch, head, row);
        product.aRow = mShape.q.row;
        product.steps = mDepth / kDepth;
        product.start = scratch.zeros;
        if (mShape.depth != mDepth) {
            for (int64_t r = 0; r < count; ++r) {
                uint16_t* const to = scratch.queries + r * mDepth;
                std::copy_n(product.a + r * product.aRow, mShape.depth, to);
                std::fill(to + mShape.depth, to + mDepth, uint16_t{0});
            }
            product.a = scratch.queries;
            product.aRow = mDepth;
        }
        return product;
    }

    void runBlock(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t count,
                  const Scratch& scratch) const {
        const int64_t keys = mShape.causal ? std::min(mShape.keys, row + count) : mShape.keys;
        BrainProduct scores = queriesOf(b, batch, head, row, count, scratch);
        scores.cRow = mKeys;
        for (int64_t j = 0; j < keys; j += kColumns) {
            scores.b = scratch.keys + j * mDepth;
            scores.c = scratch.scores + j;
            mTile.run(count, scores);
        }
        for (int64_t r = 0; r < count; ++r) {
            weigh(b, batch, head, row, r, mShape.causal ? std::min(keys, row + r + 1) : keys, padded(keys), scratch);
        }
        BrainProduct sums;
        sums.a = scratch.weights;
        sums.aRow = mKeys;
        sums.steps = padded(keys) / kDepth;
        sums.start = scratch.zeros;
        sums.c = scratch.result;
        uint16_t* const to = b.out<uint16_t>() + mShape.y.at(batch, head, row);
        for (int64_t e = 0; e < mShape.width; e += kColumns) {
            sums.b = scratch.values + e * mKeys;
            mTile.run(count, sums);
            mTile.narrow(scratch.result, scratch.factors, count, std::min(kColumns, mShape.width - e), to + e,
                         mShape.y.row);
        }
    }

    // From the scores of one query to the weights of values.
    void weigh(const Buffers& b, int64_t batch, int64_t head, int64_t row, int64_t r, int64_t keys, int64_t wide,
               const Scratch& scratch) const {
        ScoreRow line{};
        line.scores = scratch.scores + r * mKeys;
        line.keys = keys;
        line.scale = static_cast<float>(mShape.scale);
        line.weights = scratch.weights + r * mKeys;
        line.padded = wide;
        if (mShape.hasMask) {
            line.replaces = mShape.maskType == TN_BOOL;
            line.offsets = scratch.offsets;
            // One row for all queries is read once.
            if (r == 0 || mShape.mask.row != 0) {
                const int64_t first = mShape.mask.at(batch, head, row + r);
                const int64_t count = mShape.mask.row != 0 ? keys : mShape.keys;
                for (int64_t j = 0; j < count; ++j) {
                    scratch.offsets[j] = maskAt(mShape, b, first + j * mShape.mask.element);
                }
            }
        }
        float factor = attentionTable().softmaxRow(line);
        if (mShape.nanToZero && std::isnan(factor)) {
            factor = 0;
            std::fill(line.weights, line.weights + wide, uint16_t{0});
        }
        scratch.factors[r] = factor;
    }

    AttentionShape mShape;
    const BrainTile& mTile;
    int mThreads;
    int64_t mKeys; // in whole steps, as the others
    int64_t mDepth;
    int64_t mWidth;
};

} // namespace

Plan planBrainAttention(const AttentionShape& shape, int threads) {
    const BrainAttention attention(shape, threads);
    return kernels::planOf(attention, attention.workspace(), shape.batches * shape.heads * shape.rows * shape.width);
}

} // namespace tenon::cpu
