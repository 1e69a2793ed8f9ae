// gather: blocks of neighbours by index. An index outside fails the launch.
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"

#include <cstring>

namespace tenon::cpu {

namespace {

Plan planGather(const Call& call) {
    const Dims& data = call.in(0).dims;
    const auto axis = static_cast<size_t>(call.axis("axis", 0, data.size()));
    const int64_t outer = product(data, 0, axis);
    const int64_t extent = data[axis];
    const int64_t block = product(data, axis + 1, data.size()) * bytesOf(call.in(0).dtype);
    const int64_t count = call.in(1).elements;
    const bool narrow = call.in(1).dtype == TN_I32;
    if (outer * count * block != call.out().elements * bytesOf(call.out().dtype)) {
        invalid("gather from ", shapeText(data), " by ", shapeText(call.in(1).dims), " does not give ",
                shapeText(call.out().dims));
    }
    const int64_t team = block == 0 ? 1 : teamFor(call.threads(), outer * count, block / 4 + 4);
    return {[=](const Buffers& b) {
                const auto indexAt = [&](int64_t i) -> int64_t {
                    return narrow ? b.in<int32_t>(1)[i] : b.in<int64_t>(1)[i];
                };
                for (int64_t i = 0; i < count; ++i) {
                    if (indexAt(i) < -extent || indexAt(i) >= extent) {
                        return b.reason->invalidArgument("gather: index ", indexAt(i), " is outside an axis of ",
                                                         extent, " elements");
                    }
                }
                parallelTeam(team, block == 0 ? 0 : outer * count, [&](int64_t, int64_t begin, int64_t end) {
                    for (int64_t item = begin; item < end; ++item) {
                        const int64_t index = indexAt(item % count);
                        const int64_t at = item / count * extent + (index < 0 ? index + extent : index);
                        std::memcpy(b.bytesOut() + item * block, b.bytesIn(0) + at * block, static_cast<size_t>(block));
                    }
                });
                return Code::kOk;
            },
            0};
}

void checkGather(const module::NodeView& node) { requireType(node, 1, maskOf(TN_I32) | maskOf(TN_I64)); }

} // namespace

void addGather(KernelTable& table) {
    table.add({.op = "gather",
               .minInputs = 2,
               .maxInputs = 2,
               .types = kWholeBytes,
               .plan = planGather,
               .check = checkGather});
}

} // namespace tenon::cpu
