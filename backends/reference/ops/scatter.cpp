// scatter_elements, scatter_nd: a copy of the data with updates written, or combined, at indices. Updates apply in order.
#include "backends/common/scatter.h"
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
    const size_t axis = scatterAxisOf(call);
    const Dims& data = call.in(0).dims;
    const Dims updates = call.in(2).dims;
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
    const ScatterRows shape = scatterRowsOf(call);
    const Dims data = call.in(0).dims;
    const Dims strides = rowMajorStrides(data);
    const Combine how = combineOf(call.stringOr("reduction", "none"));
    const int64_t elements = call.in(0).elements;
    const TnDataType indexType = call.in(1).dtype;
    return dispatchNumeric(call.in(0).dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            copyData<T>(b, elements);
            for (int64_t row = 0; row < shape.rows; ++row) {
                int64_t offset = 0;
                for (size_t w = 0; w < shape.width; ++w) {
                    const int64_t asked = indexAt(indexType, b.inputs[1],
                                                  row * static_cast<int64_t>(shape.width) + static_cast<int64_t>(w));
                    const int64_t index = wrapIndex(asked, data[w]);
                    if (index < 0) {
                        return outside(b, "scatter_nd", asked, data[w]);
                    }
                    offset += index * strides[w];
                }
                for (int64_t i = 0; i < shape.block; ++i) {
                    combine(how, b.in<T>(2)[row * shape.block + i], b.out<T>()[offset + i]);
                }
            }
            return Code::kOk;
        }};
    });
}

} // namespace

void addScatter(KernelTable& table) { kernels::addScatter(table, planScatterElements, planScatterNd); }

} // namespace tenon::reference
