// matmul_integer and conv_integer: bytes less their zero points as words of 16 bits, rows of the left operand by panels of columns of the right one.
#include "backends/common/contraction.h"
#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/common/window.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/word_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = WordProduct::kColumns;
constexpr int64_t kStep = WordProduct::kStep;
// Panels that share lines of a matrix; steps of the depth that are packed, and multiplied, at a time.
constexpr int64_t kGroup = 8;
constexpr int64_t kPackedSteps = 2;
constexpr int64_t kChunkSteps = 32; // for few rows
constexpr int64_t kChunkWords = kChunkSteps * kColumns * kStep;
constexpr int64_t kTotals = WordRows::kFewest * kColumns; // sums of a panel for few rows
// Sums of a group and of a panel, and pieces of the group's panels; for many rows, sums of a panel.
constexpr int64_t kBytesForFew = (kGroup + 1) * kTotals * 4 + kGroup * kChunkWords * 2;
constexpr int64_t kBytesForMany = WordRows::kMost * kColumns * 4;
constexpr int64_t kGroupBytes = std::max(kBytesForFew, kBytesForMany);

// An operand of bytes and its zero points: none, one for all or one for each of so many.
class Bytes {
public:
    Bytes(const Call& call, size_t operand, size_t zeros, int64_t count)
        : mOperand(operand), mZeros(zeros), mIsSigned(call.in(operand).dtype == TN_I8) {
        if (!call.has(zeros)) {
            return;
        }
        mZeroCount = call.in(zeros).elements;
        mZeroIsSigned = call.in(zeros).dtype == TN_I8;
        if (mZeroCount != 1 && mZeroCount != count) {
            invalid(call.op(), " with ", mZeroCount, " zero points for ", count);
        }
    }

    bool isSigned() const { return mIsSigned; }
    bool hasManyZeros() const { return mZeroCount > 1; }
    const uint8_t* data(const Buffers& b) const { return b.in<uint8_t>(mOperand); }
    int16_t number(uint8_t code) const { return mIsSigned ? static_cast<int8_t>(code) : int16_t{code}; }
    int16_t zero(const Buffers& b, int64_t i) const {
        if (mZeroCount == 0) {
            return 0;
        }
        const uint8_t code = b.in<uint8_t>(mZeros)[mZeroCount == 1 ? 0 : i];
        return mZeroIsSigned ? static_cast<int8_t>(code) : int16_t{code};
    }

private:
    size_t mOperand;
    size_t mZeros;
    bool mIsSigned;
    int64_t mZeroCount = 0;
    bool mZeroIsSigned = false;
};

// What one product has: rows by columns of sums, `depth` products each.
struct Extents {
    int64_t rows = 0;
    int64_t depth = 0;
    int64_t columns = 0;
    int threads = 1;

    int64_t words() const { return roundUp(depth, kStep); } // of a row
    int64_t panels() const { return (columns + kColumns - 1) / kColumns; }
    int64_t panelWords() const { return words() * kColumns; }
    int64_t columnsOf(int64_t panel) const { return std::min(kColumns, columns - panel * kColumns); }
    int64_t rowsAtOnce() const { return WordRows::atOnce(words()); }
    int64_t team() const {
        return teamFor(threads, std::max<int64_t>(1, (rows + WordRows::kFewest - 1) / WordRows::kFewest),
                       columns * depth);
    }
    // One tile's rows: every word of the right operand is used once, so that packing all of it would be most of the work.
    bool isFew() const { return rows <= WordRows::kFewest; }
    // Of a thread: what a group of panels needs, and rows as words. No less where an extent rises, nor is all.
    int64_t memberBytes() const {
        return kGroupBytes + (isFew() ? WordRows::kFewest * words() * 2 : WordRows::bytesAtOnce(words()));
    }
    // The right operand's panels, but for few rows, then each thread's.
    int64_t panelBytes() const { return isFew() ? 0 : panels() * panelWords() * 2; }
    int64_t workspace() const { return panelBytes() + threads * memberBytes(); }
};

// Columns of a matrix whose elements lie so far apart, with their zero points, as a panel.
struct Columns {
    const uint8_t* from = nullptr;
    int64_t depthApart = 0;
    int64_t columnApart = 0;
    int64_t depth = 0;
    int64_t count = 0;
    const Bytes* bytes = nullptr;
    int16_t zeros[kColumns] = {};

