// Regions that oneDNN computes in integers: dequantized operands, a convolution or product, what follows, and a quantize or none.
//
// Who uses it: the provider (to accept or refuse), quantized.cpp (to build primitives). What it must not know: layouts, oneDNN.
#pragma once

#include "backends/onednn/chain.h"

#include <optional>
#include <vector>

namespace tenon::onednn {

// real = (integer - zero) * scale
struct Scale {
    float scale = 1;
    int32_t zero = 0;
};

enum class FollowerKind : uint8_t {
    kActivation,
    kResidual,  // another tensor of the result's shape is added
    kBias,      // a constant is added
    kRequantize // rounded to integers, which stand for real numbers again
};

struct Follower {
    FollowerKind kind = FollowerKind::kActivation;
    Post activation;
    int32_t port = -1; // kResidual, kBias
    Scale scale;       // kResidual: of its integers, 1 and 0 for real numbers. kRequantize
    float low = 0;     // kRequantize: the range of the integers
    float high = 0;
};

struct QuantizedChain {
    module::NodeView head; // conv, matmul, conv_integer or matmul_integer
    int32_t source = -1;   // ports of the task
    int32_t weights = -1;
    Scale sourceScale;
    std::vector<float> weightScales; // one, or one per output channel
    int32_t weightZero = 0;
    // Of the latter two, whose scales are known when it runs: they are multiplied, each one or one per column.
    std::vector<int32_t> scalePorts;
    int32_t zeroPort = -1;       // one zero point of the source
    std::vector<int32_t> biases; // ports: right behind the product, one number or one per output channel each
    std::vector<Follower> followers;
    std::optional<Scale> result; // nothing: real numbers

    // The port that is added onto the result's memory; -1: none.
    int32_t residual() const;
    bool isConvolution() const { return head.op() == "conv" || head.op() == "conv_integer"; }
};

// The body begins with a dequantize, or has a product of integers: it is for this file, and not for chain.h.
bool isQuantizedBody(const module::GraphView& body);
// Throws Failure, a refusal that names what does not fit.
QuantizedChain readQuantizedChain(const module::GraphView& body);

} // namespace tenon::onednn
