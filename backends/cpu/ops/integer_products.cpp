// matmul_integer and conv_integer: bytes less their zero points as words of 16 bits, rows of the left operand by panels of columns of the right one.
#include "backends/common/contraction.h"
#include "backends/common/integer_product.h"
#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/common/window.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/word_tile.h"

#include <algorithm>
#include <numeric>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = WordProduct::kColumns;
constexpr int64_t kStep = WordProduct::kStep;
// Panels that share lines of a matrix; steps of the depth that are packed at a time.
constexpr int64_t kGroup = 8;
constexpr int64_t kPackedSteps = 2;
// Columns of few rows that a thread makes at a time: whole lines of the matrix.
constexpr int64_t kLine = 64;
constexpr int64_t kMostColumns = 256;

// An operand of bytes and its zero points: none, one for all or one for each of so many.
class Bytes {
public:
    Bytes(const Call& call, size_t operand, size_t zeros, int64_t count)
        : mOperand(operand), mZeros(zeros), mIsSigned(call.in(operand).dtype == TN_I8),
          mZeroCount(kernels::zeroPoints(call, zeros, count)),
          mZeroIsSigned(mZeroCount > 0 && call.in(zeros).dtype == TN_I8) {}

    bool isSigned() const { return mIsSigned; }
    bool hasZeros() const { return mZeroCount > 0; }
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
    int64_t mZeroCount;
    bool mZeroIsSigned;
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
    // Of a thread: sums of a panel and rows as words.
    int64_t memberBytes() const { return WordRows::kMost * kColumns * 4 + WordRows::bytesAtOnce(words()); }
    int64_t panelBytes() const { return panels() * panelWords() * 2; } // the right operand's
    // No less where one of the extents rises.
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

// Packs the first panels of a group, each behind the one before: a few rows of the matrix at a time, so that the lines that panels share are in the
// first-level cache for all of them, even where rows are a power of two apart.
void packGroup(const Columns (&columns)[kGroup], int64_t count, int64_t steps, int16_t* to) {
    for (int64_t at = 0; at < steps; at += kPackedSteps) {
        for (int64_t each = 0; each < count; ++each) {
            columns[each].pack(at, std::min(kPackedSteps, steps - at), to + (each * steps + at) * kColumns * kStep);
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

// gather(row, words): one row of the left operand. right(column, count): columns of the right one. write(row, rows, column, columns, sums): what was made.
template <class Gather, class Right, class Write>
void multiply(const Extents& e, void* workspace, const Gather& gather, const Right& right, const Write& write) {
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
            packGroup(columns, last - first, steps, panels + first * e.panelWords());
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

// A few rows use every byte of the right operand once or thrice, so that packing it would be most of the work.
struct FewProduct {
    static bool isOne(const kernels::MatrixProduct& m) {
        return m.bColumn == 1 && m.rows <= WordRows::kFewest && m.columns >= FewRows::kAtOnce;
    }
    // No less where one of the extents rises, nor than that of fewer columns, which are packed.
    int64_t workspace() const {
        Extents packed = e;
        packed.columns = FewRows::kAtOnce - 1;
        return std::max(packed.workspace(), e.threads * memberBytes());
    }
    int64_t memberBytes() const { return WordRows::kFewest * e.words() * 2; }

    template <class Gather>
    void run(const Buffers& b, const Gather& gather, const uint8_t* w, int32_t* y) const {
        const int64_t width = std::clamp(roundUp((e.columns + e.threads - 1) / e.threads, kLine), kLine, kMostColumns);
        const int64_t blocks = (e.columns + width - 1) / width;
        parallelTeam(
            teamFor(e.threads, blocks, width * e.depth), blocks, [&](int64_t member, int64_t begin, int64_t end) {
                auto* const rows = reinterpret_cast<int16_t*>(static_cast<char*>(b.workspace) + member * memberBytes());
                gatherRows(e, gather, 0, e.rows, rows);
                const int64_t first = begin * width;
                const int64_t last = std::min(end * width, e.columns);
                for (int64_t column = first; column < last; column += width) {
                    wordTile().fewRows(e.rows, {.a = rows,
                                                .aRow = e.words(),
                                                .b = w + column,
                                                .bRow = bRow,
                                                .isSigned = right.isSigned(),
                                                .depth = e.depth,
                                                .c = y + column,
                                                .cRow = e.columns,
                                                .columns = std::min(width, last - column)});
                }
                takeZeros(b, rows, first, last, y);
            });
    }

    // a * (b - zero) = a * b - zero * a, in sums that wrap.
    void takeZeros(const Buffers& b, const int16_t* rows, int64_t first, int64_t last, int32_t* y) const {
        if (!right.hasZeros()) {
            return;
        }
        for (int64_t r = 0; r < e.rows; ++r) {
            const uint32_t sum = std::accumulate(rows + r * e.words(), rows + (r + 1) * e.words(), uint32_t{0});
            for (int64_t n = first; n < last; ++n) {
                int32_t& to = y[r * e.columns + n];
                to = static_cast<int32_t>(static_cast<uint32_t>(to) - sum * static_cast<uint32_t>(right.zero(b, n)));
            }
        }
    }

    Extents e;
    Bytes right;
    int64_t bRow = 0;
};

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
    const FewProduct few{e, right, m.bRow};
    const bool isFew = FewProduct::isOne(m);
    Plan plan;
    plan.workspace = isFew ? few.workspace() : e.workspace();
    plan.run = [=](const Buffers& b) {
        for (int64_t batch = 0; batch < batches; ++batch) {
            const kernels::MatrixProduct::Place first = m.firstOf(batch);
            const uint8_t* const x = left.data(b) + first.a;
            const uint8_t* const w = right.data(b) + first.b;
            int32_t* const y = b.out<int32_t>() + batch * m.rows * m.columns;
            const auto gather = [&](int64_t row, int16_t* to) {
                const int16_t zero = left.zero(b, row);
                const uint8_t* const from = x + row * m.aRow;
                if (m.aColumn == 1) {
                    wordTile().widen(from, 1, m.depth, m.depth, left.isSigned(), zero, to);
                    return;
                }
                for (int64_t k = 0; k < m.depth; ++k) {
                    to[k] = static_cast<int16_t>(left.number(from[k * m.aColumn]) - zero);
                }
            };
            if (isFew) {
                few.run(b, gather, w, y);
                continue;
            }
            multiply(
                e, b.workspace, gather,
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
    const int64_t groups = kernels::groupsOfIntegers(call);
    const Window window = windowOf(call, Dims(w.begin() + 2, w.end()));
    const Bytes image(call, 0, 2, 1);
    const Bytes weights(call, 1, 3, w[0]);
    const int64_t channels = w[1];
    const int64_t all = w[0]; // channels of the result
    const int64_t outputs = all / groups;
    const int64_t taps = window.taps();
    const int64_t pixels = product(window.input);
    const Dims strides = rowMajorStrides(window.input);
    // The pixels of all images are rows of one product, for which a group's weights are packed once.
    const int64_t places = product(window.output);
    const Extents e{x[0] * places, channels * taps, outputs, call.threads()};
    Plan plan;
    plan.workspace = e.workspace();
    plan.run = [=](const Buffers& b) {
        const int16_t imageZero = image.zero(b, 0);
        for (int64_t group = 0; group < groups; ++group) {
            const int64_t firstOutput = group * outputs;
            const uint8_t* const rows = weights.data(b) + firstOutput * e.depth;
            multiply(
                e, b.workspace,
                [&](int64_t row, int16_t* to) {
                    const uint8_t* const from = image.data(b) + (row / places * groups + group) * channels * pixels;
                    for (int64_t t = 0; t < taps; ++t) {
                        const int64_t place = placeOf(window, strides, row % places, t);
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
                    for (int64_t r = 0; r < count; ++r) {
                        const int64_t channel = (row + r) / places * all + firstOutput + column;
                        int32_t* const y = b.out<int32_t>() + channel * places + (row + r) % places;
                        for (int64_t c = 0; c < columns; ++c) {
                            y[c * places] = sums[r * kColumns + c];
                        }
                    }
                });
        }
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addIntegerProducts(KernelTable& table) {
    table.add(kernels::integerProduct("matmul_integer", planMatmulInteger));
    table.add(kernels::integerProduct("conv_integer", planConvInteger));
}

} // namespace tenon::cpu