    void pack(int64_t step, int64_t steps, int16_t* to) const {
        const bool areRows = columnApart == 1 && count == kColumns;
        const int64_t packed = areRows ? std::clamp<int64_t>(depth / kStep - step, 0, steps) : 0;
        const int64_t first = step * kStep;
        wordTile().pack(from + first * depthApart, depthApart, packed, bytes->isSigned(), &zeros[0], to);
        for (int64_t k = packed * kStep; k < steps * kStep; ++k) {
            for (int64_t c = 0; c < kColumns; ++c) {
                const bool isThere = first + k < depth && c < count;
                to[(k / kStep * kColumns + c) * kStep + k % kStep] =
                    isThere ? static_cast<int16_t>(bytes->number(from[(first + k) * depthApart + c * columnApart]) -
                                                   zeros[c])
                            : int16_t{0};
            }
        }
    }
};

// Packs the first panels of a group, steps [step, step + steps), each panel's behind `apart` words: a few rows of the matrix at a time, so that the lines that
// panels share are in the first-level cache for all of them, even where rows are a power of two apart.
void packGroup(const Columns (&columns)[kGroup], int64_t count, int64_t step, int64_t steps, int64_t apart,
               int16_t* to) {
    for (int64_t at = 0; at < steps; at += kPackedSteps) {
        for (int64_t each = 0; each < count; ++each) {
            columns[each].pack(step + at, std::min(kPackedSteps, steps - at),
                               to + each * apart + at * kColumns * kStep);
        }
    }
}

// Rows as words from row `first` on.
template <class Gather>
void gatherRows(const Extents& e, const Gather& gather, int64_t first, int64_t count, int16_t* to) {
    for (int64_t i = 0; i < count; ++i, to += e.words()) {
        gather(first + i, to);
        std::fill(to + e.depth, to + e.words(), int16_t{0});
    }
}

template <class Gather, class Right, class Write>
void multiplyFew(const Extents& e, void* workspace, const Gather& gather, const Right& right, const Write& write) {
    const int64_t groups = (e.panels() + kGroup - 1) / kGroup;
    parallelTeam(teamFor(e.threads, groups, e.panelWords()), groups, [&](int64_t member, int64_t begin, int64_t end) {
        auto* const totals = reinterpret_cast<int32_t*>(static_cast<char*>(workspace) + member * e.memberBytes());
        int32_t* const sums = totals + kGroup * kTotals;
        auto* const panel = reinterpret_cast<int16_t*>(sums + kTotals);
        int16_t* const rows = panel + kGroup * kChunkWords;
        gatherRows(e, gather, 0, e.rows, rows);
        for (int64_t group = begin; group < end; ++group) {
            const int64_t first = group * kGroup;
            const int64_t last = std::min(first + kGroup, e.panels());
            Columns columns[kGroup];
            for (int64_t each = first; each < last; ++each) {
                columns[each - first] = right(each * kColumns, e.columnsOf(each));
            }
            std::fill(totals, totals + kGroup * kTotals, 0);
            for (int64_t step = 0; step < e.words() / kStep; step += kChunkSteps) {
                const int64_t steps = std::min(kChunkSteps, e.words() / kStep - step);
                packGroup(columns, last - first, step, steps, kChunkWords, panel);
                for (int64_t each = 0; each < last - first; ++each) {
                    wordTile().sums(e.rows, {rows + step * kStep, e.words(), panel + each * kChunkWords, steps, sums});
                    int32_t* const total = totals + each * kTotals;
                    for (int64_t i = 0; i < e.rows * kColumns; ++i) {
                        total[i] =
                            static_cast<int32_t>(static_cast<uint32_t>(total[i]) + static_cast<uint32_t>(sums[i]));
                    }
                }
            }
            for (int64_t each = first; each < last; ++each) {
                write(0, e.rows, each * kColumns, e.columnsOf(each), totals + (each - first) * kTotals);
            }
        }
    });
}

