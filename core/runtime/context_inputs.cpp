#include "core/runtime/context_inputs.h"

#include "core/support/text.h"

#include <algorithm>
#include <cstring>

namespace tenon::runtime {

using support::cat;
using support::invalidArgument;
using support::Result;
using support::Status;

ContextInputs::ContextInputs(const LoadedPlan& plan) : mPlan(plan), mInputs(plan.plan().bindings.size()) {
    for (size_t i = 0; i < mInputs.size(); ++i) {
        mInputs[i].isShapeInput = plan.plan().bindings[i].isShapeInput;
    }
}

void ContextInputs::select(int32_t profile) {
    mProfile = profile;
    for (int32_t i = 0; i < mPlan.inputCount(); ++i) {
        Input& input = mInputs[static_cast<size_t>(i)];
        input.dims.clear();
        input.hasValues = false;
        for (const plan::ExprIndex dim : bindingAt(i).dims) {
            const ir::ExprNode& node = mPlan.plan().expressions[static_cast<size_t>(dim)];
            input.dims.push_back(node.op == ir::ExprOp::kConstant ? node.value : -1);
        }
    }
}

Status ContextInputs::checkShape(int32_t index, std::span<const int64_t> dims) const {
    const plan::PlanBinding& binding = bindingAt(index);
    if (dims.size() != binding.dims.size()) {
        return invalidArgument("input '", binding.name, "' has ", binding.dims.size(), " dimensions, the shape [",
                               support::join(dims, ","), "] has ", dims.size());
    }
    const auto& range = binding.profiles[static_cast<size_t>(mProfile)];
    for (size_t d = 0; d < dims.size(); ++d) {
        const ir::ExprNode& node = mPlan.plan().expressions[static_cast<size_t>(binding.dims[d])];
        const bool fixed = node.op == ir::ExprOp::kConstant;
        const int64_t least = fixed ? node.value : range[0][d];
        const int64_t most = fixed ? node.value : range[2][d];
        if (dims[d] >= least && dims[d] <= most) {
            continue;
        }
        const std::string name =
            d < binding.dimNames.size() && !binding.dimNames[d].empty() ? cat(" ('", binding.dimNames[d], "')") : "";
        if (least == most) {
            return invalidArgument("input '", binding.name, "': dimension ", d, name, " is ", dims[d], ", it must be ",
                                   least, fixed ? "" : cat(" in profile ", mProfile));
        }
        return invalidArgument("input '", binding.name, "': dimension ", d, name, " is ", dims[d], ", profile ",
                               mProfile, " allows ", least, " to ", most,
                               ". Select another profile, or build the plan with one that has this extent in it");
    }
    return {};
}

Result<bool> ContextInputs::setShape(int32_t binding, std::span<const int64_t> dims) {
    TN_RETURN_IF_ERROR(checkShape(binding, dims));
    Input& input = mInputs[static_cast<size_t>(binding)];
    const bool changed = !std::equal(dims.begin(), dims.end(), input.dims.begin(), input.dims.end());
    input.dims.assign(dims.begin(), dims.end());
    return changed;
}

Status ContextInputs::checkValues(int32_t index, std::span<const int64_t> values) const {
    const plan::PlanBinding& binding = bindingAt(index);
    const auto& range = binding.profileValues[static_cast<size_t>(mProfile)];
    if (values.size() != range[0].size()) {
        return invalidArgument("shape input '", binding.name, "' has ", range[0].size(), " elements, ", values.size(),
                               " were given");
    }
    for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] < range[0][i] || values[i] > range[2][i]) {
            return invalidArgument("shape input '", binding.name, "': element ", i, " is ", values[i], ", profile ",
                                   mProfile, " allows ", range[0][i], " to ", range[2][i],
                                   ". Select another profile, or build the plan with one that has this value in it");
        }
    }
    return {};
}

void ContextInputs::setValues(int32_t binding, std::span<const int64_t> values) {
    Input& input = mInputs[static_cast<size_t>(binding)];
    input.values.assign(values.begin(), values.end());
    input.contents.assign(values.size(), 0);
    if (bindingAt(binding).dtype == ir::DataType::kI32) {
        for (size_t i = 0; i < values.size(); ++i) {
            const auto value = static_cast<int32_t>(values[i]);
            std::memcpy(reinterpret_cast<std::byte*>(input.contents.data()) + i * sizeof(value), &value, sizeof(value));
        }
    } else {
        input.contents = input.values;
    }
    input.hasValues = true;
    input.fromAddress = false;
}

