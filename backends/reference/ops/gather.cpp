// gather, gather_elements, gather_nd. Negative indices count from the end; an index outside fails the launch.
#include "backends/common/indices.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

#include <cstring>

namespace tenon::reference {

namespace {

Plan planGather(const Call& call) {
    const Dims& data = call.in(0).dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, data.size()));
    const int64_t outer = product(data, 0, axis);
    const int64_t extent = data[axis];
    const int64_t block = product(data, axis + 1, data.size()) * bytesOf(call.in(0).dtype);
    const int64_t count = call.in(1).elements;
    const TnDataType indexType = call.in(1).dtype;
    if (outer * count * block != call.out().elements * bytesOf(call.out().dtype)) {
        invalid("gather from ", shapeText(data), " by ", shapeText(call.in(1).dims), " does not give ",
                shapeText(call.out().dims));
    }
    return {[=](const Buffers& b) {
        for (int64_t i = 0; i < count; ++i) {
            const int64_t index = wrapIndex(indexAt(indexType, b.inputs[1], i), extent);
            if (index < 0) {
                return outside(b, "gather", indexAt(indexType, b.inputs[1], i), extent);
            }
            for (int64_t o = 0; o < outer && block > 0; ++o) {
                std::memcpy(b.bytesOut() + (o * count + i) * block, b.bytesIn(0) + (o * extent + index) * block,
                            static_cast<size_t>(block));
            }
        }
        return Code::kOk;
    }};
}

Plan planGatherElements(const Call& call) {
    const Dims& data = call.in(0).dims;
    const Dims& out = call.out().dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, data.size()));
    if (out != call.in(1).dims || out.size() != data.size()) {
        invalid("gather_elements from ", shapeText(data), " by ", shapeText(call.in(1).dims));
    }
    const Dims strides = rowMajorStrides(data);
    const int64_t elements = call.out().elements;
    const int64_t extent = data[axis];
    const TnDataType indexType = call.in(1).dtype;
    Dims others = strides;
    others[axis] = 0;
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=, step = strides[axis]](const Buffers& b) {
            for (int64_t i = 0; i < elements; ++i) {
                const int64_t index = wrapIndex(indexAt(indexType, b.inputs[1], i), extent);
                if (index < 0) {
                    return outside(b, "gather_elements", indexAt(indexType, b.inputs[1], i), extent);
                }
                b.out<T>()[i] = b.in<T>(0)[offsetAt(i, out, others) + index * step];
            }
            return Code::kOk;
        }};
    });
}

Plan planGatherNd(const Call& call) {
    const Dims data = call.in(0).dims;
    const Dims& indices = call.in(1).dims;
    const auto batchDims = static_cast<size_t>(call.intOr("batch_dims", 0));
    if (indices.empty() || batchDims >= indices.size() ||
        batchDims + static_cast<size_t>(indices.back()) > data.size()) {
        invalid("gather_nd from ", shapeText(data), " by ", shapeText(indices), " with ", batchDims,
                " batch dimensions");
    }
    const auto width = static_cast<size_t>(indices.back());
    const int64_t batches = product(data, 0, batchDims);
    const int64_t perBatch = product(data, batchDims, data.size());
    const int64_t rows = product(indices, batchDims, indices.size() - 1);
    const int64_t block = product(data, batchDims + width, data.size());
    const int64_t bytes = bytesOf(call.in(0).dtype);
    const TnDataType indexType = call.in(1).dtype;
    if (batches * rows * block != call.out().elements || product(indices, 0, batchDims) != batches) {
        invalid("gather_nd from ", shapeText(data), " by ", shapeText(indices), " does not give ",
                shapeText(call.out().dims));
    }
    const Dims strides = rowMajorStrides(data);
    return {[=](const Buffers& b) {
        for (int64_t row = 0; row < batches * rows; ++row) {
            int64_t offset = row / rows * perBatch;
            for (size_t w = 0; w < width; ++w) {
                const int64_t asked =
                    indexAt(indexType, b.inputs[1], row * static_cast<int64_t>(width) + static_cast<int64_t>(w));
                const int64_t index = wrapIndex(asked, data[batchDims + w]);
                if (index < 0) {
                    return outside(b, "gather_nd", asked, data[batchDims + w]);
                }
                offset += index * strides[batchDims + w];
            }
            if (block > 0) {
                std::memcpy(b.bytesOut() + row * block * bytes, b.bytesIn(0) + offset * bytes,
                            static_cast<size_t>(block * bytes));
            }
        }
        return Code::kOk;
    }};
}

void checkIndices(const module::NodeView& node) { requireType(node, 1, kIndexTypes); }

} // namespace

void addGather(KernelTable& table) {
    const auto add = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add(
            {.op = op, .minInputs = 2, .maxInputs = 2, .types = kWholeBytes, .plan = plan, .check = checkIndices});
    };
    add("gather", planGather);
    add("gather_elements", planGatherElements);
    add("gather_nd", planGatherNd);
}

} // namespace tenon::reference
