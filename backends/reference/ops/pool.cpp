// pool.max, pool.avg, pool.lp: windows over any number of spatial dimensions.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::reference {

namespace {

struct PoolShape {
    Window window;
    int64_t planes, inputSize, outputSize;
    TnDataType type;
    int threads;
};

PoolShape readShape(const Call& call) {
    const Dims kernel = call.intsOr("kernel", 0, 0);
    if (kernel.empty() || kernel.size() + 2 != call.in(0).dims.size()) {
        invalid(call.op(), " of shape ", shapeText(call.in(0).dims), " with a kernel of ", kernel.size(),
                " dimensions");
    }
    PoolShape shape;
    shape.window = windowOf(call, kernel);
    shape.planes = product(call.in(0).dims, 0, 2);
    shape.inputSize = product(shape.window.input);
    shape.outputSize = product(shape.window.output);
    shape.type = call.in(0).dtype;
    shape.threads = call.threads();
    return shape;
}

// Calls visit(element) for each tap of output `at` that lies in the input; returns how many lie in input and pads together
// (a window that ceil_mode lets hang over the end counts only up to the pad's end).
template <class Visit>
int64_t forTaps(const Window& window, int64_t at, const Visit& visit) {
    const size_t rank = window.rank();
    int64_t origin[TN_MAX_DIMS];
    int64_t tap[TN_MAX_DIMS] = {};
    for (size_t d = rank; d-- > 0;) {
        origin[d] = at % window.output[d] * window.strides[d] - window.padBegin[d];
        at /= window.output[d];
    }
    int64_t counted = 0;
    const int64_t taps = window.taps();
    for (int64_t t = 0; t < taps; ++t) {
        int64_t element = 0;
        bool inside = true;
        bool inPads = true;
        for (size_t d = 0; d < rank; ++d) {
            const int64_t x = origin[d] + tap[d] * window.dilations[d];
            inside = inside && x >= 0 && x < window.input[d];
            inPads = inPads && x < window.input[d] + window.padEnd[d];
            element = element * window.input[d] + x;
        }
        if (inside) {
            visit(element);
        }
        counted += inPads ? 1 : 0;
        for (size_t d = rank; d-- > 0;) {
            if (++tap[d] < window.kernel[d]) {
                break;
            }
            tap[d] = 0;
        }
    }
    return counted;
}

template <class Reduce>
Plan planFloatPool(const Call& call, const Reduce& reduce) {
    const PoolShape shape = readShape(call);
    return {[=](const Buffers& b) {
        parallelFor(shape.threads, shape.planes, 1 + 4096 / (shape.outputSize * shape.window.taps() + 1),
                    [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin * shape.outputSize; i < end * shape.outputSize; ++i) {
                            const int64_t first = i / shape.outputSize * shape.inputSize;
                            const double result = reduce(shape, b.inputs[0], first, i % shape.outputSize);
                            storeFloats(shape.type, &result, 1, b.outputs[0], i);
                        }
                    });
        return Code::kOk;
    }};
}

double at(const PoolShape& shape, const void* x, int64_t element) {
    double value = 0;
    loadFloats(shape.type, x, element, 1, 1, &value);
    return value;
}

Plan planAverage(const Call& call) {
    const bool includePads = call.intOr("count_include_pad", 0) != 0;
    return planFloatPool(call, [=](const PoolShape& shape, const void* x, int64_t first, int64_t output) {
        double sum = 0;
        int64_t inside = 0;
        const int64_t counted = forTaps(shape.window, output, [&](int64_t element) {
            sum += at(shape, x, first + element);
            ++inside;
        });
        const int64_t divisor = includePads ? counted : inside;
        return divisor == 0 ? 0.0 : sum / static_cast<double>(divisor);
    });
}

Plan planLp(const Call& call) {
    const auto p = static_cast<double>(call.intOr("p", 2));
    return planFloatPool(call, [=](const PoolShape& shape, const void* x, int64_t first, int64_t output) {
        double sum = 0;
        forTaps(shape.window, output,
                [&](int64_t element) { sum += std::pow(std::fabs(at(shape, x, first + element)), p); });
        return std::pow(sum, 1 / p);
    });
}

template <class T, class Wide>
Plan planMaxOf(const Call& call, Wide lowest, Wide (*read)(T)) {
    const PoolShape shape = readShape(call);
    const bool wantsIndices = call.wants(1);
    // Indices count through the whole tensor; inside a plane row-major, or column-major with storage_order 1.
    Dims indexStrides = rowMajorStrides(shape.window.input);
    if (call.intOr("storage_order", 0) != 0) {
        int64_t stride = 1;
        for (size_t d = 0; d < indexStrides.size(); ++d) {
            indexStrides[d] = stride;
            stride *= shape.window.input[d];
        }
    }
    return {[=](const Buffers& b) {
        parallelFor(shape.threads, shape.planes, 1 + 4096 / (shape.outputSize * shape.window.taps() + 1),
                    [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin * shape.outputSize; i < end * shape.outputSize; ++i) {
                            const int64_t plane = i / shape.outputSize;
                            const T* x = b.in<T>(0) + plane * shape.inputSize;
                            Wide best = lowest;
                            int64_t bestElement = -1;
                            forTaps(shape.window, i % shape.outputSize, [&](int64_t element) {
                                const Wide value = read(x[element]);
                                if (bestElement < 0 || value > best || (value != value && best == best)) {
                                    best = value;
                                    bestElement = element;
                                }
                            });
                            if (bestElement >= 0) {
                                b.out<T>()[i] = x[bestElement];
                            } else if constexpr (std::is_same_v<Wide, double>) {
                                narrow(best, b.out<T>()[i]);
                            } else {
                                b.out<T>()[i] = static_cast<T>(best);
                            }
                            if (wantsIndices) {
                                int64_t index = plane * shape.inputSize;
                                int64_t rest = std::max<int64_t>(bestElement, 0);
                                for (size_t d = shape.window.rank(); d-- > 0;) {
                                    index += rest % shape.window.input[d] * indexStrides[d];
                                    rest /= shape.window.input[d];
                                }
                                b.out<int64_t>(1)[i] = index;
                            }
                        }
                    });
        return Code::kOk;
    }};
}

Plan planMax(const Call& call) {
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        if constexpr (std::is_integral_v<T>) {
            return planMaxOf<T, T>(call, std::numeric_limits<T>::lowest(), [](T value) { return value; });
        } else {
            return planMaxOf<T, double>(call, -std::numeric_limits<double>::infinity(),
                                        [](T value) { return widen(value); });
        }
    });
}

void checkMax(const module::NodeView& node) {
    if (node.outputCount() > 1 && node.outputIndex(1) >= 0 && node.output(1).dtype() != TN_I64) {
        refuse("pool.max with indices of ", nameOf(node.output(1).dtype()), "; supported is i64");
    }
}

} // namespace

void addPool(KernelTable& table) {
    table.add({.op = "pool.max", .types = kNumeric, .plan = planMax, .check = checkMax});
    table.add({.op = "pool.avg", .types = kFloats, .plan = planAverage});
    table.add({.op = "pool.lp", .types = kFloats, .plan = planLp});
}

} // namespace tenon::reference
