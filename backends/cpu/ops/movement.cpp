// Movement ops: transpose, concat, split, slice, expand, tile, depth_to_space, space_to_depth, and pad, which reads by index tables.
#include "backends/cpu/copy.h"
#include "backends/cpu/indexed.h"
#include "backends/cpu/ops.h"

namespace tenon::cpu {

namespace {

Plan planSlice(const Call& call) {
    if (const std::optional<Copies> copies = copiesOfSlice(call)) {
        return planCopies(call, *copies);
    }
    return planIndexed(call, sourcesOfSlice(call), 0, call.has(6) ? 6 : -1);
}

Plan planPad(const Call& call) {
    return planIndexed(call, sourcesOfPad(call), call.floatOr("value", 0), call.has(2) ? 2 : -1);
}

void checkPad(const module::NodeView& node) {
    if (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype()) {
        refuse("pad of ", nameOf(node.input(0).dtype()), " with a value of ", nameOf(node.input(2).dtype()));
    }
}

} // namespace

void addMovement(KernelTable& table) {
    const auto add = [&](std::string_view op, int32_t most, Plan (*plan)(const Call&),
                         void (*check)(const module::NodeView&) = nullptr) {
        table.add({.op = op, .maxInputs = most, .types = kWholeBytes, .plan = plan, .check = check});
    };
    add("transpose", 1, [](const Call& call) { return planCopies(call, copiesOfTranspose(call)); });
    add("depth_to_space", 1, [](const Call& call) { return planCopies(call, copiesOfDepthToSpace(call)); });
    add("space_to_depth", 1, [](const Call& call) { return planCopies(call, copiesOfSpaceToDepth(call)); });
    add(
        "concat", -1, [](const Call& call) { return planCopies(call, copiesOfConcat(call)); }, requireSameTypes);
    add("split", 2, [](const Call& call) { return planCopies(call, copiesOfSplit(call)); });
    add("expand", 2, [](const Call& call) { return planCopies(call, copiesOfExpand(call)); });
    add("tile", 2, [](const Call& call) { return planCopies(call, copiesOfTile(call)); });
    add("slice", 7, planSlice);
    add("pad", 4, planPad, checkPad);
}

} // namespace tenon::cpu
