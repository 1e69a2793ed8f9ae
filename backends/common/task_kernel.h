// From a task to a running kernel: its bytes in a plan, and the kernel, state and runtime classes that read and run them.
//
// Who uses it: the modules of the host backends. A module brings a Planner (how a body is computed) and has everything else from here.
// What it must not know: any op.
#pragma once

#include "backends/common/call.h"
#include "backends/common/kernel_table.h"
#include "tenon/module/module.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tenon::kernels {

// Part of a tactic's number: its kernel runs on the thread that launches it, whatever the team.
inline constexpr uint64_t kOnOneThread = uint64_t{1} << 32;

// A task with a chosen tactic, as compile sees it and as a kernel keeps it. Immutable.
struct Task {
    module::GraphView body;
    uint64_t tactic = 0;
    std::vector<TnPortFormat> inputs; // one per port of the body
    std::vector<TnPortFormat> outputs;
};

// What planning gives: the work, and which ports its operands and results are; -1: left out.
struct TaskPlan {
    Plan plan;
    std::vector<int32_t> inputPorts;
    std::vector<int32_t> outputPorts;
};

// Shapes of one prepare, by port.
struct PortShapes {
    std::vector<Shape> inputs;
    std::vector<Shape> outputs;
    std::span<const int64_t> scalars;
    int threads = 1;
};

// How bodies are computed. One object per module; immutable, called from several threads. Both functions throw Failure.
class Planner {
public:
    virtual ~Planner() = default;
    // Everything that does not depend on extents: called when a tactic is chosen and again on bytes from a plan, so that
    // planning may rely on what was checked.
    virtual void check(const Task& task) const = 0;
    virtual TaskPlan plan(const Task& task, const PortShapes& shapes) const = 0;
};

// A task of one node, by its row in a table. Checks that ports are linear and of the body's element types, except for "convert".
void checkNodeTask(const KernelTable& table, const Task& task, bool mayBeBrain = false);
TaskPlan planNode(const KernelTable& table, const Task& task, const PortShapes& shapes);

inline constexpr uint32_t kTaskBlobVersion = 1;
// Equal tasks give equal bytes.
module::BlobWriter writeTask(const Task& task);
// The task of `compile`: the body with the ports of the tactic.
Task taskOf(const module::TaskView& task, const module::TacticView& tactic);

// Reads those bytes and runs them with a planner. Sessions carry the thread team.
class TaskRuntime : public module::KernelRuntime {
public:
    TaskRuntime(std::string name, std::shared_ptr<const Planner> planner)
        : mName(std::move(name)), mPlanner(std::move(planner)) {}
    std::string name() const override { return mName; }
    std::unique_ptr<module::Session> openSession(const module::SessionInfo& info, module::Reason& reason) override;
    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t blobVersion,
                                                module::Reason& reason) override;

private:
    std::string mName;
    std::shared_ptr<const Planner> mPlanner;
};

// Runs `call`, which may throw Failure, and turns that into a code and a reason.
template <class Function>
module::Code explained(module::Reason& reason, Function&& call) {
    try {
        call();
        return module::Code::kOk;
    } catch (const Failure& failure) {
        return reason.fail(failure.code(), failure.what());
    }
}

} // namespace tenon::kernels
