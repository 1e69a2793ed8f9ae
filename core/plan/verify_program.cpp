// A program of a plan: its tensors are inside what holds them, its steps read and write what is theirs.
#include "core/plan/expression_table.h"
#include "core/plan/tensor_span.h"
#include "core/plan/verify_rules.h"
#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <optional>

namespace tenon::plan {

using support::cat;
using support::invalidFile;
using support::Status;

namespace {

constexpr int32_t kMaxStreams = 64;

// Extents of all expressions at one corner of a program's box.
struct Corner {
    const char* name;
    std::vector<int64_t> values; // by expression
    std::vector<bool> known; // by expression; false: made of a symbol without an upper bound, its value means nothing

    bool knows(const std::vector<ExprIndex>& dims) const {
        return std::all_of(dims.begin(), dims.end(), [this](ExprIndex dim) { return known[static_cast<size_t>(dim)]; });
    }
};

class ProgramChecker {
public:
    ProgramChecker(const Plan& plan, const PlanProgram& program, const std::string& where, bool weights)
        : mPlan(plan), mProgram(program), mWhere(where), mWeights(weights) {}
    Status check();

private:
    Status checkBox();
    Status checkTensor(const PlanTensor& tensor, const std::string& where);
    Status checkPlace(const PlanTensor& tensor, const std::string& where);
    Status checkStep(const PlanStep& step, const std::string& where);
    Status checkPorts(const PlanStep& step, const std::string& where);
    Status checkStepKind(const PlanStep& step, const std::string& where);
    Status checkAlias(const PlanStep& step, const std::string& where);
    std::vector<Corner> cornersOf() const;

    // Bytes of the storage behind a tensor at a corner: -1 where they are too many to count, none where they are not known.
    std::optional<int64_t> roomFor(const PlanTensor& tensor, const Corner& corner) const;
    int64_t bytesAt(const ir::TensorFormat& format, ir::DataType dtype, const std::vector<ExprIndex>& dims,
                    const Corner& corner) const;

