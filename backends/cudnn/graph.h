// Operation graphs, engines with their knobs, and execution plans.
//
// Who uses it: module.cpp to enumerate and compile, kernel.cpp to load plans and build others. What it must not know: tasks, bytes of plans.
#pragma once

#include "backends/cudnn/cudnn_api.h"
#include "backends/cudnn/operation.h"

#include <optional>

namespace tenon::cudnn {

// Where plans are built: on a device through its handle, or for one that is described.
struct Place {
    const CudnnApi* api = nullptr;
    const Handle* handle = nullptr;     // null: `device` counts
    const Descriptor* device = nullptr; // finalized CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR
};

// A CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR from its JSON. Throws Failure.
Descriptor describeDevice(const CudnnApi& api, const std::string& json);

// Element types and layouts of the ports.
struct Ports {
    std::vector<TnPortFormat> inputs;
    std::vector<TnPortFormat> outputs;
};

// Images of fewer channels than tensor cores read at once, and their weights, with so many channels, the last ones zero: a block of a pixel.
inline constexpr int32_t kPixelChannels = 8;
inline TnFormat pixelFormat(int32_t rank) { return module::blockedFormat(rank, {{1, kPixelChannels}}, true); }
inline bool isPixelFormat(const TnFormat& format) { return module::equal(format, pixelFormat(format.rank)); }
// Whether a task's image and weights may be laid out so: all channels in one block, and one group.
bool fitsPixelFormat(const Operation& operation, int64_t channels);

// The numbers by which tensors are bound when a plan runs.
inline constexpr int64_t kScalarUid = 2000;
constexpr int64_t inputUid(int32_t port) { return 1 + int64_t{port}; }
constexpr int64_t outputUid(int32_t port) { return 1000 + int64_t{port}; }

struct Graph {
    std::vector<std::unique_ptr<Descriptor>> parts; // what `operations` is made of
    Descriptor operations;
    std::vector<int32_t> ports; // inputs that the graph reads
    std::vector<float> scalars; // values of kScalarUid + i
};

// Throws Failure where the library refuses. `steps` are the operation's, maybe with additions swapped.
Graph buildGraph(const Place& place, const Operation& operation, const std::vector<nvidia::Step>& steps,
                 const Geometry& geometry, const std::vector<kernels::Dims>& inputs, const Ports& ports);

// An engine and its knobs, which a name spells: "eng2", "eng2/k17=1/k24=3".
struct EngineChoice {
    int64_t engine = 0;
    std::vector<std::pair<int64_t, int64_t>> knobs; // type, value; sorted

    bool operator==(const EngineChoice&) const = default;
};

std::string nameOf(const EngineChoice& choice);
std::optional<EngineChoice> choiceOf(std::string_view name);

// What is known of an engine before it is built.
struct EngineFacts {
    bool tensorCores = false; // f32 operands lose bits there
    bool deterministic = true;
    bool transforms = false; // FFT or Winograd: other rounding
    bool compiles = false;   // takes seconds
};

struct Offer {
    EngineChoice choice;
    EngineFacts facts;
};

// Where engines are looked for.
enum class Search : uint8_t {
    kHeuristics, // those of the heuristics: of attention they know all
    kEngines,    // those, then every other that accepts the graph, as it is
    kKernels     // and other kernels of these: spread over the knob's range
};
Search searchFor(const Operation& operation);

// The heuristics' engines, best first, then others that accept the graph; at most `most`.
std::vector<Offer> enginesFor(const Place& place, const Graph& graph, size_t most, Search search);

// Throws Failure where the engine does not take the graph, or its plan cannot be built here.
Descriptor buildPlan(const Place& place, const Graph& graph, const EngineChoice& choice);
// A plan from its text.
Descriptor loadPlan(const Handle& handle, const std::string& json);

} // namespace tenon::cudnn
