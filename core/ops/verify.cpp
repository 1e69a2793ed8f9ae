#include "core/ops/verify.h"

#include "core/ops/extent_math.h"

namespace tenon::ops {

using ir::Graph;
using ir::Node;
using ir::TensorType;
using support::cat;
using support::internalError;
using support::Status;

namespace {

std::string textOf(const ExtentMath& math, const TensorType& type) {
    return cat(ir::nameOf(type.dtype), type.ranked ? math.text(type.dims) : "[unknown rank]");
}

bool compatible(const ExtentMath& math, const TensorType& recorded, const TensorType& inferred) {
    if (recorded.kind != inferred.kind || recorded.dtype != inferred.dtype) {
        return false;
    }
    if (!recorded.ranked || !inferred.ranked) {
        return true;
    }
    if (recorded.dims.size() != inferred.dims.size()) {
        return false;
    }
    for (size_t i = 0; i < recorded.dims.size(); ++i) {
        if (math.differSurely(recorded.dims[i], inferred.dims[i])) {
            return false;
        }
    }
    return true;
}

Status verifyContents(const ExtentMath& math, const ir::Value& value, const InferOutput& inferred) {
    if (!value.contents() || !inferred.contents) {
        return support::okStatus();
    }
    bool agree = value.contents()->size() == inferred.contents->size();
    for (size_t i = 0; agree && i < inferred.contents->size(); ++i) {
        agree = !math.differSurely((*value.contents())[i], (*inferred.contents)[i]);
    }
    if (agree) {
        return support::okStatus();
    }
    return internalError("value '", value.name(), "' is recorded with the contents ", math.text(*value.contents()),
                         ", but inference gives ", math.text(*inferred.contents));
}

Status verifyRegion(const OpRegistry& registry, const ExtentMath& math, const Node& node, const Graph& region) {
    if (region.inputs().size() != node.inputs().size() || region.outputs().size() != node.outputs().size()) {
        return internalError("its region has ", region.inputs().size(), " inputs and ", region.outputs().size(),
                             " outputs, the node ", node.inputs().size(), " and ", node.outputs().size());
    }
    for (size_t i = 0; i < region.inputs().size(); ++i) {
        const ir::Value* outer = node.input(i);
        if (outer != nullptr && !compatible(math, region.inputs()[i]->type(), outer->type())) {
            return internalError("input ", i, " of its region is ", textOf(math, region.inputs()[i]->type()),
                                 ", but operand ", i, " is ", textOf(math, outer->type()));
        }
    }
    return verifyOps(registry, region).withContext("in its region");
}

Status verifyNode(const OpRegistry& registry, const ExtentMath& math, const Node& node) {
    for (const auto& region : node.regions()) {
        TN_RETURN_IF_ERROR(verifyRegion(registry, math, node, *region));
    }
    TN_ASSIGN_OR_RETURN(const auto outputs, inferNode(registry, node));
    for (size_t i = 0; i < outputs.size(); ++i) {
        const ir::Value& value = *node.output(i);
        if (!compatible(math, value.type(), outputs[i].type)) {
            return internalError("output ", i, " ('", value.name(), "') is recorded as ", textOf(math, value.type()),
                                 ", but inference gives ", textOf(math, outputs[i].type));
        }
        TN_RETURN_IF_ERROR(verifyContents(math, value, outputs[i]));
    }
    return support::okStatus();
}

} // namespace

Status verifyOps(const OpRegistry& registry, const Graph& graph) {
    const ExtentMath math(graph.pool());
    for (const Node* node : graph.nodes()) {
        TN_RETURN_IF_ERROR(verifyNode(registry, math, *node)
                               .withContext(cat("while verifying node '", node->name(), "' (", node->op(), ")")));
    }
    return support::okStatus();
}

} // namespace tenon::ops
