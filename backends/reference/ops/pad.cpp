// pad: constant, edge, reflect and wrap; negative pads crop.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

Plan planPad(const Call& call) {
    return planIndexed(call, sourcesOfPad(call), elementOf(call.out().dtype, call.floatOr("value", 0)),
                       call.has(2) ? 2 : -1);
}

void checkPad(const module::NodeView& node) {
    if (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype()) {
        refuse("pad of ", nameOf(node.input(0).dtype()), " with a value of ", nameOf(node.input(2).dtype()));
    }
}

} // namespace

void addPad(KernelTable& table) {
    table.add({.op = "pad", .maxInputs = 4, .types = kWholeBytes, .plan = planPad, .check = checkPad});
}

} // namespace tenon::reference
