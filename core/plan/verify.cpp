#include "core/plan/verify.h"

#include "core/plan/expression_table.h"
#include "core/plan/tensor_span.h"
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

namespace {

constexpr int32_t kMaxStreams = 64;
constexpr int32_t kMaxDevices = 30;
constexpr int64_t kMaxPrograms = 4096;
constexpr int64_t kMaxShapeElements = 64 * 1024;
constexpr size_t kMaxName = 64 * 1024;

bool inRange(int64_t index, size_t count) { return index >= 0 && static_cast<uint64_t>(index) < count; }

// Extents of all expressions at one corner of a program's box.
struct Corner {
    const char* name;
    std::vector<int64_t> values; // by expression
    std::vector<bool> known; // by expression; false: made of a symbol without an upper bound, its value means nothing

    bool knows(const std::vector<ExprIndex>& dims) const {
        return std::all_of(dims.begin(), dims.end(), [this](ExprIndex dim) { return known[static_cast<size_t>(dim)]; });
    }
};

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
    Status checkPlacement(TnPlacement placement, const std::string& where) const;
    Status checkProgram(const PlanProgram& program, const std::string& where, bool weights);
    Status checkBox(const PlanProgram& program, const std::string& where, bool weights);
    Status checkTensor(const PlanProgram& program, const PlanTensor& tensor, const std::string& where, bool weights);
    Status checkPlace(const PlanProgram& program, const PlanTensor& tensor, const std::string& where);
    Status checkStep(const PlanProgram& program, const PlanStep& step, const std::string& where, bool weights);
    Status checkPorts(const PlanProgram& program, const PlanStep& step, const std::string& where, bool weights);
    Status checkStepKind(const PlanProgram& program, const PlanStep& step, const std::string& where);
    Status checkAlias(const PlanProgram& program, const PlanStep& step, const std::string& where);
    Status checkIndices(const std::vector<ExprIndex>& list, const std::string& where) const;
    std::vector<Corner> cornersOf(const PlanProgram& program) const;

    // Bytes of the storage behind a tensor at a corner: -1 where they are too many to count, none where they are not known.
    std::optional<int64_t> roomFor(const PlanProgram& program, const PlanTensor& tensor, const Corner& corner) const;
    int64_t bytesAt(const ir::TensorFormat& format, ir::DataType dtype, const std::vector<ExprIndex>& dims,
                    const Corner& corner) const;

    const Plan& mPlan;
    std::vector<int32_t> mInputBindings; // binding of the n-th input
    std::vector<Corner> mCorners;        // of the program being checked
};

std::string indexed(const char* what, size_t index, const std::string& name) {
    return cat(what, ' ', index, " '", name.substr(0, 200), "'");
}

bool isHostInteger(const PlanTensor& tensor) {
    return (ir::isInteger(tensor.dtype) || tensor.dtype == ir::DataType::kBool) && ir::bitsOf(tensor.dtype) >= 8 &&
           tensor.placement == TN_PLACEMENT_HOST && ir::isLinear(tensor.format);
}

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

