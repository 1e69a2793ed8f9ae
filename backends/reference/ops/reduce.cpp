// reduce.*: over any set of axes. Floats accumulate in double; sums and products of integers wrap, means of integers cut
// toward zero.
#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

struct ReduceShape {
    StridedLoop kept;    // 0: input offset of each output element
    StridedLoop reduced; // 0: input offset within the reduced block
    int64_t outputs;
    int64_t count; // elements that make one output
    TnDataType type;
    int threads;
};

ReduceShape readShape(const Call& call) {
    const Dims& dims = call.in(0).dims;
    Dims axes = call.dims("axes");
    std::vector<bool> isReduced(dims.size(), axes.empty() && call.intOr("noop_with_empty_axes", 0) == 0);
    for (int64_t axis : axes) {
        isReduced[static_cast<size_t>(normalizeAxis(axis, dims.size()))] = true;
    }
    const Dims strides = rowMajorStrides(dims);
    Dims keptDims;
    Dims keptStrides;
    Dims reducedDims;
    Dims reducedStrides;
    for (size_t d = 0; d < dims.size(); ++d) {
        (isReduced[d] ? reducedDims : keptDims).push_back(dims[d]);
        (isReduced[d] ? reducedStrides : keptStrides).push_back(strides[d]);
    }
    ReduceShape shape;
    shape.outputs = product(keptDims);
    shape.count = product(reducedDims);
    if (shape.outputs != call.out().elements) {
        invalid(call.op(), " of shape ", shapeText(dims), " gives ", shape.outputs, " elements, its output has ",
                call.out().elements);
    }
    // Merging is safe in each loop alone: outputs are visited in order, so their own offset is their number.
    shape.kept = collapse(keptDims, {keptStrides});
    shape.reduced = collapse(reducedDims, {reducedStrides});
    shape.type = call.in(0).dtype;
    shape.threads = call.threads();
    return shape;
}

// Calls each(chunk of widened elements, count) for every piece of one output's block.
template <class W, class Each>
void forBlock(const ReduceShape& shape, const void* x, int64_t origin, const Each& each) {
    if (shape.count == 0) {
        return;
    }
    const int64_t length = shape.reduced.rowLength();
    const int64_t stride = shape.reduced.rowStride(0);
    W values[kChunk];
    forRows<1>(shape.reduced, 0, shape.reduced.rows(), [&](const int64_t* offsets) {
        for (int64_t i = 0; i < length; i += kChunk) {
            const int64_t n = std::min(kChunk, length - i);
            if constexpr (std::is_same_v<W, double>) {
                loadFloats(shape.type, x, origin + offsets[0] + i * stride, stride, n, values);
            } else {
                loadInts(shape.type, x, origin + offsets[0] + i * stride, stride, n,
                         reinterpret_cast<int64_t*>(values));
            }
            each(values, n);
        }
    });
}

// one(origin) gives the reduced value of the block that starts there.
template <class W, class One>
Plan planOutputs(const Call& call, const One& one) {
    const ReduceShape shape = readShape(call);
    return {[=](const Buffers& b) {
        if (shape.outputs == 0) {
            return Code::kOk;
        }
        const int64_t length = shape.kept.rowLength();
        parallelFor(shape.threads, shape.kept.rows(), 1 + 8192 / (shape.count * length + 1),
                    [&](int64_t begin, int64_t end) {
                        int64_t output = begin * length;
                        forRows<1>(shape.kept, begin, end, [&](const int64_t* offsets) {
                            for (int64_t i = 0; i < length; ++i, ++output) {
                                const W value = one(shape, b.inputs[0], offsets[0] + i * shape.kept.rowStride(0));
                                if constexpr (std::is_same_v<W, double>) {
                                    storeFloats(shape.type, &value, 1, b.outputs[0], output);
                                } else {
                                    const auto bits = static_cast<int64_t>(value);
                                    storeInts(shape.type, &bits, 1, b.outputs[0], output);
                                }
                            }
                        });
                    });
        return Code::kOk;
    }};
}

// start, then value = step(value, element), then finish(value, count).
template <class W, class Step, class Finish>
Plan planFold(const Call& call, W start, const Step& step, const Finish& finish) {
    return planOutputs<W>(call, [=](const ReduceShape& shape, const void* x, int64_t origin) {
        W value = start;
        forBlock<W>(shape, x, origin, [&](const W* values, int64_t n) {
            for (int64_t i = 0; i < n; ++i) {
                value = step(value, values[i]);
            }
        });
        return static_cast<W>(finish(value, shape.count));
    });
}
constexpr auto kAsIs = [](auto value, int64_t) { return value; };

