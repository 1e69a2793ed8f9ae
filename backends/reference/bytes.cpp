#include "backends/reference/bytes.h"

#include "backends/common/strided.h"
#include "backends/reference/wide.h"

#include <cstring>

namespace tenon::reference {

namespace {

struct Copy {
    TnDataType type;
    size_t input;
    size_t output;
    StridedLoop loop; // 0: target, 1: source
    int64_t firstFrom;
    int64_t firstTo;
};

void run(const Copy& copy, const void* source, void* target) {
    dispatchBytes(copy.type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const int64_t length = copy.loop.rowLength();
        const int64_t stepTo = copy.loop.rowStride(0);
        const int64_t stepFrom = copy.loop.rowStride(1);
        forRows<2>(copy.loop, 0, copy.loop.rows(), [&](const int64_t* offsets) {
            T* to = static_cast<T*>(target) + copy.firstTo + offsets[0];
            const T* from = static_cast<const T*>(source) + copy.firstFrom + offsets[1];
            if (stepTo == 1 && stepFrom == 1) {
                std::memcpy(to, from, static_cast<size_t>(length) * sizeof(T));
                return;
            }
            for (int64_t i = 0; i < length; ++i) {
                to[i * stepTo] = from[i * stepFrom];
            }
        });
    });
}

} // namespace

Plan planCopies(const Call& call, const Copies& specs) {
    std::vector<Copy> copies;
    for (const CopySpec& spec : specs) {
        if (product(spec.dims) != 0) {
            copies.push_back({call.out(spec.output).dtype, spec.input, spec.output,
                              collapse(spec.dims, {spec.to.strides, spec.from.strides}), spec.from.first,
                              spec.to.first});
        }
    }
    return {[copies](const Buffers& b) {
        for (const Copy& copy : copies) {
            run(copy, b.inputs[copy.input], b.outputs[copy.output]);
        }
        return Code::kOk;
    }};
}

uint64_t elementOf(TnDataType type, double value) {
    uint64_t bits = 0;
    if (contains(kFloats, type)) {
        storeFloats(type, &value, 1, &bits, 0);
    } else if (type == TN_BOOL) {
        bits = value != 0 ? 1 : 0;
    } else if (contains(kInts, type)) {
        const int64_t integer = value >= 0x1p63    ? INT64_MAX
                                : value <= -0x1p63 ? INT64_MIN
                                                   : static_cast<int64_t>(value);
        storeInts(type, &integer, 1, &bits, 0);
    }
    return bits;
}

Plan planIndexed(const Call& call, const std::vector<Dims>& sources, uint64_t fill, int32_t fillInput) {
    const Dims strides = rowMajorStrides(call.in(0).dims);
    const Dims out = call.out().dims;
    const int64_t elements = call.out().elements;
    return dispatchBytes(call.out().dtype, [&](auto tag) -> Plan {
        using T = typename decltype(tag)::Type;
        return {[=](const Buffers& b) {
            T filler{};
            std::memcpy(&filler, fillInput >= 0 ? b.inputs[fillInput] : &fill, sizeof filler);
            const int64_t length = out.empty() ? 1 : out.back();
            for (int64_t row = 0; elements > 0 && row < elements / length; ++row) {
                int64_t rest = row;
                int64_t origin = 0;
                for (size_t d = out.empty() ? 0 : out.size() - 1; d-- > 0;) {
                    const int64_t at = sources[d][static_cast<size_t>(rest % out[d])];
                    origin = at < 0 || origin < 0 ? -1 : origin + at * strides[d];
                    rest /= out[d];
                }
                for (int64_t i = 0; i < length; ++i) {
                    const int64_t at = out.empty() ? 0 : sources.back()[static_cast<size_t>(i)];
                    b.out<T>()[row * length + i] = origin < 0 || at < 0 ? filler : b.in<T>(0)[origin + at];
                }
            }
            return Code::kOk;
        }};
    });
}

Plan planSameBytes(const Call& call) {
    const int64_t bytes = call.out().elements * bytesOf(call.out().dtype);
    if (call.in(0).elements != call.out().elements) {
        invalid(call.op(), " from shape ", shapeText(call.in(0).dims), " to ", shapeText(call.out().dims),
                ": the numbers of elements differ");
    }
    return {[bytes](const Buffers& b) {
        if (bytes != 0 && b.inputs[0] != b.outputs[0]) {
            std::memcpy(b.outputs[0], b.inputs[0], static_cast<size_t>(bytes));
        }
        return Code::kOk;
    }};
}

} // namespace tenon::reference
