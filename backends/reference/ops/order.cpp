// Ops that go along one axis in order: arg.max, arg.min, topk, cumsum.
#include "backends/common/parallel.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace tenon::reference {

namespace {

struct Axis {
    int64_t length;
    int64_t inner;  // distance of neighbours along the axis
    int64_t slices; // how many lines along the axis there are

    int64_t first(int64_t slice) const { return slice / inner * length * inner + slice % inner; }
};

Axis axisOf(const Dims& dims, int64_t axis) {
    if (dims.empty()) {
        return {1, 1, 1};
    }
    const auto at = static_cast<size_t>(axis);
    const int64_t inner = product(dims, at + 1, dims.size());
    return {dims[at], inner, product(dims, 0, at) * inner};
}

Axis readAxis(const Call& call, int64_t fallback) {
    const Dims& dims = call.in(0).dims;
    return axisOf(dims, dims.empty() ? 0 : call.axis("axis", fallback, dims.size()));
}

// Comparable value of an element; NaN counts as larger than everything, as numpy sorts.
template <class T>
auto keyOf(T value) {
    if constexpr (std::is_integral_v<T>) {
        return value;
    } else {
        return widen(value);
    }
}
template <class K>
bool above(K a, K b) {
    if constexpr (std::is_floating_point_v<K>) {
        return std::isnan(b) ? false : std::isnan(a) || a > b;
    } else {
        return a > b;
    }
}

template <bool wantsMax>
Plan planArg(const Call& call) {
    const Axis axis = readAxis(call, 0);
    const bool selectLast = call.intOr("select_last", 0) != 0;
    if (axis.length == 0 && axis.slices > 0) {
        invalid(call.op(), " along an axis without elements");
    }
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t slice = 0; slice < axis.slices; ++slice) {
                const T* x = b.in<T>(0) + axis.first(slice);
                int64_t best = 0;
                for (int64_t i = 1; i < axis.length; ++i) {
                    const auto value = keyOf(x[i * axis.inner]);
                    const auto leader = keyOf(x[best * axis.inner]);
                    const bool better = wantsMax ? above(value, leader) : above(leader, value);
                    const bool worse = wantsMax ? above(leader, value) : above(value, leader);
                    if (better || (selectLast && !worse)) {
                        best = i;
                    }
                }
                b.out<int64_t>()[slice] = best;
            }
            return Code::kOk;
        }};
    });
}

Plan planTopk(const Call& call) {
    const Axis axis = readAxis(call, -1);
    const Dims& out = call.out(call.wants(0) ? 0 : 1).dims; // either may be unread
    const auto at = out.empty() ? 0 : static_cast<size_t>(call.axis("axis", -1, out.size()));
    const int64_t k = out.empty() ? 1 : out[at];
    const bool largest = call.intOr("largest", 1) != 0;
    const bool wantsIndices = call.wants(1);
    if (k > axis.length || k < 0) {
        invalid("topk: k is ", k, " along an axis of ", axis.length);
    }
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        Plan plan;
        plan.workspace = axis.length * static_cast<int64_t>(sizeof(int64_t));
        plan.run = [=](const Buffers& b) {
            auto* order = static_cast<int64_t*>(b.workspace);
            for (int64_t slice = 0; slice < axis.slices; ++slice) {
                const T* x = b.in<T>(0) + axis.first(slice);
                for (int64_t i = 0; i < axis.length; ++i) {
                    order[i] = i;
                }
                // Among equals the lower index comes first.
                std::partial_sort(order, order + k, order + axis.length, [&](int64_t left, int64_t right) {
                    const auto a = keyOf(x[left * axis.inner]);
                    const auto c = keyOf(x[right * axis.inner]);
                    const bool before = largest ? above(a, c) : above(c, a);
                    const bool after = largest ? above(c, a) : above(a, c);
                    return before || (!after && left < right);
                });
                const int64_t to = slice / axis.inner * k * axis.inner + slice % axis.inner;
                for (int64_t i = 0; i < k; ++i) {
                    if (b.outputs[0] != nullptr) {
                        b.out<T>()[to + i * axis.inner] = x[order[i] * axis.inner];
                    }
                    if (wantsIndices) {
                        b.out<int64_t>(1)[to + i * axis.inner] = order[i];
                    }
                }
            }
            return Code::kOk;
        };
        return plan;
    });
}

Plan planCumsum(const Call& call) {
    const Axis axis = readAxis(call, 0);
    const bool exclusive = call.intOr("exclusive", 0) != 0;
    const bool reverse = call.intOr("reverse", 0) != 0;
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            for (int64_t slice = 0; slice < axis.slices; ++slice) {
                std::conditional_t<std::is_integral_v<T>, uint64_t, double> sum{};
                for (int64_t i = 0; i < axis.length; ++i) {
                    const int64_t at = axis.first(slice) + (reverse ? axis.length - 1 - i : i) * axis.inner;
                    const T x = b.in<T>(0)[at];
                    const auto before = sum;
                    if constexpr (std::is_integral_v<T>) {
                        sum += static_cast<uint64_t>(x);
                        b.out<T>()[at] = static_cast<T>(exclusive ? before : sum);
                    } else {
                        sum += widen(x);
                        narrow(exclusive ? before : sum, b.out<T>()[at]);
                    }
                }
            }
            return Code::kOk;
        }};
    });
}

void checkTopk(const module::NodeView& node) {
    if (node.outputCount() > 1 && node.outputIndex(1) >= 0 && node.output(1).dtype() != TN_I64) {
        refuse("topk with indices of ", nameOf(node.output(1).dtype()), "; supported is i64");
    }
}

} // namespace

void addOrder(KernelTable& table) {
    table.add({.op = "arg.max", .types = kNumeric, .output = OutputRule::kIndex, .plan = planArg<true>});
    table.add({.op = "arg.min", .types = kNumeric, .output = OutputRule::kIndex, .plan = planArg<false>});
    table.add({.op = "topk", .maxInputs = 2, .types = kNumeric, .plan = planTopk, .check = checkTopk});
    table.add({.op = "cumsum", .maxInputs = 2, .types = kNumeric, .plan = planCumsum});
}

} // namespace tenon::reference
