// scatter_elements and scatter_nd: what their operands must be, and what an element becomes where it meets another.
//
// Who uses it: scatter kernels. What it must not know: how they go through indices.
#pragma once

#include "backends/common/indices.h"
#include "backends/common/kernel_table.h"

#include <string_view>
#include <type_traits>
#include <utility>

namespace tenon::kernels {

enum class Combine { kReplace, kAdd, kMultiply, kMax, kMin };

// Of the attribute `reduction`; throws a refusal for others.
inline Combine combineOf(std::string_view name) {
    if (name == "none") {
        return Combine::kReplace;
    }
    if (name == "add") {
        return Combine::kAdd;
    }
    if (name == "mul") {
        return Combine::kMultiply;
    }
    if (name == "max") {
        return Combine::kMax;
    }
    if (name == "min") {
        return Combine::kMin;
    }
    refuse("scatter with the reduction '", name, "'; supported are none, add, mul, max, min");
}

// Integers wrap around. A maximum or minimum with what is no number is none.
template <class T>
void combine(Combine how, T update, T& at) {
    if (how == Combine::kReplace) {
        at = update;
        return;
    }
    const auto apply = [how](auto a, auto b) -> decltype(a) {
        switch (how) {
        case Combine::kAdd:
            return a + b;
        case Combine::kMultiply:
            return a * b;
        case Combine::kMax:
            return a > b || a != a ? a : b;
        case Combine::kMin:
            return a < b || a != a ? a : b;
        case Combine::kReplace:
            break;
        }
        return b;
    };
    if constexpr (!std::is_integral_v<T>) {
        narrow(apply(widen(at), widen(update)), at);
    } else if (how == Combine::kAdd || how == Combine::kMultiply) {
        at = static_cast<T>(apply(static_cast<uint64_t>(at), static_cast<uint64_t>(update)));
    } else {
        at = apply(at, update);
    }
}

// Types and the reduction; throws a refusal.
inline void checkScatter(const module::NodeView& node) {
    requireType(node, 1, kIndexTypes);
    if (node.input(2).dtype() != node.input(0).dtype()) {
        refuse(node.op(), " of ", nameOf(node.input(2).dtype()), " into ", nameOf(node.input(0).dtype()));
    }
    combineOf(node.stringOr("reduction", "none"));
}

// The axis that the indices of scatter_elements count; throws where shapes do not fit.
inline size_t scatterAxisOf(const Call& call) {
    const Dims& data = call.in(0).dims;
    const Dims& updates = call.in(2).dims;
    if (call.in(1).dims != updates || updates.size() != data.size() || data.empty()) {
        invalid("scatter_elements into ", shapeText(data), " of ", shapeText(updates), " by ",
                shapeText(call.in(1).dims));
    }
    const auto axis = static_cast<size_t>(call.axis("axis", 0, data.size()));
    for (size_t d = 0; d < data.size(); ++d) {
        if (d != axis && updates[d] > data[d]) {
            invalid("scatter_elements into ", shapeText(data), " of ", shapeText(updates));
        }
    }
    return axis;
}

// Of scatter_nd: so many rows of indices, each of which says where a block of updates goes.
struct ScatterRows {
    int64_t rows;
    size_t width; // indices of a row
    int64_t block;
};

inline ScatterRows scatterRowsOf(const Call& call) {
    const Dims& data = call.in(0).dims;
    const Dims& indices = call.in(1).dims;
    if (indices.empty() || static_cast<size_t>(indices.back()) > data.size()) {
        invalid("scatter_nd into ", shapeText(data), " by ", shapeText(indices));
    }
    const auto width = static_cast<size_t>(indices.back());
    const ScatterRows result{product(indices, 0, indices.size() - 1), width, product(data, width, data.size())};
    if (result.rows * result.block != call.in(2).elements) {
        invalid("scatter_nd into ", shapeText(data), " of ", shapeText(call.in(2).dims), " by ", shapeText(indices));
    }
    return result;
}

using PlanFunction = Plan (*)(const Call&);

// The rows of both ops.
inline void addScatter(KernelTable& table, PlanFunction elements, PlanFunction nd) {
    for (const auto& [op, plan] : {std::pair("scatter_elements", elements), std::pair("scatter_nd", nd)}) {
        table.add(
            {.op = op, .minInputs = 3, .maxInputs = 3, .types = kNumeric | kBool, .plan = plan, .check = checkScatter});
    }
}

} // namespace tenon::kernels
