// The ways in which the cpu backend computes tasks, one row per kind of kernel. A task may fit several rows; each of them offers tactics, and measured
// time chooses.
//
// Who uses it: the module. What it must not know: the interface between modules and the core.
#pragma once

#include "backends/common/task_kernel.h"

#include <span>
#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

struct Method {
    enum class Ports {
        kBody,   // of the body's element types and ranks
        kLinear, // of these, and linear
        kChecked // as `check` says
    };

    // Instructions that some processors, or systems, lack.
    struct Instructions {
        const char* name = nullptr; // null: every processor has what it takes
        bool (*areHere)() = nullptr;
    };

    // Whether tensors of f32 may lie in memory as bf16 (brain_tactics.h).
    enum class Brain {
        kNever,
        kByOp, // where the op's kernel reads and writes each tensor in its own type
        kAlways,
        kItself // the method offers them so
    };

    uint64_t id; // of its tactics, in plans and timing caches too: never given to another method
    Ports ports;
    // Whether bodies of this kind are for it; what else it demands is said by `check`.
    bool (*takes)(const module::GraphView& body);
    // The tactics that may do, for the layouts that neighbours offer; `check` decides. Throws Failure.
    std::vector<module::Tactic> (*offer)(const module::TaskView& task);
    // Everything that does not depend on extents. Throws Failure.
    void (*check)(const Task& task);
    TaskPlan (*plan)(const Task& task, const PortShapes& shapes);
    Brain brain = Brain::kNever;
    Instructions instructions = {};

    // On this machine.
    bool canRun() const { return instructions.areHere == nullptr || instructions.areHere(); }
};

std::span<const Method> methods();
// Throws Failure for a number that is no method's. kOnOneThread is no part of a method's.
const Method& methodOf(uint64_t tactic);
// Throws Failure for what the method cannot compute.
void checkTask(const Method& method, const Task& task);

} // namespace tenon::cpu
