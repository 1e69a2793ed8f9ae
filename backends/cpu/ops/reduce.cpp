// reduce.* of floats. Axes are merged until at most one reduced run is left between two kept ones: then rows are folded with vector loops, or whole
// rows are folded into one. Other patterns are refused.
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <cmath>
#include <limits>

namespace tenon::cpu {

namespace {

enum class Kind { kSum, kMean, kMax, kMin, kProd, kL1, kL2, kSumSquare, kLogSum, kLogSumExp };

Kind kindOf(std::string_view op) {
    constexpr std::pair<std::string_view, Kind> kNames[] = {
        {"reduce.sum", Kind::kSum},        {"reduce.mean", Kind::kMean},
        {"reduce.max", Kind::kMax},        {"reduce.min", Kind::kMin},
        {"reduce.prod", Kind::kProd},      {"reduce.l1", Kind::kL1},
        {"reduce.l2", Kind::kL2},          {"reduce.sum_square", Kind::kSumSquare},
        {"reduce.log_sum", Kind::kLogSum}, {"reduce.log_sum_exp", Kind::kLogSumExp}};
    for (const auto& [name, kind] : kNames) {
        if (name == op) {
            return kind;
        }
    }
    return Kind::kSum;
}

struct Reduction {
    Kind kind;
    TnDataType type;
    int64_t outer, length, inner; // the input is [outer, length, inner]; `length` is folded
};

float startOf(Kind kind) {
    switch (kind) {
    case Kind::kMax:
        return -std::numeric_limits<float>::infinity();
    case Kind::kMin:
        return std::numeric_limits<float>::infinity();
    case Kind::kProd:
        return 1;
    default:
        return 0;
    }
}

// Of a piece of a row, before `finish`.
float foldRow(Kind kind, const float* x, int64_t count) {
    const RowTable& rows = rowTable();
    switch (kind) {
    case Kind::kMax:
        return rows.max(x, count);
    case Kind::kMin:
        return rows.min(x, count);
    case Kind::kProd:
        return rows.product(x, count);
    case Kind::kL1:
        return rows.sumOfAbs(x, count);
    case Kind::kL2:
    case Kind::kSumSquare:
        return rows.sumOfSquares(x, 0, count);
    default:
        return rows.sum(x, count);
    }
}

float merge(Kind kind, float a, float b) {
    switch (kind) {
    case Kind::kMax:
        return b > a || b != b ? b : a;
    case Kind::kMin:
        return b < a || b != b ? b : a;
    case Kind::kProd:
        return a * b;
    default:
        return a + b;
    }
}

float finish(Kind kind, float value, int64_t count) {
    switch (kind) {
    case Kind::kMean:
        return value / static_cast<float>(count);
    case Kind::kL2:
        return std::sqrt(value);
    case Kind::kLogSum:
        return std::log(value);
    default:
        return value;
    }
}

void foldInto(Kind kind, float* into, const float* x, int64_t count) {
    const RowTable& rows = rowTable();
    switch (kind) {
    case Kind::kMax:
        rows.maxInto(into, x, count);
        break;
    case Kind::kMin:
        rows.minInto(into, x, count);
        break;
    case Kind::kProd:
        rows.multiplyInto(into, x, count);
        break;
    case Kind::kL1:
        rows.addAbsInto(into, x, count);
        break;
    case Kind::kL2:
    case Kind::kSumSquare:
        rows.addSquaresInto(into, x, count);
        break;
    default:
        rows.addInto(into, x, count);
        break;
    }
}

// Rows are folded in pieces of this many elements: enough for the loops, few enough that partial sums stay exact, and the
// same whatever the number of threads.
constexpr int64_t kPiece = 4096;
constexpr int64_t kStripe = 256;

float reduceRow(const Reduction& r, const void* x, int64_t row, float* scratch) {
    if (r.kind == Kind::kLogSumExp) {
        float top = -std::numeric_limits<float>::infinity();
        for (int64_t i = 0; i < r.length; i += kPiece) {
            const int64_t count = std::min(kPiece, r.length - i);
            top = merge(Kind::kMax, top, rowTable().max(readRow(r.type, x, row * r.length + i, count, scratch), count));
        }
        if (std::isinf(top)) {
            return top;
        }
        double sum = 0;
        for (int64_t i = 0; i < r.length; i += kPiece) {
            const int64_t count = std::min(kPiece, r.length - i);
            sum += rowTable().expMinus(readRow(r.type, x, row * r.length + i, count, scratch), top, scratch, count);
        }
        return top + static_cast<float>(std::log(sum));
    }
    float value = startOf(r.kind);
    for (int64_t i = 0; i < r.length; i += kPiece) {
        const int64_t count = std::min(kPiece, r.length - i);
        value = merge(r.kind, value, foldRow(r.kind, readRow(r.type, x, row * r.length + i, count, scratch), count));
    }
    return finish(r.kind, value, r.length);
}

Plan planRows(const Reduction& r, int threads) {
    const int64_t pieces = (r.length + kPiece - 1) / kPiece;
    Plan plan;
    if (r.outer < threads && pieces > 1 && r.kind != Kind::kLogSumExp) {
        // Few long rows: the pieces are shared out, and merged in their order.
        const int64_t team = teamFor(threads, pieces, kPiece);
        plan.run = [=](const Buffers& b) {
            auto* partial = static_cast<float*>(b.workspace);
            for (int64_t row = 0; row < r.outer; ++row) {
                parallelTeam(team, pieces, [&](int64_t member, int64_t begin, int64_t end) {
                    float* scratch = partial + pieces + member * kPiece;
                    for (int64_t p = begin; p < end; ++p) {
                        const int64_t count = std::min(kPiece, r.length - p * kPiece);
                        partial[p] = foldRow(
                            r.kind, readRow(r.type, b.inputs[0], row * r.length + p * kPiece, count, scratch), count);
                    }
                });
                float value = startOf(r.kind);
                for (int64_t p = 0; p < pieces; ++p) {
                    value = merge(r.kind, value, partial[p]);
                }
                value = finish(r.kind, value, r.length);
                float* to = targetRow(r.type, b.outputs[0], row, &value);
                *to = value;
                finishRow(r.type, b.outputs[0], row, 1, &value);
            }
            return Code::kOk;
        };
        return plan;
    }
    const int64_t team = teamFor(threads, r.outer, r.length);
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, r.outer, [&](int64_t member, int64_t begin, int64_t end) {
            float* scratch = static_cast<float*>(b.workspace) + member * kPiece;
            for (int64_t row = begin; row < end; ++row) {
                float value = reduceRow(r, b.inputs[0], row, scratch);
                float* to = targetRow(r.type, b.outputs[0], row, &value);
                *to = value;
                finishRow(r.type, b.outputs[0], row, 1, &value);
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planColumns(const Reduction& r, int threads) {
    const int64_t stripes = (r.inner + kStripe - 1) / kStripe;
    const int64_t team = teamFor(threads, r.outer * stripes, r.length * std::min(r.inner, kStripe));
    Plan plan;
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, r.outer * stripes, [&](int64_t member, int64_t begin, int64_t end) {
            float* into = static_cast<float*>(b.workspace) + member * 4 * kStripe;
            float* row = into + kStripe;
            float* top = row + kStripe;
            float* spare = top + kStripe;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t column = item % stripes * kStripe;
                const int64_t width = std::min(kStripe, r.inner - column);
                const auto at = [&](int64_t i) { return (item / stripes * r.length + i) * r.inner + column; };
                std::fill(into, into + width, startOf(r.kind));
                if (r.kind == Kind::kLogSumExp) {
                    std::fill(top, top + width, startOf(Kind::kMax));
                    for (int64_t i = 0; i < r.length; ++i) {
                        rowTable().maxInto(top, readRow(r.type, b.inputs[0], at(i), width, row), width);
                    }
                    for (int64_t i = 0; i < r.length; ++i) {
                        rowTable().expMinusColumns(readRow(r.type, b.inputs[0], at(i), width, row), top, spare, into,
                                                   width);
                    }
                    for (int64_t c = 0; c < width; ++c) {
                        into[c] = std::isinf(top[c]) ? top[c] : top[c] + std::log(into[c]);
                    }
                } else {
                    for (int64_t i = 0; i < r.length; ++i) {
                        foldInto(r.kind, into, readRow(r.type, b.inputs[0], at(i), width, row), width);
                    }
                    for (int64_t c = 0; c < width; ++c) {
                        into[c] = finish(r.kind, into[c], r.length);
                    }
                }
                const int64_t first = item / stripes * r.inner + column;
                float* to = targetRow(r.type, b.outputs[0], first, row);
                std::copy(into, into + width, to);
                finishRow(r.type, b.outputs[0], first, width, to);
            }
        });
        return Code::kOk;
    };
    return plan;
}

// Runs of dimensions that are all kept or all reduced; extents of 1 join anything.
std::vector<std::pair<int64_t, bool>> runsOf(const Dims& dims, const std::vector<bool>& reduced) {
    std::vector<std::pair<int64_t, bool>> runs;
    for (size_t d = 0; d < dims.size(); ++d) {
        if (dims[d] == 1) {
            continue;
        }
        if (!runs.empty() && runs.back().second == reduced[d]) {
            runs.back().first *= dims[d];
        } else {
            runs.emplace_back(dims[d], reduced[d]);
        }
    }
    return runs;
}

std::vector<bool> reducedAxes(const Dims& axes, size_t rank, bool noop) {
    std::vector<bool> reduced(rank, axes.empty() && !noop);
    for (int64_t axis : axes) {
        reduced[static_cast<size_t>(normalizeAxis(axis, rank))] = true;
    }
    return reduced;
}

Plan planReduce(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const std::vector<bool> reduced =
        reducedAxes(call.dims("axes"), dims.size(), call.intOr("noop_with_empty_axes", 0) != 0);
    std::vector<std::pair<int64_t, bool>> runs = runsOf(dims, reduced);
    int64_t outputs = 1;
    for (size_t d = 0; d < dims.size(); ++d) {
        outputs *= reduced[d] ? 1 : dims[d];
    }
    if (outputs != call.out().elements) {
        invalid(call.op(), " of shape ", shapeText(dims), " to shape ", shapeText(call.out().dims));
    }
    Reduction r{kindOf(call.op()), call.in(0).dtype, 1, 1, 1};
    if (!runs.empty() && !runs.front().second) {
        r.outer = runs.front().first;
        runs.erase(runs.begin());
    }
    if (!runs.empty()) {
        r.length = runs.front().first;
        runs.erase(runs.begin());
    }
    if (!runs.empty()) {
        r.inner = runs.front().first;
        runs.erase(runs.begin());
    }
    if (!runs.empty()) {
        invalid(call.op(), " over axes that are apart");
    }
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    Plan plan = r.inner == 1 ? planRows(r, call.threads()) : planColumns(r, call.threads());
    // Which of the two it is depends on extents; the size of the workspace must only rise with them.
    plan.workspace = (call.threads() * kPiece + call.in(0).elements / kPiece + 2) * static_cast<int64_t>(sizeof(float));
    return plan;
}

// Kept, reduced, kept: anything else needs two passes, which the reference does better.
void checkReduce(const module::NodeView& node) {
    const module::ValueView x = node.input(0);
    const module::DimsAttribute axes = node.dims("axes");
    Dims list;
    for (size_t i = 0; i < axes.size(); ++i) {
        list.push_back(axes.dim(i).opt);
    }
    const std::vector<bool> reduced =
        reducedAxes(list, static_cast<size_t>(x.rank()), node.intOr("noop_with_empty_axes", 0) != 0);
    int32_t changes = 0;
    bool started = false;
    bool last = false;
    for (int32_t d = 0; d < x.rank(); ++d) {
        if (x.isStatic(d) && x.dim(d).opt == 1) {
            continue;
        }
        const bool now = reduced[static_cast<size_t>(d)];
        changes += started && now != last ? 1 : 0;
        changes += !started && now ? 1 : 0; // an empty kept run in front
        started = true;
        last = now;
    }
    if (changes > 2) {
        refuse(node.op(), " over axes that are apart");
    }
}

} // namespace

void addReduce(KernelTable& table) {
    for (const std::string_view op :
         {"reduce.sum", "reduce.mean", "reduce.max", "reduce.min", "reduce.prod", "reduce.l1", "reduce.l2",
          "reduce.sum_square", "reduce.log_sum", "reduce.log_sum_exp"}) {
        table.add({.op = op, .types = kVectorFloats, .plan = planReduce, .check = checkReduce});
    }
}

} // namespace tenon::cpu
