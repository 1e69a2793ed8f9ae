// oneDNN primitives of chains: descriptors, attributes and post-ops for given ports and extents.
//
// Who uses it: primitive.cpp. What it must not know: which layouts are worth trying, how kernels run.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/common/window.h"
#include "backends/onednn/chain.h"
#include "backends/onednn/layouts.h"
#include "backends/onednn/openmp.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace tenon::onednn {

// The one engine of the process.
const dnnl::engine& cpuEngine();
// Attributes of a primitive that runs in an Execution, which gives it its scratchpad.
dnnl::primitive_attr executionAttributes();

// One argument of a primitive: a port of the task.
struct Argument {
    int id = 0;
    int32_t port = 0;
    bool output = false;
    dnnl::memory::desc desc;
};

struct Built {
    dnnl::primitive primitive;
    dnnl::memory::desc scratchpad; // what it wants of the workspace
    std::vector<Argument> arguments;
    std::string implementation;
    TnFormat weights{}; // what oneDNN asked for, when it was free to choose
    bool weightsKnown = false;
    dnnl::memory::desc
        linearWeights; // of a grouped convolution: as a tensor of the graph has them, in oneDNN's count of dimensions
};

// Appends an activation, whose operand and result are `unit` times the numbers that it is defined for: only relu, leaky relu and clip may have
// another unit than 1.
void appendActivation(dnnl::post_ops& ops, const Post& post, float unit = 1);
// Windows of the head of a chain, for these extents.
kernels::Call windowCall(const module::NodeView& head, const Dims& input, const Dims& output);
// The end padding that makes the windows end where the result does: models may pad more than the last window reads.
dnnl::memory::dims endPadding(const kernels::Window& window);

// Everything that making a primitive takes.
struct Request {
    const Chain& chain;
    std::vector<TnPortFormat> inputs; // by port; that of the weights does not count when `chooseWeights`
    TnPortFormat output;
    std::vector<Dims> inputDims;
    Dims outputDims;
    bool chooseWeights = false;
    std::optional<dnnl::memory::desc> packed = {}; // weights in a layout that oneDNN alone knows: which one
};

// Throws kernels::Failure with oneDNN's reason where there is no such primitive.
Built buildPrimitive(const Request& request);

} // namespace tenon::onednn
