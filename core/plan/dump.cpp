#include "core/plan/dump.h"

#include "core/support/text.h"

namespace tenon::plan {

using support::append;
using support::cat;
using support::join;

namespace {

const char* operatorText(ir::ExprOp op) {
    switch (op) {
    case ir::ExprOp::kSum:
        return "+";
    case ir::ExprOp::kSub:
        return "-";
    case ir::ExprOp::kProd:
        return "*";
    case ir::ExprOp::kEqual:
        return "==";
    case ir::ExprOp::kLess:
        return "<";
    case ir::ExprOp::kFloorDiv:
        return "floor_div";
    case ir::ExprOp::kCeilDiv:
        return "ceil_div";
    case ir::ExprOp::kMod:
        return "mod";
    case ir::ExprOp::kMax:
        return "max";
    case ir::ExprOp::kMin:
        return "min";
    case ir::ExprOp::kSelect:
        return "select";
    case ir::ExprOp::kScaleFloor:
        return "scale_floor";
    case ir::ExprOp::kScaleCeil:
        return "scale_ceil";
    case ir::ExprOp::kScaleRound:
        return "scale_round";
    case ir::ExprOp::kConstant:
    case ir::ExprOp::kSymbol:
        return "";
    }
    return "";
}

// Expressions share operands, so that a printed tree can be exponentially larger than the table: below this depth an
// operand appears by its number.
constexpr int kMaxDepth = 6;

std::string expressionAt(const Plan& plan, ExprIndex index, int depth) {
    if (index < 0 || static_cast<size_t>(index) >= plan.expressions.size()) {
        return "?";
    }
    const ir::ExprNode& node = plan.expressions[static_cast<size_t>(index)];
    const auto operand = [&](int k) { return expressionAt(plan, node.operands[k].id, depth + 1); };
    switch (node.op) {
    case ir::ExprOp::kConstant:
        return cat(node.value);
    case ir::ExprOp::kSymbol:
        return node.value >= 0 && static_cast<size_t>(node.value) < plan.symbols.size()
                   ? plan.symbols[static_cast<size_t>(node.value)].name
                   : "?";
    case ir::ExprOp::kSum:
    case ir::ExprOp::kSub:
    case ir::ExprOp::kProd:
    case ir::ExprOp::kEqual:
    case ir::ExprOp::kLess:
        if (depth >= kMaxDepth) {
            break;
        }
        return cat(depth > 0 ? "(" : "", operand(0), operatorText(node.op), operand(1), depth > 0 ? ")" : "");
    case ir::ExprOp::kMax:
    case ir::ExprOp::kMin:
    case ir::ExprOp::kFloorDiv:
    case ir::ExprOp::kCeilDiv:
    case ir::ExprOp::kMod:
        if (depth >= kMaxDepth) {
            break;
        }
        return cat(operatorText(node.op), '(', operand(0), ", ", operand(1), ')');
    case ir::ExprOp::kSelect:
        if (depth >= kMaxDepth) {
            break;
        }
        return cat("select(", operand(0), ", ", operand(1), ", ", operand(2), ')');
    case ir::ExprOp::kScaleFloor:
    case ir::ExprOp::kScaleCeil:
    case ir::ExprOp::kScaleRound:
        if (depth >= kMaxDepth) {
            break;
        }
        return cat(operatorText(node.op), '(', operand(0), ", ", node.scale, ')');
    }
    return cat('#', index);
}

std::string dimsText(const Plan& plan, const std::vector<ExprIndex>& dims) {
    std::vector<std::string> parts;
    for (const ExprIndex dim : dims) {
        parts.push_back(expressionText(plan, dim));
    }
    return cat('[', join(parts, ","), ']');
}

std::string formatSuffix(const ir::TensorFormat& format) {
    const std::string text = ir::toText(format);
    return text == "linear" ? "" : cat(' ', text);
}

std::string placementSuffix(TnPlacement placement) {
    return placement == TN_PLACEMENT_HOST ? std::string() : cat(" on ", placement);
}

void dumpBinding(std::string& out, const Plan& plan, const PlanBinding& binding) {
    append(out, "  ", binding.isInput ? "input  " : "output ", support::quote(binding.name), ' ',
           ir::nameOf(binding.dtype), dimsText(plan, binding.dims), formatSuffix(binding.format),
           placementSuffix(binding.placement), binding.isShapeInput ? " shape input" : "", '\n');
    for (size_t p = 0; p < binding.profiles.size(); ++p) {
        const auto& range = binding.profiles[p];
        if (range[0] != range[2]) {
            append(out, "    profile ", p, ": ", join(range[0], "x"), " .. ", join(range[1], "x"), " .. ",
                   join(range[2], "x"), '\n');
        }
    }
    for (size_t p = 0; p < binding.profileValues.size(); ++p) {
        const auto& range = binding.profileValues[p];
        append(out, "    values of profile ", p, ": ", join(range[0], ","), " .. ", join(range[1], ","), " .. ",
               join(range[2], ","), '\n');
    }
}

std::string tensorText(const Plan& plan, const PlanTensor& tensor) {
    std::string out = cat('%', tensor.name, ": ", ir::nameOf(tensor.dtype), dimsText(plan, tensor.dims),
                          formatSuffix(tensor.format), placementSuffix(tensor.placement), ' ', nameOf(tensor.role));
    switch (tensor.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput:
        append(out, ' ', tensor.binding);
        break;
    case PlanTensor::Role::kConstant:
        append(out, ' ', tensor.constant);
        break;
    case PlanTensor::Role::kActivation:
        break;
    }
    if (tensor.capacity == kUnbounded) {
        return out + " grows";
    }
    append(out, " @", tensor.offset, '+', tensor.capacity);
    return out;
}

void dumpStep(std::string& out, const Plan& plan, const PlanStep& step, size_t index) {
    append(out, "    ", index, ' ', nameOf(step.kind), ' ', support::quote(step.name), ' ', step.op);
    append(out, " (", join(step.inputs, ","), ") -> (", join(step.outputs, ","), ')');
    if (step.kernel >= 0) {
        append(out, " kernel ", step.kernel, ' ', plan.kernels[static_cast<size_t>(step.kernel)].tactic);
    }
    if ((step.traits & TN_TRAIT_FREE_ALIAS) != 0) {
        append(out, " free");
    }
    if (!step.scalars.empty()) {
        append(out, " scalars ", dimsText(plan, step.scalars));
    }
    if (step.workspaceCapacity > 0) {
        append(out, " workspace @", step.workspaceOffset, '+', step.workspaceCapacity);
    }
    out += placementSuffix(step.placement);
    if (step.stream != 0) {
        append(out, " stream ", step.stream);
    }
    if (!step.sources.empty()) {
        append(out, " from ", join(step.sources, " + "));
    }
    out.push_back('\n');
}

void dumpProgram(std::string& out, const Plan& plan, const PlanProgram& program, const char* what) {
    append(out, what, ' ', support::quote(program.name), ": ", program.steps.size(), " steps, ", program.tensors.size(),
           " tensors, arena ", support::formatBytes(program.arenaBytes));
    for (size_t i = 0; i < program.deviceArenaBytes.size(); ++i) {
        append(out, ", ", support::formatBytes(program.deviceArenaBytes[i]), " on ", i + 1);
    }
    out.push_back('\n');
    for (size_t i = 0; i < program.box.size(); ++i) {
        const SymbolRange& range = program.box[i];
        append(out, "  ", plan.symbols[i].name, " in ", range.min, " .. ", range.opt, " .. ");
        out += range.max == INT64_MAX ? std::string("no bound") : cat(range.max);
        out.push_back('\n');
    }
    out += program.tensors.empty() ? "" : "  tensors\n";
    for (size_t i = 0; i < program.tensors.size(); ++i) {
        append(out, "    ", i, ' ', tensorText(plan, program.tensors[i]), '\n');
    }
    out += program.steps.empty() ? "" : "  steps\n";
    for (size_t i = 0; i < program.steps.size(); ++i) {
        dumpStep(out, plan, program.steps[i], i);
    }
}

} // namespace

const char* nameOf(StepKind kind) {
    switch (kind) {
    case StepKind::kLaunch:
        return "launch";
    case StepKind::kConvert:
        return "convert";
    case StepKind::kCopy:
        return "copy";
    case StepKind::kHostShape:
        return "host_shape";
    case StepKind::kFetch:
        return "fetch";
    case StepKind::kLoop:
        return "loop";
    case StepKind::kBranch:
        return "branch";
    case StepKind::kAllocOutput:
        return "alloc_output";
    case StepKind::kDebugTap:
        return "debug_tap";
    }
    return "?";
}

const char* nameOf(PlanTensor::Role role) {
    switch (role) {
    case PlanTensor::Role::kInput:
        return "input";
    case PlanTensor::Role::kOutput:
        return "output";
    case PlanTensor::Role::kConstant:
        return "constant";
    case PlanTensor::Role::kActivation:
        return "activation";
    }
    return "?";
}

std::string expressionText(const Plan& plan, ExprIndex index) { return expressionAt(plan, index, 0); }

std::string dumpPlan(const Plan& plan) {
    std::string out;
    int64_t weightBytes = 0;
    for (const PlanConstant& constant : plan.constants) {
        weightBytes += constant.bytes;
    }
    append(out, "plan of ", support::quote(plan.networkName), ", written by Tenon ", plan.tenonVersion, ", level ",
           plan.level, '\n');
    append(out, "target ", plan.targetFingerprint, '\n');
    for (size_t i = 0; i < plan.devices.size(); ++i) {
        append(out, "device ", i + 1, ' ', plan.devices[i].backend, ' ', plan.devices[i].fingerprint, '\n');
    }
    if (!plan.contentHash.empty()) {
        append(out, "content ", plan.contentHash, '\n');
    }
    append(out, "graph ", plan.graphText.size(), " bytes, inspector ", plan.inspectorJson.size(), " bytes, ledger ",
           plan.ledgerJson.size(), " bytes\n");
    append(out, "bindings\n");
    for (const PlanBinding& binding : plan.bindings) {
        dumpBinding(out, plan, binding);
    }
    append(out, "requires\n");
    for (const ModuleRequirement& requirement : plan.requirements) {
        append(out, "  module ", requirement.name, ' ', requirement.version, " for runtime ", requirement.runtime,
               ", blob version ", requirement.blobVersion, '\n');
    }
    append(out, "constants: ", plan.constants.size(), ", ", support::formatBytes(weightBytes), '\n');
    for (size_t i = 0; i < plan.constants.size(); ++i) {
        const PlanConstant& constant = plan.constants[i];
        append(out, "  ", i, " %", constant.name, ": ", ir::nameOf(constant.dtype), '[', join(constant.dims, ","), ']',
               formatSuffix(constant.format), constant.derived ? " derived" : "",
               constant.identity.empty() ? "" : cat(" weights ", support::quote(constant.identity)),
               constant.data == nullptr && constant.bytes > 0 ? " left out" : "", '\n');
    }
    append(out, "kernels: ", plan.kernels.size(), '\n');
    for (size_t i = 0; i < plan.kernels.size(); ++i) {
        const PlanKernel& kernel = plan.kernels[i];
        append(out, "  ", i, ' ', kernel.tactic, " on ", kernel.runtime, " v", kernel.blobVersion, ", ",
               kernel.blob == nullptr ? 0 : kernel.blob->size(), " bytes\n");
    }
    for (const PlanProgram& program : plan.programs) {
        dumpProgram(out, plan, program, "program");
    }
    if (!plan.weightProgram.steps.empty()) {
        dumpProgram(out, plan, plan.weightProgram, "weight program");
    }
    return out;
}

} // namespace tenon::plan
