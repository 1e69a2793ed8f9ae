// scatter_elements, scatter_nd: a copy of the data with updates written, or combined, at indices. Updates apply in order.
#include "backends/common/combine.h"
#include "backends/reference/indices.h"
#include "backends/reference/ops.h"

#include <cstring>

namespace tenon::reference {

namespace {

template <class T>
void copyData(const Buffers& b, int64_t elements) {
    if (elements > 0 && b.inputs[0] != b.outputs[0]) {
        std::memcpy(b.outputs[0], b.inputs[0], static_cast<size_t>(elements) * sizeof(T));
    }
}

Plan planScatterElements(const Call& call) {
    const Dims& data = call.in(0).dims;
    const Dims updates = call.in(2).dims;
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
    const Dims strides = rowMajorStrides(data);
    Dims others = strides;
    others[axis] = 0;
    const Combine how = combineOf(call.stringOr("reduction", "none"));
    const int64_t elements = call.in(0).elements;
    const int64_t count = call.in(2).elements;
    const int64_t extent = data[axis];
    const TnDataType indexType = call.in(1).dtype;
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=, step = strides[axis]](const Buffers& b) {
            copyData<T>(b, elements);
            for (int64_t i = 0; i < count; ++i) {
                const int64_t index = wrapIndex(indexAt(indexType, b.inputs[1], i), extent);
                if (index < 0) {
                    return outside(b, "scatter_elements", indexAt(indexType, b.inputs[1], i), extent);
                }
                combine(how, b.in<T>(2)[i], b.out<T>()[offsetAt(i, updates, others) + index * step]);
            }
            return Code::kOk;
        }};
    });
}

Plan planScatterNd(const Call& call) {
    const Dims data = call.in(0).dims;
    const Dims& indices = call.in(1).dims;
    if (indices.empty() || static_cast<size_t>(indices.back()) > data.size()) {
        invalid("scatter_nd into ", shapeText(data), " by ", shapeText(indices));
    }
    const auto width = static_cast<size_t>(indices.back());
    const int64_t rows = product(indices, 0, indices.size() - 1);
    const int64_t block = product(data, width, data.size());
    if (rows * block != call.in(2).elements) {
        invalid("scatter_nd into ", shapeText(data), " of ", shapeText(call.in(2).dims), " by ", shapeText(indices));
    }
    const Dims strides = rowMajorStrides(data);
    const Combine how = combineOf(call.stringOr("reduction", "none"));
    const int64_t elements = call.in(0).elements;
    const TnDataType indexType = call.in(1).dtype;
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            copyData<T>(b, elements);
            for (int64_t row = 0; row < rows; ++row) {
                int64_t offset = 0;
                for (size_t w = 0; w < width; ++w) {
                    const int64_t asked =
                        indexAt(indexType, b.inputs[1], row * static_cast<int64_t>(width) + static_cast<int64_t>(w));
                    const int64_t index = wrapIndex(asked, data[w]);
                    if (index < 0) {
                        return outside(b, "scatter_nd", asked, data[w]);
                    }
                    offset += index * strides[w];
                }
                for (int64_t i = 0; i < block; ++i) {
                    combine(how, b.in<T>(2)[row * block + i], b.out<T>()[offset + i]);
                }
            }
            return Code::kOk;
        }};
    });
}

void checkScatter(const module::NodeView& node) {
    requireType(node, 1, kIndexTypes);
    if (node.input(2).dtype() != node.input(0).dtype()) {
        refuse(node.op(), " of ", nameOf(node.input(2).dtype()), " into ", nameOf(node.input(0).dtype()));
    }
    combineOf(node.stringOr("reduction", "none"));
}

} // namespace

void addScatter(KernelTable& table) {
    const auto add = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add(
            {.op = op, .minInputs = 3, .maxInputs = 3, .types = kNumeric | kBool, .plan = plan, .check = checkScatter});
    };
    add("scatter_elements", planScatterElements);
    add("scatter_nd", planScatterNd);
}

} // namespace tenon::reference
