// where and prelu: a choice per element.
#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

namespace tenon::reference {

namespace {

Plan planWhere(const Call& call) {
    const Dims& dims = call.out().dims;
    const StridedLoop loop =
        collapse(dims, {rowMajorStrides(dims), broadcastStrides(call.in(0).dims, dims),
                        broadcastStrides(call.in(1).dims, dims), broadcastStrides(call.in(2).dims, dims)});
    const int threads = call.threads();
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            const int64_t length = loop.rowLength();
            parallelFor(threads, loop.rows(), 1 + 8192 / (length + 1), [&](int64_t begin, int64_t end) {
                forRows<4>(loop, begin, end, [&](const int64_t* offsets) {
                    T* to = b.out<T>() + offsets[0];
                    const uint8_t* condition = b.in<uint8_t>(0) + offsets[1];
                    const T* yes = b.in<T>(1) + offsets[2];
                    const T* no = b.in<T>(2) + offsets[3];
                    for (int64_t i = 0; i < length; ++i) {
                        to[i] = condition[i * loop.rowStride(1)] != 0 ? yes[i * loop.rowStride(2)]
                                                                      : no[i * loop.rowStride(3)];
                    }
                });
            });
            return Code::kOk;
        }};
    });
}

void checkWhere(const module::NodeView& node) {
    requireType(node, 1, kWholeBytes);
    if (node.input(2).dtype() != node.input(1).dtype() || node.output(0).dtype() != node.input(1).dtype()) {
        refuse("where of ", nameOf(node.input(1).dtype()), " and ", nameOf(node.input(2).dtype()), " giving ",
               nameOf(node.output(0).dtype()), "; all three must be of one type");
    }
}

// x < 0 ? slope * x : x, with the slope broadcast to x.
template <class W>
Plan planPreluWide(const Call& call) {
    const TnDataType type = call.in(0).dtype;
    const Dims& dims = call.out().dims;
    const StridedLoop loop = collapse(dims, {rowMajorStrides(dims), broadcastStrides(call.in(1).dims, dims)});
    const int threads = call.threads();
    return {[=](const Buffers& b) {
        const int64_t length = loop.rowLength();
        parallelFor(threads, loop.rows(), 1 + 8192 / (length + 1), [&](int64_t begin, int64_t end) {
            W x[kChunk];
            W slope[kChunk];
            forRows<2>(loop, begin, end, [&](const int64_t* offsets) {
                for (int64_t i = 0; i < length; i += kChunk) {
                    const int64_t n = std::min(kChunk, length - i);
                    const int64_t second = offsets[1] + i * loop.rowStride(1);
                    if constexpr (std::is_same_v<W, double>) {
                        loadFloats(type, b.inputs[0], offsets[0] + i, 1, n, x);
                        loadFloats(type, b.inputs[1], second, loop.rowStride(1), n, slope);
                    } else {
                        loadInts(type, b.inputs[0], offsets[0] + i, 1, n, x);
                        loadInts(type, b.inputs[1], second, loop.rowStride(1), n, slope);
                    }
                    for (int64_t k = 0; k < n; ++k) {
                        if constexpr (std::is_same_v<W, double>) {
                            x[k] = x[k] < 0 ? slope[k] * x[k] : x[k];
                        } else if (x[k] < 0 && type != TN_U64) {
                            x[k] = static_cast<int64_t>(static_cast<uint64_t>(slope[k]) * static_cast<uint64_t>(x[k]));
                        }
                    }
                    if constexpr (std::is_same_v<W, double>) {
                        storeFloats(type, x, n, b.outputs[0], offsets[0] + i);
                    } else {
                        storeInts(type, x, n, b.outputs[0], offsets[0] + i);
                    }
                }
            });
        });
        return Code::kOk;
    }};
}

Plan planPrelu(const Call& call) {
    return contains(kFloats, call.in(0).dtype) ? planPreluWide<double>(call) : planPreluWide<int64_t>(call);
}

} // namespace

void addSelect(KernelTable& table) {
    table.add({.op = "where",
               .minInputs = 3,
               .maxInputs = 3,
               .types = kBool,
               .output = OutputRule::kAny,
               .plan = planWhere,
               .check = checkWhere});
    table.add({.op = "prelu",
               .minInputs = 2,
               .maxInputs = 2,
               .types = kNumeric,
               .plan = planPrelu,
               .check = requireSameTypes});
}

} // namespace tenon::reference
