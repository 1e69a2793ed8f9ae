// einsum: any equation of letters, '...' and an optional '->'. Sums in double over every label that the output lacks.
#include "backends/common/contraction.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <array>

namespace tenon::reference {

namespace {

constexpr size_t kMostInputs = 8;

template <class W>
Plan planWide(const Call& call) {
    const kernels::Contraction loop = kernels::contractionOf(call);
    if (loop.dims.size() > 2 * TN_MAX_DIMS) {
        refuse("einsum with ", loop.dims.size(), " labels; at most ", 2 * TN_MAX_DIMS, " are supported");
    }
    const size_t inputs = loop.strides.size();
    std::vector<TnDataType> types;
    for (size_t i = 0; i < inputs; ++i) {
        types.push_back(call.in(i).dtype);
    }
    const int64_t outputs = call.out().elements;
    const int64_t summed = loop.summed();
    const TnDataType type = call.out().dtype;
    return {[=, dims = loop.dims, strides = loop.strides](const Buffers& b) {
        std::array<int64_t, 2 * TN_MAX_DIMS> coordinate{};
        std::array<int64_t, kMostInputs> offsets{};
        for (int64_t o = 0; o < outputs; ++o) {
            W sum{};
            for (int64_t s = 0; s < summed; ++s) {
                W term{1};
                for (size_t i = 0; i < inputs; ++i) {
                    W x{};
                    if constexpr (std::is_same_v<W, double>) {
                        loadFloats(types[i], b.inputs[i], offsets[i], 1, 1, &x);
                    } else {
                        loadInts(types[i], b.inputs[i], offsets[i], 1, 1, reinterpret_cast<int64_t*>(&x));
                    }
                    term *= x;
                }
                sum += term;
                for (size_t d = dims.size(); d-- > 0;) {
                    const bool carries = ++coordinate[d] == dims[d];
                    for (size_t i = 0; i < inputs; ++i) {
                        offsets[i] += strides[i][d] * (carries ? 1 - dims[d] : 1);
                    }
                    if (!carries) {
                        break;
                    }
                    coordinate[d] = 0;
                }
            }
            if constexpr (std::is_same_v<W, double>) {
                storeFloats(type, &sum, 1, b.outputs[0], o);
            } else {
                const auto bits = static_cast<int64_t>(sum);
                storeInts(type, &bits, 1, b.outputs[0], o);
            }
        }
        return Code::kOk;
    }};
}

Plan planEinsum(const Call& call) {
    return contains(kFloats, call.in(0).dtype) ? planWide<double>(call) : planWide<uint64_t>(call);
}

} // namespace

void addEinsum(KernelTable& table) {
    table.add(
        {.op = "einsum", .maxInputs = kMostInputs, .types = kNumeric, .plan = planEinsum, .check = requireSameTypes});
}

} // namespace tenon::reference
