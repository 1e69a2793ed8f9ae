// A task as one op and what follows it element by element: what a library can compute with an epilogue.
//
// Who uses it: the providers and kernels of cublaslt and cudnn. What it must not know: a library, layouts, real extents.
#pragma once

#include "backends/common/failure.h"
#include "tenon/module/graph_view.hpp"

#include <string>
#include <vector>

namespace tenon::nvidia {

enum class StepKind : uint8_t {
    kBias,      // + one number per channel, or one in all
    kScale,     // * one number
    kResidual,  // + a tensor of the result's shape
    kActivation // an op of one operand
};

struct Step {
    StepKind kind = StepKind::kActivation;
    int32_t port = -1; // of the task: what is added or multiplied
    std::string op;    // "activation.relu"; x * f(x) is written "gate:" and the op of f
    double alpha = 0;  // attributes of the op, or the bounds of a clip
    double beta = 0;
};

struct Chain {
    module::NodeView head;
    std::vector<int32_t> operands; // ports of the head's inputs; -1: left out
    std::vector<Step> steps;

    int32_t operand(size_t i) const { return i < operands.size() ? operands[i] : -1; }
};

// `channelAxis` of the head's result is where a bias has its elements; negative counts from the end. Throws Failure, a refusal that says what
// does not fit.
Chain readChain(const module::GraphView& body, int32_t channelAxis);

// Equal for all extents of the box.
bool sameExtent(const TnDim& a, const TnDim& b);
bool sameExtents(const module::ValueView& a, const module::ValueView& b);

// The one number of a constant that is shown; false where it has more elements or its bytes are hidden.
bool numberOfConstant(const module::ValueView& value, double& number);

} // namespace tenon::nvidia
