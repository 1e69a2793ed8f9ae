// One tactic of a task, compiled and ready to run on this machine, on the host or a device, at concrete shapes.
// Used by the oracle, the tactic timer, verification and the weight program. Owns kernel, session and state, and destroys them in order.
// One thread at a time.
#pragma once

#include "core/schedule/device_stage.h"
#include "core/schedule/task.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tenon::schedule {

// What `compile` made. The same bytes go into the plan and into the timer.
struct CompiledKernel {
    std::string runtime;
    uint32_t blobVersion = 0;
    std::shared_ptr<const std::vector<std::byte>> blob;
};

// `mayStop`: the provider is told when the user wants to stop. Only measuring may be given up: what is chosen must be made.
support::Result<CompiledKernel> compileTactic(const BuildContext& context, const Task& task, const Candidate& candidate,
                                              bool mayStop = false);

class KernelRunner {
public:
    static support::Result<std::unique_ptr<KernelRunner>> open(const BuildContext& context, const Candidate& candidate,
                                                               const CompiledKernel& compiled);
    ~KernelRunner();
    KernelRunner(const KernelRunner&) = delete;
    KernelRunner& operator=(const KernelRunner&) = delete;

    // Evaluates the task's shapes and scalars and calls the kernel's prepare. Workspace is allocated here. `task` may be another one than the
    // runner was opened for, with the same key.
    support::Status prepare(const Task& task, const std::vector<int64_t>& symbolValues);
    // Addresses in host memory, in the order of the task's inputs and outputs, whatever the ports' placements: the kernel runs on copies of its
    // own there, and the outputs are copied back.
    support::Status launch(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);
    // The same, each output written over the input that the tactic says it may take over, and whose bytes suffice. On the host those inputs are
    // overwritten. `outputs` get the results all the same. False: no output may take over an input, and nothing was launched.
    support::Result<bool> launchInPlace(const std::vector<void*>& inputs, const std::vector<void*>& outputs);
    // Only where onDevice(), and no port is in host memory: launches once on inputs that are there; the outputs stay there. The next launch needs
    // another prepare().
    support::Result<std::vector<std::shared_ptr<DeviceInput>>>
    compute(std::vector<std::shared_ptr<DeviceInput>> inputs);
    // For measuring: the inputs are on the device already, one per port, null where a port is in host memory and `hostInputs` has its address.
    // Launches once, waits and looks at the canaries; outputs stay on the device. Only where onDevice().
    support::Status tryOut(std::vector<std::shared_ptr<DeviceInput>> inputs, const std::vector<const void*>& hostInputs,
                           const std::vector<void*>& hostOutputs);
    bool onDevice() const;
    // Microseconds of one of `repeat` launches in a row. On a device: without the copies (the inputs of the last launch or of tryOut are there already), with the
    // inputs in the cache and everything else out of it, between events; the outputs stay there.
    support::Result<double> timedLaunch(const std::vector<const void*>& inputs, const std::vector<void*>& outputs,
                                        int32_t repeat);

    const std::vector<TnTensor>& inputs() const { return mInputs; }
    const std::vector<TnTensor>& outputs() const { return mOutputs; }
    int64_t workspaceBytes() const;
    // Workspace at the upper bounds of all extents of the task's box, where they can be largest at once, and not less than at its optimum.
    support::Result<int64_t> workspaceAtMost(const Task& task);

private:
    KernelRunner() = default;
    struct Impl;
    struct Shapes {
        std::vector<TnTensor> inputs;
        std::vector<TnTensor> outputs;
        std::vector<int64_t> scalars;
        TnPrepareArgs args() const;
        bool haveExtentsOf(const Shapes& other) const;
    };
    template <class Dims, class Scalar>
    static support::Result<Shapes> shapesOf(const Task& task, const Tactic& tactic, Dims&& dims, Scalar&& scalar);
    support::Result<int64_t> workspaceFor(const Shapes& shapes);
    // One launch on addresses where the kernel runs.
    support::Status issue(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);
    // Error when the last launch wrote beside its workspace in host memory.
    support::Status checkWorkspace() const;
    std::unique_ptr<Impl> mImpl;
    std::vector<TnTensor> mInputs;
    std::vector<TnTensor> mOutputs;
};

// A tensor at a port, at concrete extents.
support::Result<TnTensor> tensorAt(const PortLayout& port, const std::vector<int64_t>& dims);
std::vector<int64_t> evaluateDims(const ir::ExprPool& pool, const ir::TensorType& type,
                                  const std::vector<int64_t>& symbolValues);

} // namespace tenon::schedule
