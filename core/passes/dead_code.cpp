// dead_code: nodes that no output of the graph needs disappear, unless they have effects or the user asked to see their outputs.
#include "core/passes/rewriter.h"

namespace tenon::passes {

support::Result<bool> deadCode(PassContext& context) {
    ir::GraphEditor editor(context.graph);
    return editor.eraseDead([&](const ir::Node& node) { return !isRemovable(context.ops, node); }) > 0;
}

} // namespace tenon::passes