    const Plan& mPlan;
    const PlanProgram& mProgram;
    const std::string& mWhere;
    bool mWeights;
    std::vector<Corner> mCorners;
};

bool isHostInteger(const PlanTensor& tensor) {
    return (ir::isInteger(tensor.dtype) || tensor.dtype == ir::DataType::kBool) && ir::bitsOf(tensor.dtype) >= 8 &&
           tensor.placement == TN_PLACEMENT_HOST && ir::isLinear(tensor.format);
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

Status ProgramChecker::checkBox() {
    if (mWeights && mProgram.box.empty()) {
        return {};
    }
    if (mProgram.box.size() != mPlan.symbols.size()) {
        return invalidFile(mWhere, " has ranges for ", mProgram.box.size(), " of ", mPlan.symbols.size(), " symbols");
    }
    for (size_t i = 0; i < mProgram.box.size(); ++i) {
        const SymbolRange& range = mProgram.box[i];
        const bool unbacked = mPlan.symbols[i].source == ir::SymbolSource::kUnbacked;
        if (range.min > range.opt || range.opt > range.max || (range.max == INT64_MAX && !unbacked)) {
            return invalidFile(mWhere, ": the range of symbol '", mPlan.symbols[i].name, "', ", range.min, " .. ",
                               range.opt, " .. ", range.max, ", is not in order or has no end");
        }
    }
    return {};
}

std::vector<Corner> ProgramChecker::cornersOf() const {
    std::vector<Corner> corners;
    for (const char* name : {"smallest", "optimal", "largest"}) {
        Corner corner{name, std::vector<int64_t>(mPlan.expressions.size()),
                      std::vector<bool>(mPlan.expressions.size(), true)};
        std::vector<int64_t> symbols(mPlan.symbols.size());
        for (size_t i = 0; i < mProgram.box.size(); ++i) {
            const SymbolRange& range = mProgram.box[i];
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

int64_t ProgramChecker::bytesAt(const ir::TensorFormat& format, ir::DataType dtype, const std::vector<ExprIndex>& dims,
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

std::optional<int64_t> ProgramChecker::roomFor(const PlanTensor& tensor, const Corner& corner) const {
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
        return mProgram.arenaAt(tensor.placement);
    }
    return std::nullopt;
}

Status ProgramChecker::checkPlace(const PlanTensor& tensor, const std::string& where) {
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
        if (!end || *end > mProgram.arenaAt(tensor.placement)) {
            return invalidFile(where, " lies at ", tensor.offset, " with ", tensor.capacity,
                               " bytes, outside the arena of ", mProgram.arenaAt(tensor.placement));
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
        const std::optional<int64_t> room = roomFor(tensor, corner);
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

Status ProgramChecker::checkTensor(const PlanTensor& tensor, const std::string& where) {
    if (tensor.dtype == ir::DataType::kString) {
        return invalidFile(where, " has strings, which a plan cannot hold");
    }
    if (const std::string problem = formatProblem(tensor.format, static_cast<int64_t>(tensor.dims.size()));
        !problem.empty()) {
        return invalidFile(where, ": ", problem);
    }
    TN_RETURN_IF_ERROR(checkIndices(mPlan, tensor.dims, where));
    TN_RETURN_IF_ERROR(checkPlacement(mPlan, tensor.placement, where));
    switch (tensor.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput: {
        const bool isInput = tensor.role == PlanTensor::Role::kInput;
        if (mWeights || !inRange(tensor.binding, mPlan.bindings.size()) ||
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
    return checkPlace(tensor, where);
}

Status ProgramChecker::checkAlias(const PlanStep& step, const std::string& where) {
    if (step.inputs.empty() || step.outputs.size() != 1 || step.inputs[0] < 0) {
        return invalidFile(where, " is said to cost nothing, but has not one input and one output");
    }
    const PlanTensor& in = mProgram.tensors[static_cast<size_t>(step.inputs[0])];
    const PlanTensor& out = mProgram.tensors[static_cast<size_t>(step.outputs[0])];
    if (in.role != out.role || in.binding != out.binding || in.constant != out.constant || in.offset != out.offset ||
        in.placement != out.placement) {
        return invalidFile(where, " is said to cost nothing, but its output is not where its input is");
    }
    return {};
}

Status ProgramChecker::checkPorts(const PlanStep& step, const std::string& where) {
    for (const int32_t input : step.inputs) {
        if (input != -1 && !inRange(input, mProgram.tensors.size())) {
            return invalidFile(where, " reads tensor ", input, " of ", mProgram.tensors.size());
        }
    }
    for (const int32_t output : step.outputs) {
        if (!inRange(output, mProgram.tensors.size())) {
            return invalidFile(where, " writes tensor ", output, " of ", mProgram.tensors.size());
        }
    }
    if ((step.traits & TN_TRAIT_FREE_ALIAS) != 0) {
        return checkAlias(step, where);
    }
    for (const int32_t output : step.outputs) {
        const PlanTensor& tensor = mProgram.tensors[static_cast<size_t>(output)];
        const bool derived = tensor.role == PlanTensor::Role::kConstant && mWeights &&
                             mPlan.constants[static_cast<size_t>(tensor.constant)].derived;
        if (!derived && tensor.role != PlanTensor::Role::kActivation && tensor.role != PlanTensor::Role::kOutput) {
            return invalidFile(where, " writes tensor ", output, " '", tensor.name, "', which is ",
                               tensor.role == PlanTensor::Role::kInput ? "an input" : "a constant");
        }
    }
    return {};
}

Status ProgramChecker::checkStepKind(const PlanStep& step, const std::string& where) {
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
        const PlanTensor& in = mProgram.tensors[static_cast<size_t>(step.inputs[0])];
        const PlanTensor& out = mProgram.tensors[static_cast<size_t>(step.outputs[0])];
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
            !isHostInteger(mProgram.tensors[static_cast<size_t>(step.outputs[0])])) {
            return invalidFile(where, " computes a shape and has not one linear integer output in host memory");
        }
        return {};
    case StepKind::kFetch:
        if (step.inputs.size() > 1 || !step.outputs.empty() || step.symbols.empty() ||
            (step.inputs.size() == 1 &&
             (step.inputs[0] < 0 || !isHostInteger(mProgram.tensors[static_cast<size_t>(step.inputs[0])])))) {
            return invalidFile(where, " fetches values, but not from one linear integer tensor in host memory");
        }
        return {};
    }
    return invalidFile(where, " is of an unknown kind");
}

Status ProgramChecker::checkStep(const PlanStep& step, const std::string& where) {
    TN_RETURN_IF_ERROR(checkPorts(step, where));
    TN_RETURN_IF_ERROR(checkStepKind(step, where));
    TN_RETURN_IF_ERROR(checkIndices(mPlan, step.scalars, where));
    TN_RETURN_IF_ERROR(checkPlacement(mPlan, step.placement, where));
    if (!isReachable(mProgram, step)) {
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
        (step.workspaceCapacity > 0 && *end > mProgram.arenaAt(step.placement))) {
        return invalidFile(where, " has workspace at ", step.workspaceOffset, " with ", step.workspaceCapacity,
                           " bytes, which is not aligned or outside the arena of ", mProgram.arenaAt(step.placement));
    }
    return {};
}

Status ProgramChecker::check() {
    if (mProgram.arenaBytes < 0) {
        return invalidFile(mWhere, " has an arena of ", mProgram.arenaBytes, " bytes");
    }
    if (mProgram.deviceArenaBytes.size() != mPlan.devices.size()) {
        return invalidFile(mWhere, " has ", mProgram.deviceArenaBytes.size(), " arenas on devices, the plan has ",
                           mPlan.devices.size(), " devices");
    }
    for (const int64_t bytes : mProgram.deviceArenaBytes) {
        if (bytes < 0) {
            return invalidFile(mWhere, " has an arena of ", bytes, " bytes");
        }
    }
    TN_RETURN_IF_ERROR(checkBox());
    mCorners = cornersOf();
    for (size_t i = 0; i < mProgram.tensors.size(); ++i) {
        const PlanTensor& tensor = mProgram.tensors[i];
        TN_RETURN_IF_ERROR(checkTensor(tensor, cat(mWhere, ", ", indexed("tensor", i, tensor.name))));
    }
    for (size_t i = 0; i < mProgram.steps.size(); ++i) {
        const PlanStep& step = mProgram.steps[i];
        TN_RETURN_IF_ERROR(checkStep(step, cat(mWhere, ", ", indexed("step", i, step.name))));
    }
    return {};
}

} // namespace

Status checkProgram(const Plan& plan, const PlanProgram& program, const std::string& where, bool weights) {
    return ProgramChecker(plan, program, where, weights).check();
}

} // namespace tenon::plan