bool isFloat(const Call& call) { return contains(kFloats, call.in(0).dtype); }
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Plan planSum(const Call& call) {
    const auto add = [](auto a, auto b) { return a + b; };
    return isFloat(call) ? planFold<double>(call, 0.0, add, kAsIs) : planFold<uint64_t>(call, uint64_t{0}, add, kAsIs);
}
Plan planProd(const Call& call) {
    const auto multiply = [](auto a, auto b) { return a * b; };
    return isFloat(call) ? planFold<double>(call, 1.0, multiply, kAsIs)
                         : planFold<uint64_t>(call, uint64_t{1}, multiply, kAsIs);
}
Plan planMean(const Call& call) {
    const auto add = [](auto a, auto b) { return a + b; };
    if (isFloat(call)) {
        return planFold<double>(call, 0.0, add,
                                [](double sum, int64_t count) { return sum / static_cast<double>(count); });
    }
    if (call.in(0).dtype == TN_U64) {
        return planFold<uint64_t>(call, uint64_t{0}, add, [](uint64_t sum, int64_t count) {
            return count == 0 ? 0 : sum / static_cast<uint64_t>(count);
        });
    }
    return planFold<uint64_t>(call, uint64_t{0}, add, [](uint64_t sum, int64_t count) {
        return static_cast<uint64_t>(count == 0 ? 0 : static_cast<int64_t>(sum) / count);
    });
}
// The extremes start from the lowest and highest value of the type, which is what an empty block gives.
template <class W>
Plan planExtreme(const Call& call, W start, bool wantsMax) {
    return planFold<W>(
        call, start, [wantsMax](W best, W x) { return (wantsMax ? x > best : x < best) || x != x ? x : best; }, kAsIs);
}
Plan planExtremeOf(const Call& call, bool wantsMax) {
    const TnDataType type = call.in(0).dtype;
    if (isFloat(call)) {
        return planExtreme<double>(call, wantsMax ? -kInfinity : kInfinity, wantsMax);
    }
    return dispatchInt(type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const T start = wantsMax ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
        if constexpr (std::is_same_v<T, uint64_t>) {
            return planExtreme<uint64_t>(call, start, wantsMax);
        } else {
            const int64_t wide = type == TN_BOOL && !wantsMax ? 1 : static_cast<int64_t>(start);
            return planExtreme<int64_t>(call, wide, wantsMax);
        }
    });
}
Plan planMax(const Call& call) { return planExtremeOf(call, true); }
Plan planMin(const Call& call) { return planExtremeOf(call, false); }

// The rest is defined on reals; integers go through double and are cut.
template <class Step, class Finish>
Plan planReal(const Call& call, const Step& step, const Finish& finish) {
    if (isFloat(call)) {
        return planFold<double>(call, 0.0, step, finish);
    }
    const bool isU64 = call.in(0).dtype == TN_U64;
    return planOutputs<int64_t>(call, [=](const ReduceShape& shape, const void* x, int64_t origin) {
        double value = 0;
        forBlock<int64_t>(shape, x, origin, [&](const int64_t* values, int64_t n) {
            for (int64_t i = 0; i < n; ++i) {
                value = step(value, isU64 ? static_cast<double>(static_cast<uint64_t>(values[i]))
                                          : static_cast<double>(values[i]));
            }
        });
        const double result = finish(value, shape.count);
        return result >= -0x1p63 && result < 0x1p63 ? static_cast<int64_t>(result) : INT64_MIN;
    });
}
Plan planL1(const Call& call) {
    return planReal(
        call, [](double a, double x) { return a + std::fabs(x); }, kAsIs);
}
Plan planL2(const Call& call) {
    return planReal(
        call, [](double a, double x) { return a + x * x; }, [](double a, int64_t) { return std::sqrt(a); });
}
Plan planSumSquare(const Call& call) {
    return planReal(
        call, [](double a, double x) { return a + x * x; }, kAsIs);
}
Plan planLogSum(const Call& call) {
    return planReal(
        call, [](double a, double x) { return a + x; }, [](double a, int64_t) { return std::log(a); });
}
Plan planLogSumExp(const Call& call) {
    return planOutputs<double>(call, [](const ReduceShape& shape, const void* x, int64_t origin) {
        double top = -kInfinity;
        forBlock<double>(shape, x, origin, [&](const double* values, int64_t n) {
            for (int64_t i = 0; i < n; ++i) {
                top = std::max(top, values[i]);
            }
        });
        if (std::isinf(top)) {
            return top; // nothing but -inf, or +inf among them: the formula would subtract infinities
        }
        double sum = 0;
        forBlock<double>(shape, x, origin, [&](const double* values, int64_t n) {
            for (int64_t i = 0; i < n; ++i) {
                sum += std::exp(values[i] - top);
            }
        });
        return top + std::log(sum);
    });
}

} // namespace

void addReduce(KernelTable& table) {
    const auto add = [&](std::string_view op, TypeMask types, Plan (*plan)(const Call&)) {
        table.add({.op = op, .types = types, .plan = plan});
    };
    add("reduce.sum", kNumeric, planSum);
    add("reduce.prod", kNumeric, planProd);
    add("reduce.mean", kNumeric, planMean);
    add("reduce.max", kNumeric | kBool, planMax);
    add("reduce.min", kNumeric | kBool, planMin);
    add("reduce.l1", kNumeric, planL1);
    add("reduce.l2", kNumeric, planL2);
    add("reduce.sum_square", kNumeric, planSumSquare);
    add("reduce.log_sum", kNumeric, planLogSum);
    add("reduce.log_sum_exp", kFloats, planLogSumExp);
}

} // namespace tenon::reference
