#include "core/plan/verify.h"

#include "core/plan/expression_table.h"
#include "core/plan/tensor_span.h"
#include "core/plan/verify_rules.h"
#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

namespace tenon::plan {

using support::cat;
using support::invalidFile;
using support::Status;

std::string indexed(const char* what, size_t index, const std::string& name) {
    return cat(what, ' ', index, " '", name.substr(0, 200), "'");
}

Status checkIndices(const Plan& plan, const std::vector<ExprIndex>& list, const std::string& where) {
    for (const ExprIndex index : list) {
        if (!inRange(index, plan.expressions.size())) {
            return invalidFile(where, " refers to expression ", index, " of ", plan.expressions.size());
        }
    }
    return {};
}

Status checkPlacement(const Plan& plan, TnPlacement placement, const std::string& where) {
    if (placement != TN_PLACEMENT_HOST && !inRange(int64_t{placement} - 1, plan.devices.size())) {
        return invalidFile(where, " is at placement ", placement, "; the plan has the host and ", plan.devices.size(),
                           " devices");
    }
    return {};
}

namespace {

constexpr int32_t kMaxDevices = 30;
constexpr int64_t kMaxPrograms = 4096;
constexpr int64_t kMaxShapeElements = 64 * 1024;
constexpr size_t kMaxName = 64 * 1024;

class Checker {
public:
    explicit Checker(const Plan& plan) : mPlan(plan) {}
    Status check();

private:
    Status checkSymbols();
    Status checkExpressions();
    Status checkBindings();
    Status checkBinding(const PlanBinding& binding, const std::string& where);
    Status checkProfiles(const PlanBinding& binding, const std::string& where);
    Status checkConstants();
    Status checkKernels();
    Status checkDevices();

