// transpose, depth_to_space, space_to_depth: the same elements in another order.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

void addTranspose(KernelTable& table) {
    const auto add = [&](std::string_view op, Plan (*plan)(const Call&)) {
        table.add({.op = op, .types = kWholeBytes, .plan = plan});
    };
    add("transpose", [](const Call& call) { return planCopies(call, copiesOfTranspose(call)); });
    add("depth_to_space", [](const Call& call) { return planCopies(call, copiesOfDepthToSpace(call)); });
    add("space_to_depth", [](const Call& call) { return planCopies(call, copiesOfSpaceToDepth(call)); });
}

} // namespace tenon::reference
