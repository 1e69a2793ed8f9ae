// What follows a product or convolution element by element, in the same kernel: constant factors and sums for each channel or all, another tensor of the
// result's shape, functions of one operand.
//
// Who uses it: products with packed weights and convolutions. Constants for each channel are for results with channels last in memory. What it must not know:
// how the results come about.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cpu/program_compiler.h"

#include <optional>
#include <string_view>
#include <vector>

namespace tenon::cpu {

struct Follower {
    enum class Kind : uint8_t { kPerChannel, kNumber, kTensor, kFunction };
    Kind kind = Kind::kFunction;
    int32_t operand = -1; // place among the operands
    ProgramStep step;
    StepFunction function = nullptr;

    // What the function is called with to change results in place; the operand is the caller's matter.
    StepArgs on(float* results, int64_t count) const {
        StepArgs args{};
        args.to = results;
        args.a = results;
        args.count = count;
        args.p0 = step.p0;
        args.p1 = step.p1;
        return args;
    }
};

struct Chain {
    int32_t channelAxis = -1; // of the result
    int64_t channels = 0;     // of the result
    int32_t bias = -1;        // place among the operands: what the sums begin with; -1: zero
    std::vector<Follower> followers;
    std::vector<int32_t> ports; // of the operands, the head's first
    std::vector<bool> isTensor; // operands of the result's shape, which are laid out as it is
};

// The chain's bias; null where there is none.
inline const float* biasOf(const Chain& chain, const Buffers& b) {
    return chain.bias >= 0 ? b.in<float>(static_cast<size_t>(chain.bias)) : nullptr;
}

// Of a body in which what follows the node `head` are the followers, with the ports that are read up to the head. Throws a refusal for anything else
// than a chain.
Chain readChain(const module::GraphView& body, std::vector<int32_t> headPorts, int32_t bias, int32_t channelAxis,
                int64_t channels, size_t head = 0);
// The same for nodes up to `end` alone; where their result goes is the caller's matter.
Chain readChainUntil(const module::GraphView& body, size_t end, std::vector<int32_t> headPorts, int32_t bias,
                     int32_t channelAxis, int64_t channels, size_t head = 0);

// Of a body that begins with a convolution or deconvolution, with functions and sums of tensors of the result's shape behind it alone: its operands are the
// image, the weights and perhaps a bias, which fit each other. Throws a refusal that says `what` was asked for.
Chain readWindowChain(const module::GraphView& body, std::string_view what);

// Whether the image itself is among the tensors that are added: then it has their layout.
bool addsImage(const Chain& chain);

// Of one operand, as vectors compute it.
bool isFunction(const module::NodeView& node);
// Where the node is that `isEnd` accepts, behind the node `head` and functions alone; 0: the body is no such chain.
size_t behindFunctions(const module::GraphView& body, bool (*isEnd)(const module::NodeView&), size_t head = 0);
// Nodes between `head` and `end`, which are functions.
std::vector<Follower> functionsUntil(const module::GraphView& body, size_t end, size_t head = 0);

// Where all that follows is an activation that cuts results off, which kernels do while those are in registers.
struct Cut {
    float low = 0;
    float high = 0;
};
std::optional<Cut> cutOf(const Chain& chain);

// The followers' numbers, each repeated over `width` elements; `to` has chain.followers.size() * width floats.
void repeatNumbers(const Chain& chain, const Buffers& b, int64_t width, float* to);
// On a line of results: elements `at` and on of the result, channels `channel` and on, in `line`. Numbers as repeatNumbers laid them out.
void applyFollowers(const Chain& chain, const Buffers& b, const float* numbers, int64_t width, float* line,
                    int64_t count, int64_t at, int64_t channel);

} // namespace tenon::cpu