    const Plan& mPlan;
    std::vector<int32_t> mInputBindings; // binding of the n-th input
};

Status Checker::checkSymbols() {
    std::set<std::string_view> names;
    for (size_t i = 0; i < mPlan.symbols.size(); ++i) {
        const ir::Symbol& symbol = mPlan.symbols[i];
        const std::string where = indexed("symbol", i, symbol.name);
        if (symbol.name.empty() || symbol.name.size() > kMaxName || !names.insert(symbol.name).second) {
            return invalidFile(where, ": its name is empty, too long or used twice");
        }
        switch (symbol.source) {
        case ir::SymbolSource::kInputDim:
        case ir::SymbolSource::kInputElement: {
            if (!inRange(symbol.input, mInputBindings.size())) {
                return invalidFile(where, " comes from input ", symbol.input, ", the plan has ", mInputBindings.size());
            }
            const PlanBinding& binding =
                mPlan.bindings[static_cast<size_t>(mInputBindings[static_cast<size_t>(symbol.input)])];
            const bool element = symbol.source == ir::SymbolSource::kInputElement;
            if (element != binding.isShapeInput && element) {
                return invalidFile(where, " is an element of input '", binding.name, "', which is no shape input");
            }
            if (symbol.index < 0 ||
                (element ? symbol.index >= kMaxShapeElements : !inRange(symbol.index, binding.dims.size()))) {
                return invalidFile(where, " is ", element ? "element " : "dimension ", symbol.index, " of input '",
                                   binding.name, "', which has no such one");
            }
            break;
        }
        case ir::SymbolSource::kUnbacked:
            break;
        }
    }
    return {};
}

Status Checker::checkExpressions() {
    for (size_t i = 0; i < mPlan.expressions.size(); ++i) {
        const ir::ExprNode& node = mPlan.expressions[i];
        if (node.op == ir::ExprOp::kSymbol && !inRange(node.value, mPlan.symbols.size())) {
            return invalidFile("expression ", i, " reads symbol ", node.value, " of ", mPlan.symbols.size());
        }
        const int32_t operands = operandCount(node.op);
        for (int32_t k = 0; k < 3; ++k) {
            const int32_t operand = node.operands[k].id;
            if (k < operands ? !inRange(operand, i) : operand != -1) {
                return invalidFile("expression ", i, " has operand ", operand, " at position ", k,
                                   "; operands are earlier expressions, and -1 where there is none");
            }
        }
        if (!std::isfinite(node.scale)) {
            return invalidFile("expression ", i, " has scale ", node.scale);
        }
    }
    return {};
}

Status checkRange(const std::array<std::vector<int64_t>, 3>& range, size_t count, const std::string& where) {
    for (const std::vector<int64_t>& values : range) {
        if (values.size() != count) {
            return invalidFile(where, " has ", values.size(), " values where ", count, " are needed");
        }
    }
    for (size_t i = 0; i < count; ++i) {
        if (range[0][i] > range[1][i] || range[1][i] > range[2][i]) {
            return invalidFile(where, ", position ", i, ": minimum ", range[0][i], ", optimum ", range[1][i],
                               " and maximum ", range[2][i], " are not in order");
        }
    }
    return {};
}

Status Checker::checkProfiles(const PlanBinding& binding, const std::string& where) {
    const size_t wanted = binding.isInput ? mPlan.programs.size() : 0;
    const size_t wantedValues = binding.isShapeInput ? mPlan.programs.size() : 0;
    if (binding.profiles.size() != wanted || binding.profileValues.size() != wantedValues) {
        return invalidFile(where, " has ", binding.profiles.size(), " profiles of extents and ",
                           binding.profileValues.size(), " of values; ", wanted, " and ", wantedValues, " are needed");
    }
    for (size_t p = 0; p < wanted; ++p) {
        TN_RETURN_IF_ERROR(checkRange(binding.profiles[p], binding.dims.size(), cat(where, ", profile ", p)));
        for (const int64_t extent : binding.profiles[p][0]) {
            if (extent < 0) {
                return invalidFile(where, ", profile ", p, " has a negative extent");
            }
        }
    }
    int64_t elements = 1;
    if (binding.isShapeInput) {
        for (const ExprIndex dim : binding.dims) {
            const ir::ExprNode& node = mPlan.expressions[static_cast<size_t>(dim)];
            if (node.op != ir::ExprOp::kConstant || node.value < 0 || node.value > kMaxShapeElements) {
                return invalidFile(where, " is a shape input, so that its extents must be constants of at most ",
                                   kMaxShapeElements);
            }
            elements = std::min(elements * node.value, kMaxShapeElements + 1);
        }
        if (binding.dims.size() > 1 || elements > kMaxShapeElements) {
            return invalidFile(where, " is a shape input, so that it must be a scalar or a vector");
        }
        for (const ir::Symbol& symbol : mPlan.symbols) {
            if (symbol.source == ir::SymbolSource::kInputElement && symbol.index >= elements &&
                &mPlan.bindings[static_cast<size_t>(mInputBindings[static_cast<size_t>(symbol.input)])] == &binding) {
                return invalidFile("symbol '", symbol.name, "' is element ", symbol.index, " of ", where,
                                   ", which has ", elements);
            }
        }
    }
    for (size_t p = 0; p < wantedValues; ++p) {
        TN_RETURN_IF_ERROR(
            checkRange(binding.profileValues[p], static_cast<size_t>(elements), cat(where, ", values of profile ", p)));
    }
    return {};
}

Status Checker::checkBinding(const PlanBinding& binding, const std::string& where) {
    if (binding.dtype == ir::DataType::kString) {
        return invalidFile(where, " has strings, which a plan cannot hold");
    }
    if (const std::string problem = formatProblem(binding.format, static_cast<int64_t>(binding.dims.size()));
        !problem.empty()) {
        return invalidFile(where, ": ", problem);
    }
    if (!binding.dimNames.empty() && binding.dimNames.size() != binding.dims.size()) {
        return invalidFile(where, " has ", binding.dims.size(), " dimensions and ", binding.dimNames.size(),
                           " names for them");
    }
    TN_RETURN_IF_ERROR(checkIndices(mPlan, binding.dims, where));
    TN_RETURN_IF_ERROR(checkPlacement(mPlan, binding.placement, where));
    if (binding.isShapeInput) {
        const bool integer = binding.dtype == ir::DataType::kI32 || binding.dtype == ir::DataType::kI64;
        if (!binding.isInput || !integer || !ir::isLinear(binding.format) || binding.placement != TN_PLACEMENT_HOST) {
            return invalidFile(where,
                               " is marked as a shape input, which must be a linear i32 or i64 input in host memory");
        }
    }
    for (const ExprIndex dim : binding.dims) {
        const ir::ExprNode& node = mPlan.expressions[static_cast<size_t>(dim)];
        if (binding.isInput && node.op != ir::ExprOp::kConstant && node.op != ir::ExprOp::kSymbol) {
            return invalidFile(where, " has an extent that is neither a constant nor a symbol");
        }
        if (binding.isInput && node.op == ir::ExprOp::kSymbol &&
            mPlan.symbols[static_cast<size_t>(node.value)].source != ir::SymbolSource::kInputDim) {
            return invalidFile(where, " has an extent that no input's extent gives");
        }
    }
    return checkProfiles(binding, where);
}

Status Checker::checkBindings() {
    std::set<std::string_view> names;
    bool outputs = false;
    for (size_t i = 0; i < mPlan.bindings.size(); ++i) {
        const PlanBinding& binding = mPlan.bindings[i];
        const std::string where = indexed("binding", i, binding.name);
        if (binding.name.empty() || binding.name.size() > kMaxName || !names.insert(binding.name).second) {
            return invalidFile(where, ": its name is empty, too long or used twice");
        }
        if (binding.isInput && outputs) {
            return invalidFile(where, " is an input after an output; inputs come first");
        }
        outputs = outputs || !binding.isInput;
        TN_RETURN_IF_ERROR(checkBinding(binding, where));
    }
    return {};
}

Status Checker::checkConstants() {
    for (size_t i = 0; i < mPlan.constants.size(); ++i) {
        const PlanConstant& constant = mPlan.constants[i];
        const std::string where = indexed("constant", i, constant.name);
        if (constant.dtype == ir::DataType::kString) {
            return invalidFile(where, " has strings, which a plan cannot hold");
        }
        if (const std::string problem = formatProblem(constant.format, static_cast<int64_t>(constant.dims.size()));
            !problem.empty()) {
            return invalidFile(where, ": ", problem);
        }
        const int64_t bytes = ir::bytesOf(constant.format, constant.dtype, constant.dims.data());
        if (bytes < 0 || bytes != constant.bytes) {
            return invalidFile(where, " has ", constant.bytes, " bytes; its type and extents make ", bytes);
        }
    }
    return {};
}

Status Checker::checkKernels() {
    std::set<std::pair<std::string_view, uint32_t>> covered;
    for (const ModuleRequirement& requirement : mPlan.requirements) {
        if (requirement.name.empty() || requirement.runtime.empty()) {
            return invalidFile("a module requirement has no name or no kernel runtime");
        }
        covered.emplace(requirement.runtime, requirement.blobVersion);
    }
    for (size_t i = 0; i < mPlan.kernels.size(); ++i) {
        const PlanKernel& kernel = mPlan.kernels[i];
        const std::string where = indexed("kernel", i, kernel.tactic);
        if (kernel.runtime.empty() || kernel.runtime.size() > 256) {
            return invalidFile(where, " names no kernel runtime");
        }
        if (kernel.blob == nullptr) {
            return invalidFile(where, " has no blob");
        }
        if (covered.count({kernel.runtime, kernel.blobVersion}) == 0) {
            return invalidFile(where, " needs kernel runtime '", kernel.runtime, "', blob version ", kernel.blobVersion,
                               ", which the plan's module requirements do not have");
        }
    }
    return {};
}

Status Checker::checkDevices() {
    std::set<std::string_view> backends;
    for (size_t i = 0; i < mPlan.devices.size(); ++i) {
        const std::string& backend = mPlan.devices[i].backend;
        if (backend.empty() || backend.size() > 256 || !backends.insert(backend).second ||
            i >= static_cast<size_t>(kMaxDevices)) {
            return invalidFile("device ", i, " names no backend or one used before, or there are more than ",
                               kMaxDevices);
        }
    }
    return {};
}

Status Checker::check() {
    if (mPlan.programs.empty() || mPlan.programs.size() > kMaxPrograms) {
        return invalidFile("the plan has ", mPlan.programs.size(), " programs; 1 to ", kMaxPrograms, " are possible");
    }
    for (size_t i = 0; i < mPlan.bindings.size(); ++i) {
        if (mPlan.bindings[i].isInput) {
            mInputBindings.push_back(static_cast<int32_t>(i));
        }
    }
    TN_RETURN_IF_ERROR(checkDevices());
    TN_RETURN_IF_ERROR(checkSymbols());
    TN_RETURN_IF_ERROR(checkExpressions());
    TN_RETURN_IF_ERROR(checkBindings());
    TN_RETURN_IF_ERROR(checkConstants());
    TN_RETURN_IF_ERROR(checkKernels());
    for (size_t i = 0; i < mPlan.programs.size(); ++i) {
        TN_RETURN_IF_ERROR(
            checkProgram(mPlan, mPlan.programs[i], indexed("program", i, mPlan.programs[i].name), false));
    }
    return checkProgram(mPlan, mPlan.weightProgram, "the weight program", true);
}

} // namespace

Status verifyPlan(const Plan& plan) { return Checker(plan).check().withContext("while checking the plan"); }

} // namespace tenon::plan