Result<bool> ContextInputs::readValues(const std::vector<void*>& addresses) {
    bool anyChanged = false;
    for (int32_t i = 0; i < mPlan.inputCount(); ++i) {
        Input& input = mInputs[static_cast<size_t>(i)];
        if (!input.isShapeInput || !input.fromAddress) {
            continue;
        }
        const auto* const bytes = static_cast<const std::byte*>(addresses[static_cast<size_t>(i)]);
        const size_t count = bindingAt(i).profileValues[static_cast<size_t>(mProfile)][0].size();
        const bool narrow = bindingAt(i).dtype == ir::DataType::kI32;
        const auto elementAt = [&](size_t k) {
            int64_t wide = 0;
            int32_t half = 0;
            if (narrow) {
                std::memcpy(&half, bytes + k * sizeof(half), sizeof(half));
                return int64_t{half};
            }
            std::memcpy(&wide, bytes + k * sizeof(wide), sizeof(wide));
            return wide;
        };
        bool changed = !input.hasValues || input.values.size() != count;
        for (size_t k = 0; k < count && !changed; ++k) {
            changed = elementAt(k) != input.values[k];
        }
        if (!changed) {
            continue;
        }
        std::vector<int64_t> values(count);
        for (size_t k = 0; k < count; ++k) {
            values[k] = elementAt(k);
        }
        TN_RETURN_IF_ERROR(checkValues(i, values));
        input.values = std::move(values);
        input.hasValues = true;
        anyChanged = true;
    }
    return anyChanged;
}

std::vector<int32_t> ContextInputs::missing() const {
    std::vector<int32_t> unsetInputs;
    for (int32_t i = 0; i < mPlan.inputCount(); ++i) {
        const Input& input = mInputs[static_cast<size_t>(i)];
        const bool unset = std::find(input.dims.begin(), input.dims.end(), -1) != input.dims.end();
        if (unset || (input.isShapeInput && !input.hasValues && !input.fromAddress)) {
            unsetInputs.push_back(i);
        }
    }
    return unsetInputs;
}

Status ContextInputs::require() const {
    const std::vector<int32_t> unset = missing();
    if (unset.empty()) {
        return {};
    }
    std::vector<std::string> names;
    for (const int32_t index : unset) {
        const Input& input = mInputs[static_cast<size_t>(index)];
        const bool shape = std::find(input.dims.begin(), input.dims.end(), -1) != input.dims.end();
        names.push_back(cat("'", bindingAt(index).name, "'", shape ? "" : " (its values)"));
    }
    return invalidArgument("the shape of input ", support::join(names, ", "), " is not set in profile ", mProfile,
                           ": call setInputShape for every dynamic input, and bind every shape input, before this");
}

Status ContextInputs::checkShared(std::span<const int64_t> symbols) const {
    const plan::Plan& plan = mPlan.plan();
    for (int32_t i = 0; i < mPlan.inputCount(); ++i) {
        const plan::PlanBinding& binding = bindingAt(i);
        for (size_t d = 0; d < binding.dims.size(); ++d) {
            const ir::ExprNode& node = plan.expressions[static_cast<size_t>(binding.dims[d])];
            if (node.op != ir::ExprOp::kSymbol) {
                continue;
            }
            const ir::Symbol& symbol = plan.symbols[static_cast<size_t>(node.value)];
            const int64_t value = mInputs[static_cast<size_t>(i)].dims[d];
            if (value != symbols[static_cast<size_t>(node.value)]) {
                return invalidArgument("input '", binding.name, "': dimension ", d, " is ", value,
                                       ", but it is the same '", symbol.name, "' as dimension ", symbol.index,
                                       " of input '", bindingAt(symbol.input).name, "', which is ",
                                       symbols[static_cast<size_t>(node.value)]);
            }
        }
    }
    return {};
}

Status ContextInputs::solve(std::span<int64_t> symbols) const {
    const plan::Plan& plan = mPlan.plan();
    const std::vector<plan::SymbolRange>& box = plan.programs[static_cast<size_t>(mProfile)].box;
    for (size_t i = 0; i < plan.symbols.size(); ++i) {
        const ir::Symbol& symbol = plan.symbols[i];
        const auto index = static_cast<size_t>(symbol.index);
        switch (symbol.source) {
        // Inputs are the first bindings, so that the number of an input is that of its binding.
        case ir::SymbolSource::kInputDim:
            symbols[i] = mInputs[static_cast<size_t>(symbol.input)].dims[index];
            break;
        case ir::SymbolSource::kInputElement:
            symbols[i] = mInputs[static_cast<size_t>(symbol.input)].values[index];
            break;
        case ir::SymbolSource::kUnbacked:
            symbols[i] = box[i].max;
            continue;
        }
        if (symbols[i] < box[i].min || symbols[i] > box[i].max) {
            const bool element = symbol.source == ir::SymbolSource::kInputElement;
            return invalidArgument("input '", bindingAt(symbol.input).name, "': ", element ? "element " : "dimension ",
                                   symbol.index, " is ", symbols[i], ", profile ", mProfile, " allows ", box[i].min,
                                   " to ", box[i].max, " for '", symbol.name, "'");
        }
    }
    return checkShared(symbols);
}

} // namespace tenon::runtime
