// scatter_elements, scatter_nd: a copy of the data with updates written, or combined, at indices. Updates that meet apply in order: threads share out what
// lies beside the axis that the indices count, never the indices. An index outside fails the launch before anything is written.
#include "backends/common/scatter.h"
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"

#include <cstring>

namespace tenon::cpu {

namespace {

constexpr size_t kData = 0;
constexpr size_t kIndices = 1;
constexpr size_t kUpdates = 2;

// Calls f(combining) with what is done to an element, the usual ones without a decision for each.
template <class F>
void withCombine(Combine how, F&& f) {
    switch (how) {
    case Combine::kReplace:
        f([](auto update, auto& at) { combine(Combine::kReplace, update, at); });
        break;
    case Combine::kAdd:
        f([](auto update, auto& at) { combine(Combine::kAdd, update, at); });
        break;
    default:
        f([how](auto update, auto& at) { combine(how, update, at); });
        break;
    }
}

// So many threads of a team as neighbouring bytes give cache lines of their own to.
int64_t ownLines(int64_t team, int64_t bytes) { return std::clamp<int64_t>(bytes / 128, 1, team); }

void copyData(const Buffers& b, int64_t bytes) {
    if (bytes > 0 && b.inputs[kData] != b.outputs[0]) {
        std::memcpy(b.outputs[0], b.inputs[kData], static_cast<size_t>(bytes));
    }
}

// Lines of updates along the last dimension. An update of a line goes to where the line begins, plus its column times `column`, plus its index times `step`.
struct Lines {
    Dims updates;
    Dims strides; // of the data; 0 for the axis
    int64_t column = 0;
    int64_t step = 0;
    int64_t extent = 0; // of the axis
    TnDataType indexType = TN_I64;

    // Lines [first, last), columns [begin, end).
    template <class T, class Do>
    void run(const Buffers& b, int64_t first, int64_t last, int64_t begin, int64_t end, const Do& combining) const {
        int64_t at[TN_MAX_DIMS] = {};
        int64_t start = 0;
        for (size_t d = updates.size() - 1, rest = static_cast<size_t>(first); d-- > 0;) {
            at[d] = static_cast<int64_t>(rest) % updates[d];
            rest /= static_cast<size_t>(updates[d]);
            start += at[d] * strides[d];
        }
        const int64_t width = updates.back();
        for (int64_t line = first; line < last; ++line) {
            const T* const from = b.in<T>(kUpdates) + line * width;
            T* const to = b.out<T>() + start;
            for (int64_t i = begin; i < end; ++i) {
                const int64_t index = wrapIndex(indexAt(indexType, b.inputs[kIndices], line * width + i), extent);
                combining(from[i], to[i * column + index * step]);
            }
            for (size_t d = updates.size() - 1; d-- > 0;) {
                start += strides[d];
                if (++at[d] < updates[d]) {
                    break;
                }
                start -= updates[d] * strides[d];
                at[d] = 0;
            }
        }
    }
};

Plan planScatterElements(const Call& call) {
    const size_t axis = scatterAxisOf(call);
    const Dims& data = call.in(kData).dims;
    const Dims& updates = call.in(kUpdates).dims;
    Lines lines{updates, rowMajorStrides(data), 0, 0, data[axis], call.in(kIndices).dtype};
    lines.step = std::exchange(lines.strides[axis], 0);
    lines.column = lines.strides.back();
    const bool alongLines = axis + 1 == data.size();
    const Combine how = combineOf(call.stringOr("reduction", "none"));
    const int64_t bytes = call.in(kData).elements * bytesOf(call.in(kData).dtype);
    const int64_t count = call.in(kUpdates).elements;
    const int64_t width = updates.back();
    const int64_t items = count == 0 ? 0 : alongLines ? count / width : width;
    const int64_t wanted = items == 0 ? 1 : teamFor(call.threads(), items, count / items * 2 + 1);
    const int64_t team = alongLines ? wanted : ownLines(wanted, items * bytesOf(call.in(kData).dtype));
    return dispatchNumeric(call.in(kData).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t i = 0; i < count; ++i) {
                const int64_t index = indexAt(lines.indexType, b.inputs[kIndices], i);
                if (wrapIndex(index, lines.extent) < 0) {
                    return outside(b, "scatter_elements", index, lines.extent);
                }
            }
            copyData(b, bytes);
            if (items == 0) {
                return Code::kOk;
            }
            withCombine(how, [&](const auto& combining) {
                parallelTeam(team, items, [&](int64_t, int64_t begin, int64_t end) {
                    if (alongLines) {
                        lines.run<T>(b, begin, end, 0, width, combining);
                    } else {
                        lines.run<T>(b, 0, count / width, begin, end, combining);
                    }
                });
            });
            return Code::kOk;
        }};
    });
}

Plan planScatterNd(const Call& call) {
    const ScatterRows shape = scatterRowsOf(call);
    const int64_t rows = shape.rows;
    const auto width = static_cast<int64_t>(shape.width);
    const int64_t block = shape.block;
    const Dims data = call.in(kData).dims;
    const Dims strides = rowMajorStrides(data);
    const Combine how = combineOf(call.stringOr("reduction", "none"));
    const int64_t bytes = call.in(kData).elements * bytesOf(call.in(kData).dtype);
    const TnDataType indexType = call.in(kIndices).dtype;
    const int64_t wanted = block == 0 ? 1 : teamFor(call.threads(), block, rows + 1);
    const int64_t team = ownLines(wanted, block * bytesOf(call.in(kData).dtype));
    return dispatchNumeric(call.in(kData).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t i = 0; i < rows * width; ++i) {
                const int64_t index = indexAt(indexType, b.inputs[kIndices], i);
                const int64_t extent = data[static_cast<size_t>(i % width)];
                if (wrapIndex(index, extent) < 0) {
                    return outside(b, "scatter_nd", index, extent);
                }
            }
            copyData(b, bytes);
            withCombine(how, [&](const auto& combining) {
                parallelTeam(team, block, [&](int64_t, int64_t begin, int64_t end) {
                    for (int64_t row = 0; row < rows; ++row) {
                        int64_t offset = 0;
                        for (int64_t w = 0; w < width; ++w) {
                            const auto d = static_cast<size_t>(w);
                            const int64_t index = indexAt(indexType, b.inputs[kIndices], row * width + w);
                            offset += wrapIndex(index, data[d]) * strides[d];
                        }
                        const T* const from = b.in<T>(kUpdates) + row * block;
                        T* const to = b.out<T>() + offset;
                        for (int64_t i = begin; i < end; ++i) {
                            combining(from[i], to[i]);
                        }
                    }
                });
            });
            return Code::kOk;
        }};
    });
}

} // namespace

void addScatter(KernelTable& table) { kernels::addScatter(table, planScatterElements, planScatterNd); }

} // namespace tenon::cpu
