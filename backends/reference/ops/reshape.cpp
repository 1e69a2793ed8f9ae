// Ops that leave the linear bytes as they are: reshape, flatten, squeeze, unsqueeze, identity; and what reads only extents:
// shape, size. The output's extents come from inference, so that the shape attributes need no reading here.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

Plan planShape(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const auto rank = static_cast<int64_t>(dims.size());
    const auto clamp = [&](int64_t at) { return std::min(std::max<int64_t>(at < 0 ? at + rank : at, 0), rank); };
    const int64_t start = clamp(call.intOr("start", 0));
    const int64_t end = std::max(start, clamp(call.intOr("end", INT64_MAX)));
    if (end - start != call.out().elements) {
        invalid("shape of a tensor of rank ", rank, " from ", start, " to ", end, " does not give ",
                call.out().elements, " extents");
    }
    const Dims values(dims.begin() + start, dims.begin() + end);
    return {[values](const Buffers& b) {
        std::copy(values.begin(), values.end(), b.out<int64_t>());
        return Code::kOk;
    }};
}

Plan planSize(const Call& call) {
    const int64_t elements = call.in(0).elements;
    return {[elements](const Buffers& b) {
        *b.out<int64_t>() = elements;
        return Code::kOk;
    }};
}

} // namespace

void addReshape(KernelTable& table) {
    table.add({.op = "reshape", .maxInputs = 2, .types = kWholeBytes, .plan = planSameBytes});
    table.add({.op = "flatten", .types = kWholeBytes, .plan = planSameBytes});
    table.add({.op = "squeeze", .maxInputs = 2, .types = kWholeBytes, .plan = planSameBytes});
    table.add({.op = "unsqueeze", .maxInputs = 2, .types = kWholeBytes, .plan = planSameBytes});
    table.add({.op = "identity", .types = kWholeBytes, .plan = planSameBytes});
    table.add({.op = "shape", .types = kWholeBytes, .output = OutputRule::kIndex, .plan = planShape});
    table.add({.op = "size", .types = kWholeBytes, .output = OutputRule::kIndex, .plan = planSize});
}

} // namespace tenon::reference