// gather(row, words): one row of the left operand. right(column, count): columns of the right one. write(row, rows, column, columns, sums): what was made.
template <class Gather, class Right, class Write>
void multiply(const Extents& e, void* workspace, const Gather& gather, const Right& right, const Write& write) {
    if (e.isFew()) {
        multiplyFew(e, workspace, gather, right, write);
        return;
    }
    auto* const panels = static_cast<int16_t*>(workspace);
    char* const members = static_cast<char*>(workspace) + e.panelBytes();
    const int64_t steps = e.words() / kStep;
    parallelTeam(teamFor(e.threads, e.panels(), e.panelWords()), e.panels(), [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t first = begin; first < end; first += kGroup) {
            const int64_t last = std::min(first + kGroup, end);
            Columns columns[kGroup];
            for (int64_t each = first; each < last; ++each) {
                columns[each - first] = right(each * kColumns, e.columnsOf(each));
            }
            packGroup(columns, last - first, 0, steps, e.panelWords(), panels + first * e.panelWords());
        }
    });
    parallelTeam(e.team(), e.rows, [&](int64_t member, int64_t begin, int64_t end) {
        auto* const sums = reinterpret_cast<int32_t*>(members + member * e.memberBytes());
        auto* const rows = reinterpret_cast<int16_t*>(sums + WordRows::kMost * kColumns);
        for (int64_t row = begin; row < end; row += e.rowsAtOnce()) {
            const int64_t count = std::min(e.rowsAtOnce(), end - row);
            gatherRows(e, gather, row, count, rows);
            for (int64_t each = 0; each < e.panels(); ++each) {
                wordTile().sums(count, {rows, e.words(), panels + each * e.panelWords(), steps, sums});
                write(row, count, each * kColumns, e.columnsOf(each), sums);
            }
        }
    });
}

Columns columnsOf(const Buffers& b, const Bytes& bytes, int64_t firstZero, int64_t count) {
    Columns columns;
    columns.bytes = &bytes;
    columns.count = count;
    for (int64_t c = 0; c < count; ++c) {
        columns.zeros[c] = bytes.zero(b, firstZero + c);
    }
    return columns;
}

Plan planMatmulInteger(const Call& call) {
    kernels::MatrixProduct m = kernels::matrixProductOf(call);
    const Bytes left(call, 0, 2, m.rows);
    const Bytes right(call, 1, 3, m.columns);
    int64_t batches = product(m.batch);
    // One matrix on the right for all on the left, which lie behind one another: one tall product, and one packing.
    const bool isShared = std::all_of(m.batchB.begin(), m.batchB.end(), [](int64_t apart) { return apart == 0; });
    const bool isDense = m.aColumn == 1 && m.aRow == m.depth && call.in(0).elements == batches * m.rows * m.depth;
    if (batches > 1 && isShared && isDense && !left.hasManyZeros()) {
        m.rows *= batches;
        m.batch.clear();
        batches = 1;
    }
    const Extents e{m.rows, m.depth, m.columns, call.threads()};
    Plan plan;
    plan.workspace = e.workspace();
    plan.run = [=](const Buffers& b) {
        for (int64_t batch = 0; batch < batches; ++batch) {
            const kernels::MatrixProduct::Place first = m.firstOf(batch);
            const uint8_t* const x = left.data(b) + first.a;
            const uint8_t* const w = right.data(b) + first.b;
            int32_t* const y = b.out<int32_t>() + batch * m.rows * m.columns;
            multiply(
                e, b.workspace,
                [&](int64_t row, int16_t* to) {
                    const int16_t zero = left.zero(b, row);
                    const uint8_t* const from = x + row * m.aRow;
                    if (m.aColumn == 1) {
                        wordTile().widen(from, 1, m.depth, m.depth, left.isSigned(), zero, to);
                        return;
                    }
                    for (int64_t k = 0; k < m.depth; ++k) {
                        to[k] = static_cast<int16_t>(left.number(from[k * m.aColumn]) - zero);
                    }
                },
                [&](int64_t column, int64_t count) {
                    Columns columns = columnsOf(b, right, column, count);
                    columns.from = w + column * m.bColumn;
                    columns.depthApart = m.bRow;
                    columns.columnApart = m.bColumn;
                    columns.depth = m.depth;
                    return columns;
                },
                [&](int64_t row, int64_t rows, int64_t column, int64_t columns, const int32_t* sums) {
                    for (int64_t r = 0; r < rows; ++r) {
                        std::copy_n(sums + r * kColumns, columns, y + (row + r) * m.columns + column);
                    }
                });
        }
        return Code::kOk;
    };
    return plan;
}

