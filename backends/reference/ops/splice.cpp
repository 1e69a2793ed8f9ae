// Ops that put tensors together, take them apart or repeat them: concat, split, expand, tile.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

void addSplice(KernelTable& table) {
    table.add({.op = "concat",
               .maxInputs = -1,
               .types = kWholeBytes,
               .plan = [](const Call& call) { return planCopies(call, copiesOfConcat(call)); },
               .check = requireSameTypes});
    const auto add = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add({.op = op, .maxInputs = 2, .types = kWholeBytes, .plan = plan});
    };
    add("split", [](const Call& call) { return planCopies(call, copiesOfSplit(call)); });
    add("expand", [](const Call& call) { return planCopies(call, copiesOfExpand(call)); });
    add("tile", [](const Call& call) { return planCopies(call, copiesOfTile(call)); });
}

} // namespace tenon::reference