Status Checker::checkIndices(const std::vector<ExprIndex>& list, const std::string& where) const {
    for (const ExprIndex index : list) {
        if (!inRange(index, mPlan.expressions.size())) {
            return invalidFile(where, " refers to expression ", index, " of ", mPlan.expressions.size());
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
    TN_RETURN_IF_ERROR(checkIndices(binding.dims, where));
    TN_RETURN_IF_ERROR(checkPlacement(binding.placement, where));
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

Status Checker::checkPlacement(TnPlacement placement, const std::string& where) const {
    if (placement != TN_PLACEMENT_HOST && !inRange(int64_t{placement} - 1, mPlan.devices.size())) {
        return invalidFile(where, " is at placement ", placement, "; the plan has the host and ", mPlan.devices.size(),
                           " devices");
    }
    return {};
}

// A kernel reaches the memory of its own placement and the host's.
bool isReachable(const PlanProgram& program, const PlanStep& step) {
    const auto reaches = [&](int32_t tensor) {
        const TnPlacement placement =
            tensor < 0 ? TN_PLACEMENT_HOST : program.tensors[static_cast<size_t>(tensor)].placement;
        return placement == TN_PLACEMENT_HOST || placement == step.placement;
    };
    return std::all_of(step.inputs.begin(), step.inputs.end(), reaches) &&
           std::all_of(step.outputs.begin(), step.outputs.end(), reaches);
}

Status Checker::checkBox(const PlanProgram& program, const std::string& where, bool weights) {
    if (weights && program.box.empty()) {
        return {};
    }
    if (program.box.size() != mPlan.symbols.size()) {
        return invalidFile(where, " has ranges for ", program.box.size(), " of ", mPlan.symbols.size(), " symbols");
    }
    for (size_t i = 0; i < program.box.size(); ++i) {
        const SymbolRange& range = program.box[i];
        const bool unbacked = mPlan.symbols[i].source == ir::SymbolSource::kUnbacked;
        if (range.min > range.opt || range.opt > range.max || (range.max == INT64_MAX && !unbacked)) {
            return invalidFile(where, ": the range of symbol '", mPlan.symbols[i].name, "', ", range.min, " .. ",
                               range.opt, " .. ", range.max, ", is not in order or has no end");
        }
    }
    return {};
}

std::vector<Corner> Checker::cornersOf(const PlanProgram& program) const {
    std::vector<Corner> corners;
    for (const char* name : {"smallest", "optimal", "largest"}) {
        Corner corner{name, std::vector<int64_t>(mPlan.expressions.size()),
                      std::vector<bool>(mPlan.expressions.size(), true)};
        std::vector<int64_t> symbols(mPlan.symbols.size());
        for (size_t i = 0; i < program.box.size(); ++i) {
            const SymbolRange& range = program.box[i];
            symbols[i] = corners.empty() ? range.min : corners.size() == 1 ? range.opt : range.max;
        }
        evaluateTable(mPlan.expressions, symbols, corner.values);
        for (size_t i = 0; i < mPlan.expressions.size(); ++i) {
            const ir::ExprNode& node = mPlan.expressions[i];
            corner.known[i] = node.op != ir::ExprOp::kSymbol || symbols[static_cast<size_t>(node.value)] != INT64_MAX;
            for (int32_t k = 0; k < operandCount(node.op); ++k) {
                corner.known[i] = corner.known[i] && corner.known[static_cast<size_t>(node.operands[k].id)];
            }
        }
        corners.push_back(std::move(corner));
    }
    return corners;
}

int64_t Checker::bytesAt(const ir::TensorFormat& format, ir::DataType dtype, const std::vector<ExprIndex>& dims,
                         const Corner& corner) const {
    int64_t extents[TN_MAX_DIMS] = {};
    for (size_t i = 0; i < dims.size(); ++i) {
        extents[i] = corner.values[static_cast<size_t>(dims[i])];
        if (extents[i] < 0) {
            return 0; // symbols depend on each other: this corner does not occur
        }
    }
    return spanOf(format, dtype, extents);
}

std::optional<int64_t> Checker::roomFor(const PlanProgram& program, const PlanTensor& tensor,
                                        const Corner& corner) const {
    switch (tensor.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput: {
        const PlanBinding& binding = mPlan.bindings[static_cast<size_t>(tensor.binding)];
        if (!corner.knows(binding.dims)) {
            return std::nullopt;
        }
        return bytesAt(binding.format, binding.dtype, binding.dims, corner);
    }
    case PlanTensor::Role::kConstant:
        return mPlan.constants[static_cast<size_t>(tensor.constant)].bytes;
    case PlanTensor::Role::kActivation:
        return program.arenaAt(tensor.placement);
    }
    return std::nullopt;
}

Status Checker::checkPlace(const PlanProgram& program, const PlanTensor& tensor, const std::string& where) {
    const int64_t elementBytes = std::max(1, ir::bitsOf(tensor.dtype) / 8);
    if (tensor.offset < 0 || tensor.offset % elementBytes != 0) {
        return invalidFile(where, " lies at offset ", tensor.offset, ", not a multiple of its element's size");
    }
    const bool activation = tensor.role == PlanTensor::Role::kActivation;
    if (tensor.capacity < (activation ? kUnbounded : 0)) {
        return invalidFile(where, " has capacity ", tensor.capacity);
    }
    const bool grows = activation && tensor.capacity == kUnbounded;
    if (grows) {
        return {};
    }
    if (activation) {
        const auto end = support::checkedAdd(tensor.offset, tensor.capacity);
        if (!end || *end > program.arenaAt(tensor.placement)) {
            return invalidFile(where, " lies at ", tensor.offset, " with ", tensor.capacity,
                               " bytes, outside the arena of ", program.arenaAt(tensor.placement));
        }
    }
    for (const Corner& corner : mCorners) {
        if (!corner.knows(tensor.dims)) {
            continue; // such a tensor is checked at every run's extents
        }
        const int64_t bytes = bytesAt(tensor.format, tensor.dtype, tensor.dims, corner);
        if (bytes < 0 || bytes > tensor.capacity) {
            return invalidFile(where, " needs ", bytes < 0 ? std::string("too many") : cat(bytes), " bytes at the ",
                               corner.name, " extents, its capacity is ", tensor.capacity);
        }
        const std::optional<int64_t> room = roomFor(program, tensor, corner);
        if (bytes > 0 && !room) {
            return invalidFile(where, " has extents with a bound in a binding whose extents have none");
        }
        if (bytes > 0 && (tensor.offset > *room || bytes > *room - tensor.offset)) {
            return invalidFile(where, " takes ", bytes, " bytes from ", tensor.offset, " at the ", corner.name,
                               " extents, where there are ", *room);
        }
    }
    return {};
}

Status Checker::checkTensor(const PlanProgram& program, const PlanTensor& tensor, const std::string& where,
                            bool weights) {
    if (tensor.dtype == ir::DataType::kString) {
        return invalidFile(where, " has strings, which a plan cannot hold");
    }
    if (const std::string problem = formatProblem(tensor.format, static_cast<int64_t>(tensor.dims.size()));
        !problem.empty()) {
        return invalidFile(where, ": ", problem);
    }
    TN_RETURN_IF_ERROR(checkIndices(tensor.dims, where));
    TN_RETURN_IF_ERROR(checkPlacement(tensor.placement, where));
    switch (tensor.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput: {
        const bool isInput = tensor.role == PlanTensor::Role::kInput;
        if (weights || !inRange(tensor.binding, mPlan.bindings.size()) ||
            mPlan.bindings[static_cast<size_t>(tensor.binding)].isInput != isInput) {
            return invalidFile(where, " refers to binding ", tensor.binding, ", which is no ",
                               isInput ? "input" : "output", " of this program");
        }
        if (mPlan.bindings[static_cast<size_t>(tensor.binding)].placement != tensor.placement) {
            return invalidFile(where, " is not at the placement of its binding");
        }
        break;
    }
    case PlanTensor::Role::kConstant:
        if (!inRange(tensor.constant, mPlan.constants.size())) {
            return invalidFile(where, " refers to constant ", tensor.constant, " of ", mPlan.constants.size());
        }
        break;
    case PlanTensor::Role::kActivation:
        break;
    }
    return checkPlace(program, tensor, where);
}

Status Checker::checkAlias(const PlanProgram& program, const PlanStep& step, const std::string& where) {
    if (step.inputs.empty() || step.outputs.size() != 1 || step.inputs[0] < 0) {
        return invalidFile(where, " is said to cost nothing, but has not one input and one output");
    }
    const PlanTensor& in = program.tensors[static_cast<size_t>(step.inputs[0])];
    const PlanTensor& out = program.tensors[static_cast<size_t>(step.outputs[0])];
    if (in.role != out.role || in.binding != out.binding || in.constant != out.constant || in.offset != out.offset ||
        in.placement != out.placement) {
        return invalidFile(where, " is said to cost nothing, but its output is not where its input is");
    }
    return {};
}

Status Checker::checkPorts(const PlanProgram& program, const PlanStep& step, const std::string& where, bool weights) {
    for (const int32_t input : step.inputs) {
        if (input != -1 && !inRange(input, program.tensors.size())) {
            return invalidFile(where, " reads tensor ", input, " of ", program.tensors.size());
        }
    }
    for (const int32_t output : step.outputs) {
        if (!inRange(output, program.tensors.size())) {
            return invalidFile(where, " writes tensor ", output, " of ", program.tensors.size());
        }
    }
    if ((step.traits & TN_TRAIT_FREE_ALIAS) != 0) {
        return checkAlias(program, step, where);
    }
    for (const int32_t output : step.outputs) {
        const PlanTensor& tensor = program.tensors[static_cast<size_t>(output)];
        const bool derived = tensor.role == PlanTensor::Role::kConstant && weights &&
                             mPlan.constants[static_cast<size_t>(tensor.constant)].derived;
        if (!derived && tensor.role != PlanTensor::Role::kActivation && tensor.role != PlanTensor::Role::kOutput) {
            return invalidFile(where, " writes tensor ", output, " '", tensor.name, "', which is ",
                               tensor.role == PlanTensor::Role::kInput ? "an input" : "a constant");
        }
    }
    return {};
}

Status Checker::checkStepKind(const PlanProgram& program, const PlanStep& step, const std::string& where) {
    const bool hasKernel = step.kind == StepKind::kLaunch || step.kind == StepKind::kConvert;
    const bool alias = (step.traits & TN_TRAIT_FREE_ALIAS) != 0;
    if (hasKernel ? (!inRange(step.kernel, mPlan.kernels.size()) && !(alias && step.kernel == -1))
                  : step.kernel != -1) {
        return invalidFile(where, " has kernel ", step.kernel, " of ", mPlan.kernels.size());
    }
    switch (step.kind) {
    case StepKind::kLaunch:
    case StepKind::kConvert:
    case StepKind::kLoop:
    case StepKind::kBranch:
    case StepKind::kAllocOutput:
    case StepKind::kDebugTap:
        return {};
    case StepKind::kCopy: {
        if (step.inputs.size() != 1 || step.outputs.size() != 1 || step.inputs[0] < 0) {
            return invalidFile(where, " is a copy and has not one input and one output");
        }
        const PlanTensor& in = program.tensors[static_cast<size_t>(step.inputs[0])];
        const PlanTensor& out = program.tensors[static_cast<size_t>(step.outputs[0])];
        ir::TensorFormat inFormat = in.format;
        ir::TensorFormat outFormat = out.format;
        inFormat.alignment = outFormat.alignment = 0;
        if (in.dtype != out.dtype || !ir::equal(inFormat, outFormat) || in.format.outer_pitch != 0) {
            return invalidFile(where, " is a copy between tensors of different type or layout");
        }
        return {};
    }
    case StepKind::kHostShape:
        if (step.placement != TN_PLACEMENT_HOST || step.outputs.size() != 1 ||
            !isHostInteger(program.tensors[static_cast<size_t>(step.outputs[0])])) {
            return invalidFile(where, " computes a shape and has not one linear integer output in host memory");
        }
        return {};
    case StepKind::kFetch:
        if (step.inputs.size() > 1 || !step.outputs.empty() || step.symbols.empty() ||
            (step.inputs.size() == 1 &&
             (step.inputs[0] < 0 || !isHostInteger(program.tensors[static_cast<size_t>(step.inputs[0])])))) {
            return invalidFile(where, " fetches values, but not from one linear integer tensor in host memory");
        }
        return {};
    }
    return invalidFile(where, " is of an unknown kind");
}

Status Checker::checkStep(const PlanProgram& program, const PlanStep& step, const std::string& where, bool weights) {
    TN_RETURN_IF_ERROR(checkPorts(program, step, where, weights));
    TN_RETURN_IF_ERROR(checkStepKind(program, step, where));
    TN_RETURN_IF_ERROR(checkIndices(step.scalars, where));
    TN_RETURN_IF_ERROR(checkPlacement(step.placement, where));
    if (!isReachable(program, step)) {
        return invalidFile(where, " runs at placement ", step.placement,
                           " and has a tensor that is neither there nor in host memory");
    }
    for (const int32_t symbol : step.symbols) {
        if (!inRange(symbol, mPlan.symbols.size()) ||
            mPlan.symbols[static_cast<size_t>(symbol)].source != ir::SymbolSource::kUnbacked) {
            return invalidFile(where, " writes symbol ", symbol, ", which is not one that a step writes");
        }
    }
    if (step.stream < 0 || step.stream >= kMaxStreams) {
        return invalidFile(where, " runs on stream ", step.stream, " of at most ", kMaxStreams);
    }
    const auto end = support::checkedAdd(step.workspaceOffset, step.workspaceCapacity);
    if (step.workspaceOffset < 0 || step.workspaceCapacity < 0 || step.workspaceOffset % 64 != 0 || !end ||
        (step.workspaceCapacity > 0 && *end > program.arenaAt(step.placement))) {
        return invalidFile(where, " has workspace at ", step.workspaceOffset, " with ", step.workspaceCapacity,
                           " bytes, which is not aligned or outside the arena of ", program.arenaAt(step.placement));
    }
    return {};
}

Status Checker::checkProgram(const PlanProgram& program, const std::string& where, bool weights) {
    if (program.arenaBytes < 0) {
        return invalidFile(where, " has an arena of ", program.arenaBytes, " bytes");
    }
    if (program.deviceArenaBytes.size() != mPlan.devices.size()) {
        return invalidFile(where, " has ", program.deviceArenaBytes.size(), " arenas on devices, the plan has ",
                           mPlan.devices.size(), " devices");
    }
    for (const int64_t bytes : program.deviceArenaBytes) {
        if (bytes < 0) {
            return invalidFile(where, " has an arena of ", bytes, " bytes");
        }
    }
    TN_RETURN_IF_ERROR(checkBox(program, where, weights));
    mCorners = cornersOf(program);
    for (size_t i = 0; i < program.tensors.size(); ++i) {
        const PlanTensor& tensor = program.tensors[i];
        TN_RETURN_IF_ERROR(checkTensor(program, tensor, cat(where, ", ", indexed("tensor", i, tensor.name)), weights));
    }
    for (size_t i = 0; i < program.steps.size(); ++i) {
        const PlanStep& step = program.steps[i];
        TN_RETURN_IF_ERROR(checkStep(program, step, cat(where, ", ", indexed("step", i, step.name)), weights));
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
        TN_RETURN_IF_ERROR(checkProgram(mPlan.programs[i], indexed("program", i, mPlan.programs[i].name), false));
    }
    return checkProgram(mPlan.weightProgram, "the weight program", true);
}

} // namespace

Status verifyPlan(const Plan& plan) { return Checker(plan).check().withContext("while checking the plan"); }

} // namespace tenon::plan