// Where a tap of a window lies in an image; -1: outside.
int64_t placeOf(const Window& window, const Dims& strides, int64_t output, int64_t tap) {
    int64_t place = 0;
    for (size_t d = window.rank(); d-- > 0;) {
        const int64_t at = output % window.output[d] * window.strides[d] +
                           tap % window.kernel[d] * window.dilations[d] - window.padBegin[d];
        if (at < 0 || at >= window.input[d]) {
            return -1;
        }
        place += at * strides[d];
        output /= window.output[d];
        tap /= window.kernel[d];
    }
    return place;
}

Plan planConvInteger(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    const int64_t groups = call.intOr("group", 1);
    if (w.size() < 3 || x.size() != w.size() || groups < 1 || w[0] % groups != 0 || w[1] * groups != x[1]) {
        invalid("conv_integer of shape ", shapeText(x), " with weights ", shapeText(w), " in ", groups, " groups");
    }
    const Window window = windowOf(call, Dims(w.begin() + 2, w.end()));
    const Bytes image(call, 0, 2, 1);
    const Bytes weights(call, 1, 3, w[0]);
    const int64_t channels = w[1];
    const int64_t outputs = w[0] / groups;
    const int64_t taps = window.taps();
    const int64_t pixels = product(window.input);
    const int64_t batch = x[0];
    const Dims strides = rowMajorStrides(window.input);
    const Extents e{product(window.output), channels * taps, outputs, call.threads()};
    Plan plan;
    plan.workspace = e.workspace();
    plan.run = [=](const Buffers& b) {
        const int16_t imageZero = image.zero(b, 0);
        for (int64_t item = 0; item < batch * groups; ++item) {
            const int64_t firstOutput = item % groups * outputs;
            const uint8_t* const from = image.data(b) + item * channels * pixels;
            const uint8_t* const rows = weights.data(b) + firstOutput * e.depth;
            int32_t* const y = b.out<int32_t>() + item * outputs * e.rows;
            multiply(
                e, b.workspace,
                [&](int64_t row, int16_t* to) {
                    for (int64_t t = 0; t < taps; ++t) {
                        const int64_t place = placeOf(window, strides, row, t);
                        for (int64_t c = 0; c < channels; ++c) {
                            to[c * taps + t] =
                                place < 0 ? int16_t{0}
                                          : static_cast<int16_t>(image.number(from[c * pixels + place]) - imageZero);
                        }
                    }
                },
                [&](int64_t column, int64_t count) {
                    Columns columns = columnsOf(b, weights, firstOutput + column, count);
                    columns.from = rows + column * e.depth;
                    columns.depthApart = 1;
                    columns.columnApart = e.depth;
                    columns.depth = e.depth;
                    return columns;
                },
                [&](int64_t row, int64_t count, int64_t column, int64_t columns, const int32_t* sums) {
                    for (int64_t c = 0; c < columns; ++c) {
                        for (int64_t r = 0; r < count; ++r) {
                            y[(column + c) * e.rows + row + r] = sums[r * kColumns + c];
                        }
                    }
                });
        }
        return Code::kOk;
    };
    return plan;
}

void checkBytes(const module::NodeView& node) {
    for (const int32_t i : {1, 2, 3}) {
        requireType(node, i, maskOf(TN_I8) | maskOf(TN_U8));
    }
}

} // namespace

void addIntegerProducts(KernelTable& table) {
    const TypeMask bytes = maskOf(TN_I8) | maskOf(TN_U8);
    table.add({.op = "matmul_integer",
               .minInputs = 2,
               .maxInputs = 4,
               .types = bytes,
               .output = OutputRule::kAny,
               .plan = planMatmulInteger,
               .check = checkBytes});
    table.add({.op = "conv_integer",
               .minInputs = 2,
               .maxInputs = 4,
               .types = bytes,
               .output = OutputRule::kAny,
               .plan = planConvInteger,
               .check = checkBytes});
}

} // namespace tenon::cpu
