#include "backends/common/kernel_table.h"

namespace tenon::kernels {

const KernelDef* KernelTable::find(std::string_view op) const {
    const auto found = mDefs.find(op);
    return found == mDefs.end() ? nullptr : &found->second;
}

const KernelDef& KernelTable::require(const module::NodeView& node) const {
    const KernelDef* def = find(node.op());
    if (def == nullptr) {
        refuse("no kernel for the op ", node.op());
    }
    if (node.regionCount() != 0) {
        refuse(node.op(), " has regions; only ops without them are supported");
    }
    const int32_t inputs = node.inputCount();
    if (inputs < def->minInputs || (def->maxInputs >= 0 && inputs > def->maxInputs)) {
        refuse(node.op(), " with ", inputs, " inputs; supported are ", def->minInputs, " to ",
               def->maxInputs < 0 ? std::string("any number") : std::to_string(def->maxInputs));
    }
    for (int32_t i = 0; i < def->minInputs; ++i) {
        if (!node.hasInput(i)) {
            refuse(node.op(), " without its input ", i);
        }
    }
    for (int32_t i = 0; i < inputs; ++i) {
        if (node.hasInput(i) && (!node.input(i).isTensor() || !node.input(i).hasRank())) {
            refuse(node.op(), ": input ", i, " is no tensor of known rank");
        }
    }
    if (def->minInputs > 0) {
        requireType(node, 0, def->types);
    }
    if (node.outputCount() < 1 || node.outputIndex(0) < 0) {
        refuse(node.op(), " without its output");
    }
    for (int32_t o = 0; o < node.outputCount(); ++o) {
        if (node.outputIndex(o) >= 0 && (!node.output(o).isTensor() || !node.output(o).hasRank())) {
            refuse(node.op(), ": output ", o, " is no tensor of known rank");
        }
    }
    const TnDataType output = node.output(0).dtype();
    TnDataType wanted = output;
    switch (def->output) {
    case OutputRule::kLikeInput0:
        wanted = node.input(0).dtype();
        break;
    case OutputRule::kTruth:
        wanted = TN_BOOL;
        break;
    case OutputRule::kIndex:
        wanted = TN_I64;
        break;
    case OutputRule::kAny:
        break;
    }
    if (output != wanted) {
        refuse(node.op(), " with an output of ", nameOf(output), "; supported is ", nameOf(wanted));
    }
    if (def->check != nullptr) {
        def->check(node);
    }
    return *def;
}

void requireType(const module::NodeView& node, int32_t input, TypeMask types) {
    if (node.hasInput(input) && !contains(types, node.input(input).dtype())) {
        refuse(node.op(), " of ", nameOf(node.input(input).dtype()), " (input ", input, "); supported are ",
               namesOf(types));
    }
}

void requireSameTypes(const module::NodeView& node) {
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        if (node.hasInput(i) && node.input(i).dtype() != node.input(0).dtype()) {
            refuse(node.op(), " of ", nameOf(node.input(0).dtype()), " and ", nameOf(node.input(i).dtype()),
                   "; all inputs must have one element type");
        }
    }
}

} // namespace tenon::kernels
