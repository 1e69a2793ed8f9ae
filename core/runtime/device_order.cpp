#include "core/runtime/device_order.h"

#include "core/support/text.h"

#include <algorithm>

namespace tenon::runtime {

using plan::PlanTensor;

namespace {

// Bytes of host memory that a step touches.
struct HostAccess {
    PlanTensor::Role role = PlanTensor::Role::kActivation;
    int32_t storage = -1; // binding, constant or growing buffer; -1: the arena
    int64_t begin = 0;
    int64_t end = 0; // the rest of the storage where it is not known
    bool write = false;
    TnPlacement issuer = TN_PLACEMENT_HOST;
};

bool conflict(const HostAccess& a, const HostAccess& b) {
    return (a.write || b.write) && a.role == b.role && a.storage == b.storage && a.begin < b.end && b.begin < a.end;
}

class Orderer {
public:
    explicit Orderer(LoadedProgram& program) : mProgram(program) {}

    // One run. Accesses that are pending at its end are pending at the beginning of the next.
    void run() {
        for (size_t s = 0; s < mProgram.segments.size(); ++s) {
            Segment& segment = mProgram.segments[s];
            if (segment.fetchedFrom >= 0) {
                mAccesses.clear();
                addTensor(segment.fetchedFrom, false, TN_PLACEMENT_HOST);
                wait(segment.waits, TN_PLACEMENT_HOST);
            }
            for (int32_t i = segment.begin; i < segment.end; ++i) {
                order(mProgram.steps[static_cast<size_t>(i)]);
            }
        }
    }

private:
    void addTensor(int32_t index, bool write, TnPlacement issuer) {
        if (index < 0) {
            return;
        }
        const ProgramTensor& tensor = mProgram.tensors[static_cast<size_t>(index)];
        if (tensor.fixed.placement != TN_PLACEMENT_HOST) {
            return;
        }
        const bool bounded = tensor.role == PlanTensor::Role::kActivation && tensor.capacity != plan::kUnbounded;
        mAccesses.push_back({tensor.role, tensor.storage, bounded ? tensor.offset : 0,
                             bounded ? tensor.offset + tensor.capacity : INT64_MAX, write, issuer});
    }

    void order(ProgramStep& step) {
        mAccesses.clear();
        for (const int32_t input : step.inputs) {
            addTensor(input, false, step.placement);
        }
        for (const int32_t output : step.outputs) {
            addTensor(output, true, step.placement);
        }
        if (step.placement == TN_PLACEMENT_HOST && step.workspaceCapacity > 0) {
            mAccesses.push_back({PlanTensor::Role::kActivation, -1, step.workspaceOffset,
                                 step.workspaceOffset + step.workspaceCapacity, true, TN_PLACEMENT_HOST});
        }
        wait(step.waits, step.placement);
        if (step.placement != TN_PLACEMENT_HOST) {
            mProgram.devicesUsed |= 1U << step.placement;
            mPending.insert(mPending.end(), mAccesses.begin(), mAccesses.end());
        }
    }

    // Streams whose pending accesses conflict with mAccesses, made by `issuer`.
    void wait(uint32_t& waits, TnPlacement issuer) {
        for (const HostAccess& pending : mPending) {
            const bool met = std::any_of(mAccesses.begin(), mAccesses.end(),
                                         [&](const HostAccess& access) { return conflict(access, pending); });
            if (met && pending.issuer != issuer) {
                waits |= 1U << pending.issuer;
            }
        }
        mPending.erase(std::remove_if(mPending.begin(), mPending.end(),
                                      [&](const HostAccess& pending) { return (waits & (1U << pending.issuer)) != 0; }),
                       mPending.end());
    }

    LoadedProgram& mProgram;
    std::vector<HostAccess> mAccesses; // of the step at hand
    std::vector<HostAccess> mPending;
};

std::string refusalOf(const LoadedProgram& program) {
    if (program.devicesUsed == 0) {
        return "it has no step on a device";
    }
    if ((program.devicesUsed & (program.devicesUsed - 1)) != 0) {
        return "its steps run on several devices";
    }
    if (program.segments.size() > 1) {
        return "it waits for values that a step computes";
    }
    for (const ProgramStep& step : program.steps) {
        const std::string& name = program.planStep(step).name;
        if (step.placement == TN_PLACEMENT_HOST) {
            return support::cat("step '", name, "' (", program.planStep(step).op, ") runs on the host");
        }
        if (step.kernel >= 0 && (step.traits & TN_TRAIT_CAPTURE_SAFE) == 0) {
            return support::cat("step '", name, "' (", program.planStep(step).op, ", ",
                                program.plan->kernels[static_cast<size_t>(step.kernel)].tactic,
                                ") does not declare that its launch may be recorded");
        }
    }
    return {};
}

} // namespace

void orderDevices(LoadedProgram& program) {
    if (!program.plan->devices.empty()) {
        Orderer orderer(program);
        orderer.run();
        orderer.run();
    }
    program.recordingRefusal = refusalOf(program);
}

} // namespace tenon::runtime
