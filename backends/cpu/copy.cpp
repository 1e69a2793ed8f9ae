#include "backends/cpu/copy.h"

#include "backends/common/parallel.h"
#include "backends/common/strided.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

constexpr int64_t kTile = 16;

// to[r * toStride + c] = from[r + c * fromStride]: reads and writes stay inside a tile that the first-level cache holds.
template <class T>
void transposeTiles(const T* from, T* to, int64_t rows, int64_t columns, int64_t toStride, int64_t fromStride) {
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
        const int64_t c1 = std::min(columns, c0 + kTile);
        for (int64_t r = 0; r < rows; ++r) {
            T* target = to + r * toStride;
            const T* source = from + r;
            for (int64_t c = c0; c < c1; ++c) {
                target[c] = source[c * fromStride];
            }
        }
    }
}

// Rows of as many bytes each as a block of channels has, without a call for every row.
template <size_t kBytes, class T>
void copyRows(const T* from, T* to, int64_t rows, int64_t toStride, int64_t fromStride) {
    for (int64_t r = 0; r < rows; ++r) {
        std::memcpy(to + r * toStride, from + r * fromStride, kBytes);
    }
}

template <class T>
void copyRows(const T* from, T* to, int64_t rows, int64_t columns, int64_t toStride, int64_t fromStride) {
    const size_t bytes = static_cast<size_t>(columns) * sizeof(T);
    if (bytes == 64) {
        copyRows<64>(from, to, rows, toStride, fromStride);
    } else if (bytes == 32) {
        copyRows<32>(from, to, rows, toStride, fromStride);
    } else {
        for (int64_t r = 0; r < rows; ++r) {
            std::memcpy(to + r * toStride, from + r * fromStride, bytes);
        }
    }
}

} // namespace

PreparedCopy::PreparedCopy(const CopySpec& spec, int64_t bytes, int threads)
    : mInput(spec.input), mOutput(spec.output), mBytes(bytes), mFirstFrom(spec.from.first), mFirstTo(spec.to.first),
      mTeam(1), mEmpty(product(spec.dims) == 0), mRows(1), mColumns(1), mRowStrides{0, 0}, mColumnStrides{0, 0} {
    if (mEmpty) {
        return;
    }
    StridedLoop loop = collapse(spec.dims, {spec.to.strides, spec.from.strides});
    const size_t rank = loop.dims.size();
    // Beside the innermost loop, which walks the target in order, goes the one that walks the source in order.
    size_t partner = rank >= 2 ? rank - 2 : rank;
    if (rank >= 2 && loop.strides[1][rank - 1] != 1) {
        for (size_t d = 0; d + 1 < rank; ++d) {
            if (loop.strides[1][d] == 1) {
                partner = d;
            }
        }
    }
    mColumns = loop.dims[rank - 1];
    mColumnStrides[0] = loop.strides[0][rank - 1];
    mColumnStrides[1] = loop.strides[1][rank - 1];
    mOuter.strides.resize(2);
    for (size_t d = 0; d + 1 < rank; ++d) {
        if (d == partner) {
            mRows = loop.dims[d];
            mRowStrides[0] = loop.strides[0][d];
            mRowStrides[1] = loop.strides[1][d];
            continue;
        }
        mOuter.dims.push_back(loop.dims[d]);
        mOuter.strides[0].push_back(loop.strides[0][d]);
        mOuter.strides[1].push_back(loop.strides[1][d]);
    }
    mOuter.dims.push_back(1); // forRows leaves the last loop to its body
    mOuter.strides[0].push_back(0);
    mOuter.strides[1].push_back(0);
    mTeam = teamFor(threads, mOuter.rows() * mRows, mColumns);
}

template <class T>
void PreparedCopy::runTyped(const T* from, T* to) const {
    // Work is shared out in rows of any outer loop.
    parallelTeam(mTeam, mOuter.rows() * mRows, [&](int64_t, int64_t begin, int64_t end) {
        int64_t row = begin % mRows;
        forRows<2>(mOuter, begin / mRows, (end + mRows - 1) / mRows, [&](const int64_t* offsets) {
            const int64_t rows = std::min(mRows - row, end - begin);
            T* const t = to + mFirstTo + offsets[0] + row * mRowStrides[0];
            const T* const s = from + mFirstFrom + offsets[1] + row * mRowStrides[1];
            begin += rows;
            row = 0;
            if (mColumnStrides[0] == 1 && mColumnStrides[1] == 1) {
                copyRows(s, t, rows, mColumns, mRowStrides[0], mRowStrides[1]);
            } else if (mColumnStrides[0] == 1 && mColumnStrides[1] == 0) {
                for (int64_t r = 0; r < rows; ++r) {
                    std::fill_n(t + r * mRowStrides[0], mColumns, s[r * mRowStrides[1]]);
                }
            } else if (mColumnStrides[0] == 1 && mRowStrides[1] == 1) {
                for (int64_t r = 0; r < rows; r += kTile) {
                    transposeTiles(s + r, t + r * mRowStrides[0], std::min(kTile, rows - r), mColumns, mRowStrides[0],
                                   mColumnStrides[1]);
                }
            } else {
                for (int64_t r = 0; r < rows; ++r) {
                    for (int64_t c = 0; c < mColumns; ++c) {
                        t[r * mRowStrides[0] + c * mColumnStrides[0]] = s[r * mRowStrides[1] + c * mColumnStrides[1]];
                    }
                }
            }
        });
    });
}

void PreparedCopy::run(const void* from, void* to) const {
    if (mEmpty) {
        return;
    }
    switch (mBytes) {
    case 1:
        runTyped(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to));
        break;
    case 2:
        runTyped(static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to));
        break;
    case 4:
        runTyped(static_cast<const uint32_t*>(from), static_cast<uint32_t*>(to));
        break;
    default:
        runTyped(static_cast<const uint64_t*>(from), static_cast<uint64_t*>(to));
        break;
    }
}

Plan planCopies(const Call& call, const Copies& specs) {
    std::vector<PreparedCopy> copies;
    for (const CopySpec& spec : specs) {
        copies.emplace_back(spec, bytesOf(call.out(spec.output).dtype), call.threads());
    }
    return {[copies](const Buffers& b) {
                for (const PreparedCopy& copy : copies) {
                    copy.run(b.inputs[copy.input()], b.outputs[copy.output()]);
                }
                return Code::kOk;
            },
            0};
}

} // namespace tenon::cpu
