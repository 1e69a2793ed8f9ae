#include "core/ir/editor.h"
#include "core/ops/op_registry.h"

#include <algorithm>

namespace tenon::ops {

using ir::DimExpr;
using ir::Graph;
using ir::Node;
using ir::Value;
using support::Result;
using support::Status;

namespace {

void collectSymbols(const ir::ExprPool& pool, DimExpr e, std::vector<DimExpr>& into) {
    if (!e.valid()) {
        return;
    }
    const ir::ExprNode& node = pool.at(e);
    if (node.op == ir::ExprOp::kSymbol) {
        if (pool.symbols()[static_cast<size_t>(node.value)].source == ir::SymbolSource::kUnbacked &&
            std::find(into.begin(), into.end(), e) == into.end()) {
            into.push_back(e);
        }
        return;
    }
    for (const DimExpr operand : node.operands) {
        collectSymbols(pool, operand, into);
    }
}

std::vector<DimExpr> unbackedOf(const ir::ExprPool& pool, const std::vector<InferInput>& inputs) {
    std::vector<DimExpr> symbols;
    for (const InferInput& input : inputs) {
        for (const DimExpr e : input.type.dims) {
            collectSymbols(pool, e, symbols);
        }
        for (const DimExpr e : input.contents.value_or(std::vector<DimExpr>{})) {
            collectSymbols(pool, e, symbols);
        }
    }
    return symbols;
}

// The unbacked symbols that the node itself introduced when its types were recorded: those of its outputs that no input
// has.
std::vector<DimExpr> ownUnbacked(const Node& node, const std::vector<InferInput>& inputs) {
    const ir::ExprPool& pool = node.graph()->pool();
    const std::vector<DimExpr> foreign = unbackedOf(pool, inputs);
    std::vector<DimExpr> all = foreign;
    for (const Value* output : node.outputs()) {
        for (const DimExpr e : output->type().dims) {
            collectSymbols(pool, e, all);
        }
    }
    return {all.begin() + static_cast<std::ptrdiff_t>(foreign.size()), all.end()};
}

InferInput inputOf(const Value* value) {
    InferInput input;
    if (value != nullptr) {
        input.present = true;
        input.type = value->type();
        input.contents = value->contents();
        input.constant = value->constant();
    }
    return input;
}

InferOutput recorded(const Value* value) { return {true, value->type(), value->contents()}; }

Result<std::vector<InferOutput>> inferWith(const OpRegistry& registry, const Node& node,
                                           std::vector<InferInput> inputs);

// Types of a body's outputs for these types of its inputs; changes nothing.
Result<std::vector<InferOutput>> inferBody(const OpRegistry& registry, const Graph& body,
                                           const std::vector<InferInput>& inputs) {
    if (inputs.size() != body.inputs().size()) {
        return support::invalidArgument("region @", body.name(), " has ", body.inputs().size(),
                                        " inputs, the node has ", inputs.size());
    }
    std::vector<InferInput> known(static_cast<size_t>(body.valueIdEnd()));
    for (size_t i = 0; i < inputs.size(); ++i) {
        known[static_cast<size_t>(body.inputs()[i]->id())] = inputs[i];
    }
    for (const Node* node : body.nodes()) {
        std::vector<InferInput> operands;
        for (const Value* value : node->inputs()) {
            operands.push_back(value != nullptr ? known[static_cast<size_t>(value->id())] : InferInput{});
        }
        TN_ASSIGN_OR_RETURN(auto outputs, inferWith(registry, *node, std::move(operands)));
        for (size_t i = 0; i < outputs.size(); ++i) {
            const Value* value = node->output(i);
            known[static_cast<size_t>(value->id())] = {true, std::move(outputs[i].type), std::move(outputs[i].contents),
                                                       value->constant()};
        }
    }
    std::vector<InferOutput> results;
    for (const Value* value : body.outputs()) {
        InferInput& result = known[static_cast<size_t>(value->id())];
        results.push_back({true, result.type, result.contents});
    }
    return results;
}

Result<std::vector<InferOutput>> inferOutputs(const OpRegistry& registry, const Node& node,
                                              std::vector<InferInput> inputs) {
    const OpDef* def = registry.find(node.op());
    if (def == nullptr) {
        return support::notFound("there is no op '", node.op(), "'; a module that defines it may be missing");
    }
    if (!def->infer) {
        TN_RETURN_IF_ERROR(registry.check(*def, node.attributes(), node.inputs().size(), node.outputs().size()));
        if (node.regions().empty()) {
            if (def->name == "fused") {
                return support::invalidArgument("fused: the node has no region");
            }
            std::vector<InferOutput> outputs;
            for (const Value* value : node.outputs()) {
                outputs.push_back(recorded(value));
            }
            return outputs;
        }
        TN_ASSIGN_OR_RETURN(auto outputs, inferBody(registry, *node.regions()[0], inputs));
        if (outputs.size() != node.outputs().size()) {
            return support::invalidArgument(node.op(), ": its region yields ", outputs.size(), " values, the node has ",
                                            node.outputs().size(), " outputs");
        }
        return outputs;
    }
    std::vector<DimExpr> unbacked = ownUnbacked(node, inputs);
    InferContext context(node.attributes(), std::move(inputs), node.outputs().size(), node.graph()->pool());
    context.reuseUnbacked(std::move(unbacked));
    TN_RETURN_IF_ERROR(registry.infer(*def, context));
    return context.outputs();
}

Result<std::vector<InferOutput>> inferWith(const OpRegistry& registry, const Node& node,
                                           std::vector<InferInput> inputs) {
    auto outputs = inferOutputs(registry, node, std::move(inputs));
    if (outputs.ok()) {
        return outputs;
    }
    const std::string source = node.source().joined();
    return std::move(outputs).withContext(source.empty() || source == node.name()
                                              ? support::cat("while inferring node '", node.name(), "'")
                                              : support::cat("while inferring node '", node.name(), "' of ", source));
}

// What inference says, with what is recorded where inference says nothing: no extent, or only a symbol that the node
// itself introduces.
ir::TensorType merged(const ir::TensorType& old, ir::TensorType inferred, const ir::ExprPool& pool,
                      const std::vector<DimExpr>& foreign) {
    if (old.kind != inferred.kind || !old.ranked) {
        return inferred;
    }
    if (!inferred.ranked) {
        inferred.ranked = true;
        inferred.dims = old.dims;
        return inferred;
    }
    for (size_t i = 0; i < inferred.dims.size() && old.dims.size() == inferred.dims.size(); ++i) {
        const DimExpr e = inferred.dims[i];
        std::vector<DimExpr> symbols;
        collectSymbols(pool, e, symbols);
        const bool isOwn =
            symbols.size() == 1 && symbols[0] == e && std::find(foreign.begin(), foreign.end(), e) == foreign.end();
        if (old.dims[i].valid() && (!e.valid() || isOwn)) {
            inferred.dims[i] = old.dims[i];
        }
    }
    return inferred;
}

void write(ir::GraphEditor& editor, Value* value, const InferOutput& inferred, const ir::TensorType& type) {
    const bool sameType = type == value->type();
    if (!sameType) {
        editor.setType(value, type);
    }
    if (inferred.contents ? inferred.contents != value->contents() : !sameType && value->contents().has_value()) {
        editor.setContents(value, inferred.contents);
    }
}

std::vector<InferInput> inputsOf(const Node& node) {
    std::vector<InferInput> inputs;
    for (const Value* value : node.inputs()) {
        inputs.push_back(inputOf(value));
    }
    return inputs;
}

} // namespace

Result<std::vector<InferOutput>> inferNode(const OpRegistry& registry, const Node& node) {
    return inferWith(registry, node, inputsOf(node));
}

Status inferGraph(const OpRegistry& registry, Graph& graph) {
    ir::GraphEditor editor(graph);
    for (Node* node : graph.nodes()) {
        for (const auto& region : node->regions()) {
            ir::GraphEditor inner(*region);
            for (size_t i = 0; i < region->inputs().size() && i < node->inputs().size(); ++i) {
                if (const Value* outer = node->input(i)) {
                    inner.setType(region->inputs()[i], outer->type());
                    inner.setContents(region->inputs()[i], outer->contents());
                }
            }
            TN_RETURN_IF_ERROR(
                inferGraph(registry, *region).withContext(support::cat("in the region of node '", node->name(), "'")));
        }
        std::vector<InferInput> inputs = inputsOf(*node);
        const std::vector<DimExpr> foreign = unbackedOf(graph.pool(), inputs);
        TN_ASSIGN_OR_RETURN(const auto outputs, inferWith(registry, *node, std::move(inputs)));
        for (size_t i = 0; i < outputs.size(); ++i) {
            Value* value = node->output(i);
            write(editor, value, outputs[i], merged(value->type(), outputs[i].type, graph.pool(), foreign));
        }
    }
    return support::okStatus();
}

} // namespace tenon::ops
