#include "core/runtime/loaded_program.h"

#include "core/plan/dump.h"
#include "core/plan/tensor_span.h"
#include "core/runtime/device_order.h"
#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::runtime {

using plan::PlanTensor;
using plan::StepKind;
using support::cat;
using support::Result;
using support::Status;
using support::unsupported;

namespace {

constexpr int32_t kNever = INT32_MAX;

class Compiler {
public:
    Compiler(const plan::Plan& plan, const plan::PlanProgram& program) : mPlan(plan), mProgram(program) {}
    Result<LoadedProgram> compile();

private:
    Status cutSegments();
    void compileShapes();
    Status compileTensors();
    Status compileSteps();
    Status addStep(const plan::PlanStep& from, int32_t index, int32_t segment);
    Status checkKnown(const plan::PlanStep& step, int32_t tensor, int32_t segment, bool output) const;
    std::string where(const plan::PlanStep& step) const {
        return cat("step '", step.name, "' of ", mProgram.name.empty() ? std::string("the program") : mProgram.name);
    }

    const plan::Plan& mPlan;
    const plan::PlanProgram& mProgram;
    LoadedProgram mOut;
    std::vector<int32_t> mSymbolStages;
    std::vector<int32_t> mSegmentOf; // by plan step
    std::vector<bool> mWritten;      // by symbol: a launch writes it
};

Status Compiler::cutSegments() {
    mSymbolStages.assign(mPlan.symbols.size(), 0);
    for (size_t i = 0; i < mPlan.symbols.size(); ++i) {
        if (mPlan.symbols[i].source == ir::SymbolSource::kUnbacked) {
            mSymbolStages[i] = kNever;
        }
    }
    mOut.segments.emplace_back();
    for (const plan::PlanStep& step : mProgram.steps) {
        if (step.kind == StepKind::kFetch) {
            Segment segment;
            segment.fetchedSymbols = step.symbols;
            segment.fetchedFrom = step.inputs.empty() ? -1 : step.inputs[0];
            for (const int32_t symbol : step.symbols) {
                int32_t& stage = mSymbolStages[static_cast<size_t>(symbol)];
                if (stage != kNever) {
                    return support::invalidFile(where(step), " fetches symbol '",
                                                mPlan.symbols[static_cast<size_t>(symbol)].name, "' a second time");
                }
                stage = static_cast<int32_t>(mOut.segments.size());
            }
            mOut.segments.push_back(std::move(segment));
        }
        mSegmentOf.push_back(static_cast<int32_t>(mOut.segments.size()) - 1);
    }
    return {};
}

void Compiler::compileShapes() {
    std::vector<plan::ExprIndex> roots;
    const auto add = [&roots](const std::vector<plan::ExprIndex>& list) {
        roots.insert(roots.end(), list.begin(), list.end());
    };
    for (const plan::PlanTensor& tensor : mProgram.tensors) {
        add(tensor.dims);
    }
    for (const plan::PlanStep& step : mProgram.steps) {
        add(step.scalars);
    }
    for (const plan::PlanBinding& binding : mPlan.bindings) {
        add(binding.dims);
    }
    mOut.shapes = ShapeProgram::compile(mPlan.expressions, mSymbolStages, roots);
    for (const plan::PlanBinding& binding : mPlan.bindings) {
        std::vector<int32_t>& registers = mOut.bindingDims.emplace_back();
        for (const plan::ExprIndex dim : binding.dims) {
            registers.push_back(mOut.shapes.registerOf(dim));
        }
    }
}

Status Compiler::compileTensors() {
    for (size_t i = 0; i < mProgram.tensors.size(); ++i) {
        const PlanTensor& from = mProgram.tensors[i];
        ProgramTensor tensor;
        tensor.planIndex = static_cast<int32_t>(i);
        tensor.role = from.role;
        tensor.offset = from.offset;
        tensor.capacity = from.capacity;
        switch (from.role) {
        case PlanTensor::Role::kInput:
        case PlanTensor::Role::kOutput:
            tensor.storage = from.binding;
            break;
        case PlanTensor::Role::kConstant:
            tensor.storage = from.constant;
            break;
        case PlanTensor::Role::kActivation:
            if (from.capacity == plan::kUnbounded) {
                tensor.storage = static_cast<int32_t>(mOut.growingPlacements.size());
                mOut.growingPlacements.push_back(from.placement);
            }
            break;
        }
        TnTensor& fixed = tensor.fixed;
        fixed.dtype = static_cast<TnDataType>(from.dtype);
        fixed.placement = from.placement;
        fixed.format = from.format;
        fixed.rank = static_cast<int32_t>(from.dims.size());
        for (size_t d = 0; d < from.dims.size(); ++d) {
            const int32_t reg = mOut.shapes.registerOf(from.dims[d]);
            tensor.dims.push_back(reg);
            tensor.dynamic = tensor.dynamic || !mOut.shapes.isConstant(reg);
            tensor.stage = std::max(tensor.stage, mOut.shapes.stageOf(reg));
            fixed.dims[d] = mOut.shapes.initialRegisters()[static_cast<size_t>(reg)];
        }
        if (!tensor.dynamic && !setSizes(fixed)) {
            return support::invalidFile("tensor '", from.name, "' has impossible extents");
        }
        mOut.tensors.push_back(std::move(tensor));
    }
    return {};
}

Status Compiler::checkKnown(const plan::PlanStep& step, int32_t tensor, int32_t segment, bool output) const {
    const ProgramTensor& info = mOut.tensors[static_cast<size_t>(tensor)];
    if (info.stage <= segment) {
        return {};
    }
    if (!output || step.kind != StepKind::kLaunch) {
        return support::invalidFile(where(step), " needs the extents of tensor '", mOut.tensorName(tensor),
                                    "' before a fetch step makes them known");
    }
    // A launch that finds out extents itself gets room for the largest ones.
    if (info.capacity == plan::kUnbounded) {
        return unsupported(
            where(step), " writes tensor '", mOut.tensorName(tensor),
            "', whose extents only the step itself finds out and have no bound; give them one when building");
    }
    return {};
}

Status Compiler::addStep(const plan::PlanStep& from, int32_t index, int32_t segment) {
    switch (from.kind) {
    case StepKind::kLaunch:
    case StepKind::kConvert:
    case StepKind::kCopy:
    case StepKind::kHostShape:
        break;
    case StepKind::kFetch:
        return {};
    case StepKind::kLoop:
    case StepKind::kBranch:
    case StepKind::kAllocOutput:
    case StepKind::kDebugTap:
        return unsupported(where(from), " is of kind ", plan::nameOf(from.kind),
                           ", which this version of Tenon does not run. Use the version that built the plan");
    }
    ProgramStep step;
    step.planIndex = index;
    step.kind = from.kind;
    step.kernel = from.kernel;
    step.inputs = from.inputs;
    step.outputs = from.outputs;
    step.symbols = from.symbols;
    step.traits = from.traits;
    step.placement = from.placement;
    step.workspaceOffset = from.workspaceOffset;
    step.workspaceCapacity = from.workspaceCapacity;
    const auto use = [&](int32_t tensor, bool output) -> Status {
        if (tensor < 0) {
            return {};
        }
        const ProgramTensor& info = mOut.tensors[static_cast<size_t>(tensor)];
        step.dynamic = step.dynamic || info.dynamic;
        if (info.role == PlanTensor::Role::kInput || info.role == PlanTensor::Role::kOutput) {
            mOut.bindingUsed[static_cast<size_t>(info.storage)] = true;
        }
        return checkKnown(from, tensor, segment, output);
    };
    for (const int32_t tensor : step.inputs) {
        TN_RETURN_IF_ERROR(use(tensor, false));
    }
    for (const int32_t tensor : step.outputs) {
        TN_RETURN_IF_ERROR(use(tensor, true));
    }
    for (const plan::ExprIndex scalar : from.scalars) {
        const int32_t reg = mOut.shapes.registerOf(scalar);
        step.scalars.push_back(reg);
        step.dynamic = step.dynamic || !mOut.shapes.isConstant(reg);
        if (mOut.shapes.stageOf(reg) > segment) {
            return support::invalidFile(where(from), " needs a number before a fetch step makes it known");
        }
    }
    if (!step.symbols.empty() && step.placement != TN_PLACEMENT_HOST) {
        return unsupported(where(from),
                           " finds out extents on a device, which this version of Tenon does not read back");
    }
    mOut.kernelSteps += step.kernel >= 0 ? 1 : 0;
    for (const int32_t symbol : step.symbols) {
        mWritten[static_cast<size_t>(symbol)] = true;
    }
    mOut.steps.push_back(std::move(step));
    return {};
}

Status Compiler::compileSteps() {
    mOut.bindingUsed.assign(mPlan.bindings.size(), false);
    mWritten.assign(mPlan.symbols.size(), false);
    int32_t segment = 0;
    for (size_t i = 0; i < mProgram.steps.size(); ++i) {
        const plan::PlanStep& from = mProgram.steps[i];
        while (segment < mSegmentOf[i]) {
            mOut.segments[static_cast<size_t>(segment)].end = static_cast<int32_t>(mOut.steps.size());
            mOut.segments[static_cast<size_t>(++segment)].begin = static_cast<int32_t>(mOut.steps.size());
        }
        if (from.kind == StepKind::kFetch) {
            // The tensor that is read, and symbols that launches were to write, must be known by now.
            const Segment& next = mOut.segments[static_cast<size_t>(segment)];
            if (next.fetchedFrom >= 0) {
                TN_RETURN_IF_ERROR(checkKnown(from, next.fetchedFrom, segment - 1, false));
                const ProgramTensor& tensor = mOut.tensors[static_cast<size_t>(next.fetchedFrom)];
                if (tensor.dynamic || tensor.fixed.elements < static_cast<int64_t>(next.fetchedSymbols.size())) {
                    return support::invalidFile(where(from), " fetches more values than its tensor has");
                }
                if (tensor.role == PlanTensor::Role::kInput || tensor.role == PlanTensor::Role::kOutput) {
                    mOut.bindingUsed[static_cast<size_t>(tensor.storage)] = true;
                }
            }
            for (const int32_t symbol : next.fetchedFrom >= 0 ? std::vector<int32_t>() : next.fetchedSymbols) {
                if (!mWritten[static_cast<size_t>(symbol)]) {
                    return support::invalidFile(where(from), " fetches symbol '",
                                                mPlan.symbols[static_cast<size_t>(symbol)].name,
                                                "', which no step before it writes");
                }
            }
        }
        if ((from.traits & TN_TRAIT_FREE_ALIAS) == 0) {
            TN_RETURN_IF_ERROR(addStep(from, static_cast<int32_t>(i), segment));
        }
    }
    mOut.segments[static_cast<size_t>(segment)].end = static_cast<int32_t>(mOut.steps.size());
    return {};
}

Result<LoadedProgram> Compiler::compile() {
    mOut.plan = &mPlan;
    mOut.source = &mProgram;
    TN_RETURN_IF_ERROR(cutSegments());
    compileShapes();
    TN_RETURN_IF_ERROR(compileTensors());
    TN_RETURN_IF_ERROR(compileSteps());
    orderDevices(mOut);
    return std::move(mOut);
}

} // namespace

bool setSizes(TnTensor& tensor) {
    const auto elements = support::checkedProduct({tensor.dims, static_cast<size_t>(tensor.rank)});
    tensor.bytes = plan::spanOf(tensor.format, static_cast<ir::DataType>(tensor.dtype), tensor.dims);
    tensor.elements = elements.value_or(0);
    return elements.has_value() && tensor.bytes >= 0;
}

Result<LoadedProgram> loadProgram(const plan::Plan& plan, const plan::PlanProgram& program) {
    return Compiler(plan, program).compile();
}

void markKernels(const LoadedProgram& program, std::vector<bool>& wanted) {
    for (const ProgramStep& step : program.steps) {
        if (step.kernel >= 0) {
            wanted[static_cast<size_t>(step.kernel)] = true;
        }
    }
}

} // namespace tenon::runtime
