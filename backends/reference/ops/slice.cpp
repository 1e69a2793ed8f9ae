// slice: with ends by ONNX's rules, or with sizes, where mode says what an index outside the input means: strict (an error),
// clamp (the edge), fill (a value), wrap, reflect.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

Plan planSlice(const Call& call) {
    if (const std::optional<Copies> copies = copiesOfSlice(call)) {
        return planCopies(call, *copies);
    }
    return planIndexed(call, sourcesOfSlice(call), 0, call.has(6) ? 6 : -1);
}

} // namespace

void addSlice(KernelTable& table) {
    table.add({.op = "slice", .maxInputs = 7, .types = kWholeBytes, .plan = planSlice});
}

} // namespace tenon::reference
