#include "backends/cpu/brain_tactics.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// Ops whose kernels read and write each tensor in its own type, and their operands that are such tensors.
int32_t tensorsOf(std::string_view op) {
    static constexpr std::string_view kOfOne[] = {"layer_norm", "rms_norm",  "softmax",   "reshape", "flatten",
                                                  "squeeze",    "unsqueeze", "transpose", "slice"};
    return op == "attention" ? 3 : std::find(std::begin(kOfOne), std::end(kOfOne), op) != std::end(kOfOne) ? 1 : 0;
}

} // namespace

std::optional<module::Tactic> brainTactic(const Method& method, const module::TargetView& target,
                                          const module::TaskView& task, const module::Tactic& tactic) {
    if (method.brain == Method::Brain::kNever || method.brain == Method::Brain::kItself ||
        !task.mayComputeIn(TN_BF16) || !target.hasIsa("avx512_bf16")) {
        return std::nullopt;
    }
    const auto inputs = static_cast<int32_t>(tactic.inputs.size());
    const int32_t tensors = method.brain == Method::Brain::kByOp ? std::min(tensorsOf(task.op()), inputs) : inputs;
    module::Tactic narrow = tactic;
    bool any = false;
    for (int32_t i = 0; i < tensors; ++i) {
        const module::ValueView value = task.input(i);
        if (value.dtype() == TN_F32 && !value.isConstant()) {
            narrow.inputs[static_cast<size_t>(i)].dtype = TN_BF16;
            any = true;
        } else if (method.brain == Method::Brain::kByOp) {
            return std::nullopt;
        }
    }
    for (TnPortFormat& port : narrow.outputs) {
        if (port.dtype != TN_F32 || !any) {
            return std::nullopt;
        }
        port.dtype = TN_BF16;
    }
    narrow.name += " bf16";
    narrow.traits &= ~TN_TRAIT_EXACT_MATH;
    return narrow;
}

} // namespace tenon::cpu
