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
    mOuterStrides.resize(2);
    for (size_t d = 0; d + 1 < rank; ++d) {
        if (d == partner) {
            mRows = loop.dims[d];
            mRowStrides[0] = loop.strides[0][d];
            mRowStrides[1] = loop.strides[1][d];
            continue;
        }
        mOuterDims.push_back(loop.dims[d]);
        mOuterStrides[0].push_back(loop.strides[0][d]);
        mOuterStrides[1].push_back(loop.strides[1][d]);
    }
    mTeam = teamFor(threads, product(mOuterDims) * mRows, mColumns);
}

template <class T>
void PreparedCopy::runTyped(const T* from, T* to) const {
    const int64_t outer = product(mOuterDims);
    // Work is shared out in rows of any outer loop.
    parallelTeam(mTeam, outer * mRows, [&](int64_t, int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t row = begin % mRows;
            const int64_t rows = std::min(mRows - row, end - begin);
            int64_t rest = begin / mRows;
            int64_t target = mFirstTo + row * mRowStrides[0];
            int64_t source = mFirstFrom + row * mRowStrides[1];
            for (size_t d = mOuterDims.size(); d-- > 0;) {
                target += rest % mOuterDims[d] * mOuterStrides[0][d];
                source += rest % mOuterDims[d] * mOuterStrides[1][d];
                rest /= mOuterDims[d];
            }
            begin += rows;
            T* t = to + target;
            const T* s = from + source;
            if (mColumnStrides[0] == 1 && mColumnStrides[1] == 1) {
                for (int64_t r = 0; r < rows; ++r) {
                    std::memcpy(t + r * mRowStrides[0], s + r * mRowStrides[1],
                                static_cast<size_t>(mColumns) * sizeof(T));
                }
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
        }
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
