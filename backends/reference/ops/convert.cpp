// convert: between any two structural layouts and between float types, so that every layout has a path. Padding inside blocks
// is written as zero.
#include "backends/common/format_tables.h"
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <cstring>

namespace tenon::reference {

namespace {

Plan planConvert(const Call& call) {
    const Dims dims = call.in(0).dims;
    if (dims != call.out().dims) {
        invalid("convert from shape ", shapeText(dims), " to shape ", shapeText(call.out().dims));
    }
    const std::vector<Dims> from = offsetTables(call.in(0).format, dims);
    const std::vector<Dims> to = offsetTables(call.out().format, dims);
    const TnDataType fromType = call.in(0).dtype;
    const TnDataType toType = call.out().dtype;
    const int64_t elements = call.out().elements;
    const int64_t outputBytes = call.out().bytes;
    // A pitched output lies in a larger buffer: what is between its rows belongs to others.
    const TnFormat& format = call.out().format;
    if (format.block_count > 0 && format.outer_pitch > 0) {
        refuse("convert to a layout with both blocks and an outer pitch");
    }
    const bool hasPadding = format.block_count > 0 && outputBytes != elements * bytesOf(toType);
    // Calls move(to, from) for every element.
    const auto forElements = [=](const auto& move) {
        const int64_t length = dims.empty() ? 1 : dims.back();
        for (int64_t row = 0; elements > 0 && row < elements / length; ++row) {
            int64_t rest = row;
            int64_t source = 0;
            int64_t target = 0;
            for (size_t d = dims.empty() ? 0 : dims.size() - 1; d-- > 0;) {
                const auto at = static_cast<size_t>(rest % dims[d]);
                source += from[d][at];
                target += to[d][at];
                rest /= dims[d];
            }
            for (int64_t i = 0; i < length; ++i) {
                const auto at = static_cast<size_t>(i);
                move(target + (dims.empty() ? 0 : to.back()[at]), source + (dims.empty() ? 0 : from.back()[at]));
            }
        }
    };
    if (fromType == toType) {
        return dispatchBytes(fromType, [&](auto tag) -> Plan {
            using T = typename decltype(tag)::Type;
            return {[=](const Buffers& b) {
                if (hasPadding) {
                    std::memset(b.outputs[0], 0, static_cast<size_t>(outputBytes));
                }
                forElements([&](int64_t target, int64_t source) { b.out<T>()[target] = b.in<T>(0)[source]; });
                return Code::kOk;
            }};
        });
    }
    return {[=](const Buffers& b) {
        if (hasPadding) {
            std::memset(b.outputs[0], 0, static_cast<size_t>(outputBytes));
        }
        forElements([&](int64_t target, int64_t source) {
            double value = 0;
            loadFloats(fromType, b.inputs[0], source, 1, 1, &value);
            storeFloats(toType, &value, 1, b.outputs[0], target);
        });
        return Code::kOk;
    }};
}

} // namespace

void addConvert(KernelTable& table) {
    table.add({.op = "convert", .types = kWholeBytes, .output = OutputRule::kAny, .plan = planConvert});
}

} // namespace tenon::reference
