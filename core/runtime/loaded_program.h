// One program of a plan, made ready to run: steps in segments, tensors with their static parts filled in, the shape program.
// Used by LoadedPlan, ProgramInstance and the weight program. Immutable, shared by contexts. Knows plans, no kernel and no memory.
#pragma once

#include "core/plan/plan_model.h"
#include "core/runtime/shape_program.h"
#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::runtime {

struct ProgramTensor {
    TnTensor fixed{}; // extents and sizes where `dynamic` is false
    plan::PlanTensor::Role role = plan::PlanTensor::Role::kActivation;
    int32_t storage = -1; // binding or constant
    int64_t offset = 0;
    int64_t capacity = 0;      // of an activation; kUnbounded: the growing buffer `storage`
    std::vector<int32_t> dims; // registers
    bool dynamic = false;
    int32_t stage = 0; // from this segment on the extents are final
    int32_t planIndex = 0;
};

struct ProgramStep {
    int32_t planIndex = 0;
    plan::StepKind kind = plan::StepKind::kLaunch;
    int32_t kernel = -1;
    std::vector<int32_t> inputs; // tensors; -1: left out
    std::vector<int32_t> outputs;
    std::vector<int32_t> scalars; // registers
    std::vector<int32_t> symbols; // unbacked, written by the launch
    bool dynamic = false;         // extents or scalars may change between runs
    TnTraits traits = 0;
    TnPlacement placement = TN_PLACEMENT_HOST;
    uint32_t waits = 0; // bit (1 << placement): devices whose stream must be empty before this step is issued
    int64_t workspaceOffset = 0;
    int64_t workspaceCapacity = 0;
};

/// Steps [begin, end) of LoadedProgram::steps. The first segment starts a run; each later one starts with what a fetch step brings.
struct Segment {
    int32_t begin = 0;
    int32_t end = 0;
    std::vector<int32_t> fetchedSymbols;
    int32_t fetchedFrom = -1; // tensor; -1: what launches wrote for the symbols
    uint32_t waits = 0;       // as ProgramStep::waits, before the values are read
};

struct LoadedProgram {
    const plan::Plan* plan = nullptr;
    const plan::PlanProgram* source = nullptr;
    ShapeProgram shapes;
    std::vector<ProgramTensor> tensors;
    std::vector<ProgramStep> steps;                // those that do something
    std::vector<Segment> segments;                 // at least one
    std::vector<std::vector<int32_t>> bindingDims; // registers, by binding
    std::vector<bool> bindingUsed;                 // a step touches its memory
    std::vector<TnPlacement> growingPlacements;    // of the buffers that grow
    uint32_t devicesUsed = 0;                      // bit (1 << placement): a step runs there
    // Why the program cannot be recorded and replayed on its device, naming the step; empty: it can.
    std::string recordingRefusal;
    int32_t kernelSteps = 0;

    const plan::PlanStep& planStep(const ProgramStep& step) const {
        return source->steps[static_cast<size_t>(step.planIndex)];
    }
    const std::string& tensorName(int32_t tensor) const { return source->tensors[static_cast<size_t>(tensor)].name; }
};

/// Precondition: verifyPlan accepted `plan`, which outlives the result, and `program` is one of its programs. Refuses step kinds that this
/// version does not run, and programs that read an extent before it is fetched.
support::Result<LoadedProgram> loadProgram(const plan::Plan& plan, const plan::PlanProgram& program);

/// Computes elements and bytes from type, format and extents; false when an extent is negative or they do not fit.
bool setSizes(TnTensor& tensor);

/// Kernels that the program's steps launch, one flag per kernel of the plan.
void markKernels(const LoadedProgram& program, std::vector<bool>& wanted);

} // namespace tenon::runtime
