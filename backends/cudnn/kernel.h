// A compiled operation: the task, the engine and its plan, as bytes and as what runs.
//
// Who uses it: module.cpp writes the bytes and registers the runtime that reads them. What it must not know: choosing tactics.
#pragma once

#include "backends/cudnn/graph.h"
#include "tenon/module/module.hpp"

namespace tenon::cudnn {

inline constexpr uint32_t kBlobVersion = 1;
inline constexpr int64_t kMostWorkspace = int64_t{1} << 30;
inline constexpr int64_t kMostDynamicWorkspace = int64_t{64} << 20;

// What a tactic's name says: the engine, its knobs, and whether two additions changed places.
struct Choice {
    EngineChoice engine;
    bool swapped = false;
};
std::string nameOf(const Choice& choice);
std::optional<Choice> parseChoice(std::string_view name);
// The tactic's number: of its name, the same on every machine.
uint64_t idOf(std::string_view name);

// Everything about a tactic that does not depend on real extents. `body` is owned by somebody else.
struct Compiled {
    module::GraphView body;
    Ports ports;
    Choice choice;
    int64_t workspaceLimit = 0;
    // The plan at the optimal extents.
    uint64_t libraryVersion = 0;
    std::string plan; // JSON, with the kernels of engines that compile
    int64_t workspace = 0;
    std::vector<int64_t> boundPorts;
    std::vector<double> scalars;
    // Follow from the above.
    Operation operation;
    std::vector<nvidia::Step> steps;

    // Fills in what follows; throws Failure where the ports are none that this module offers.
    void complete();
    std::vector<kernels::Dims> optInputs() const;
    kernels::Dims optOutput() const;
    bool isStatic() const;
};

// The graph at these extents. Throws Failure.
Graph graphOf(const Place& place, const Compiled& compiled, const std::vector<kernels::Dims>& inputs,
              const kernels::Dims& output);

module::BlobWriter writeBlob(const Compiled& compiled);

std::unique_ptr<module::KernelRuntime> makeRuntime(std::shared_ptr<CudnnApi> api);

} // namespace tenon::cudnn
