// convert, fused, plugin: nodes that carry more than their operands say.
#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

namespace tenon::ops {

namespace {

Status inferConvert(InferContext& context) {
    ir::TensorType type = context.input(0).type;
    const std::string to = context.attributes().stringOr("to", "");
    if (const auto dtype = ir::dataTypeOf(std::string_view(to).substr(0, to.find(' ')))) {
        type.dtype = *dtype;
    }
    context.setOutput(0, type);
    return support::okStatus();
}

} // namespace

std::vector<OpDef> controlOps() {
    std::vector<OpDef> ops;
    ops.push_back(OpBuilder("convert", "x in another layout, element type or placement. Made by the scheduler alone, "
                                       "on edges between kernels that disagree.")
                      .input("x")
                      .requiredText("to", "what the output is: the element type, if it changes, then the layout")
                      .build(inferConvert));
    OpBuilder fused("fused",
                    "One kernel for the ops of its region, which is what it computes. Made after selection alone.");
    fused.variadicInput("x", "the inputs of the region")
        .text("pattern", "", {}, "who proposed the region")
        .outputs(1, INT32_MAX);
    OpDef fusedDef = fused.build({});
    fusedDef.inputs.back().optional = true;
    ops.push_back(std::move(fusedDef));
    OpBuilder plugin("plugin", "A layer of the user, created by a plugin creator and run in its own process-local "
                               "provider; types come from the plugin.");
    plugin.variadicInput("x")
        .requiredText("type", "the creator's name")
        .text("version", "1", {}, "the creator's version")
        .text("namespace", "", {}, "the creator's namespace")
        .text("data", "", {}, "serialized fields")
        .integer("instance", 0, "which object of the network being built")
        .outputs(1, INT32_MAX);
    OpDef pluginDef = plugin.build({});
    pluginDef.inputs.back().optional = true;
    pluginDef.effect = Effect::kStateful;
    ops.push_back(std::move(pluginDef));
    return ops;
}

} // namespace tenon::ops
