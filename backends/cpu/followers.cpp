#include "backends/cpu/followers.h"

#include "backends/common/ports.h"
#include "backends/cpu/program.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

namespace {

// One element per channel, whatever other extents of one there are.
bool isPerChannel(const module::ValueView& operand, const module::ValueView& result, int32_t axis, int64_t channels) {
    const int32_t offset = result.rank() - operand.rank();
    if (!operand.isStatic() || offset < 0 || operand.optElements() != channels || axis < offset) {
        return false;
    }
    return operand.dim(axis - offset).opt == channels;
}

Follower followerOf(const module::NodeView& node, int32_t value, const Chain& chain, const module::GraphView& body) {
    Follower follower;
    if (node.inputCount() == 1 && node.inputIndex(0) == value) {
        const auto step = floatStep(node);
        if (!step) {
            refuse("a product followed by ", node.op());
        }
        follower.step = *step;
        return follower;
    }
    const bool isSum = node.op() == "binary.add";
    const bool first = node.inputCount() == 2 && node.inputIndex(0) == value;
    const int32_t other = node.inputCount() == 2 ? node.inputIndex(first ? 1 : 0) : -1;
    if ((!isSum && node.op() != "binary.mul") || kernels::portOf(body.inputs(), other) < 0 ||
        (!first && node.inputIndex(1) != value)) {
        refuse("a product followed by ", node.op(), " of something else");
    }
    const module::ValueView operand = body.value(other);
    const module::ValueView result = node.output(0);
    follower.step.step = isSum ? Step::kAdd : Step::kMul;
    if (operand.isStatic() && operand.optElements() == 1 && operand.rank() <= result.rank()) {
        follower.kind = Follower::Kind::kNumber;
    } else if (isPerChannel(operand, result, chain.channelAxis, chain.channels)) {
        follower.kind = Follower::Kind::kPerChannel;
    } else if (isFullShape(operand, result)) {
        follower.kind = Follower::Kind::kTensor;
    } else {
        refuse("a product followed by ", node.op(), " with a tensor of another shape");
    }
    return follower;
}

} // namespace

Chain readChain(const module::GraphView& body, std::vector<int32_t> headPorts, int32_t bias, int32_t channelAxis,
                int64_t channels, size_t headNode) {
    Chain chain = readChainUntil(body, body.nodeCount(), std::move(headPorts), bias, channelAxis, channels, headNode);
    if (body.outputs().size() != 1 || body.outputs()[0] != body.node(body.nodeCount() - 1).outputIndex(0)) {
        refuse("a product whose inner values are read elsewhere");
    }
    return chain;
}

Chain readChainUntil(const module::GraphView& body, size_t end, std::vector<int32_t> headPorts, int32_t bias,
                     int32_t channelAxis, int64_t channels, size_t headNode) {
    Chain chain;
    chain.channelAxis = channelAxis;
    chain.channels = channels;
    chain.bias = bias;
    chain.ports = std::move(headPorts);
    chain.isTensor.assign(chain.ports.size(), false);
    const module::NodeView head = body.node(headNode);
    int32_t value = head.outputIndex(0);
    for (size_t n = headNode + 1; n < end; ++n) {
        const module::NodeView node = body.node(n);
        Follower follower = followerOf(node, value, chain, body);
        if (!isFullShape(node.output(0), head.output(0))) {
            refuse("a product followed by ", node.op(), ", which enlarges it");
        }
        if (follower.kind != Follower::Kind::kFunction) {
            follower.operand = static_cast<int32_t>(chain.ports.size());
            chain.ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(node.inputIndex(0) == value ? 1 : 0)));
            chain.isTensor.push_back(follower.kind == Follower::Kind::kTensor);
        }
        follower.function = stepTable().of(follower.step.step, ElementClass::kFloat);
        value = node.outputIndex(0);
        if (n == headNode + 1 && chain.bias < 0 && follower.kind == Follower::Kind::kPerChannel &&
            follower.step.step == Step::kAdd) {
            chain.bias = follower.operand;
            continue;
        }
        chain.followers.push_back(follower);
    }
    return chain;
}

Chain readWindowChain(const module::GraphView& body, std::string_view what) {
    const module::NodeView node = body.node(0);
    const module::ValueView x = node.input(0);
    const module::ValueView weights = node.input(1);
    const bool isDeconvolution = node.op() == "deconv";
    const int64_t outputs = weights.dim(isDeconvolution ? 1 : 0).opt;
    const int64_t channels =
        isDeconvolution ? weights.dim(0).opt : weights.dim(1).opt * std::max<int64_t>(1, node.intOr("group", 1));
    std::vector<int32_t> ports{kernels::portOf(body.inputs(), node.inputIndex(0)),
                               kernels::portOf(body.inputs(), node.inputIndex(1))};
    if (ports[0] < 0 || ports[1] < 0 || ports[0] == ports[1]) {
        refuse(what, " whose image or weights are no inputs of the task");
    }
    if (x.rank() != weights.rank() || !x.isStatic(1) || x.dim(1).opt != channels) {
        refuse(what, " of an image whose channels are not known to be those of the weights");
    }
    int32_t bias = -1;
    if (node.hasInput(2)) {
        if (!node.input(2).isStatic() || node.input(2).optElements() != outputs) {
            refuse(what, " with a bias that is not known to have ", outputs, " elements");
        }
        bias = static_cast<int32_t>(ports.size());
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(2)));
    }
    Chain chain = readChain(body, std::move(ports), bias, 1, outputs);
    for (const Follower& follower : chain.followers) {
        if (follower.kind != Follower::Kind::kFunction && follower.kind != Follower::Kind::kTensor) {
            refuse(what, " followed by more than functions and sums of tensors");
        }
    }
    return chain;
}

bool addsImage(const Chain& chain) {
    for (size_t i = 0; i < chain.ports.size(); ++i) {
        if (chain.isTensor[i] && chain.ports[i] == chain.ports[0]) {
            return true;
        }
    }
    return false;
}

bool isFunction(const module::NodeView& node) { return node.inputCount() == 1 && floatStep(node).has_value(); }

size_t behindFunctions(const module::GraphView& body, bool (*isEnd)(const module::NodeView&), size_t head) {
    for (size_t n = head + 1; n < body.nodeCount(); ++n) {
        if (body.node(n).inputIndex(0) != body.node(n - 1).outputIndex(0)) {
            return 0;
        }
        if (isEnd(body.node(n))) {
            return n;
        }
        if (!isFunction(body.node(n))) {
            return 0;
        }
    }
    return 0;
}

std::vector<Follower> functionsUntil(const module::GraphView& body, size_t end, size_t head) {
    std::vector<Follower> functions;
    for (size_t n = head + 1; n < end; ++n) {
        Follower follower;
        follower.step = floatStep(body.node(n)).value();
        follower.function = stepTable().of(follower.step.step, ElementClass::kFloat);
        functions.push_back(follower);
    }
    return functions;
}

std::optional<Cut> cutOf(const Chain& chain) {
    if (chain.followers.size() != 1 || chain.followers[0].kind != Follower::Kind::kFunction) {
        return std::nullopt;
    }
    const ProgramStep& step = chain.followers[0].step;
    // Where the bounds have changed places, the op's order decides: it is left to the step.
    if (step.step == Step::kClip && step.p0 <= step.p1) {
        return Cut{step.p0, step.p1};
    }
    return step.step == Step::kRelu ? std::optional<Cut>({0, std::numeric_limits<float>::infinity()}) : std::nullopt;
}

void repeatNumbers(const Chain& chain, const Buffers& b, int64_t width, float* to) {
    for (const Follower& follower : chain.followers) {
        if (follower.kind == Follower::Kind::kNumber) {
            std::fill(to, to + width, *b.in<float>(static_cast<size_t>(follower.operand)));
        }
        to += width;
    }
}

void applyFollowers(const Chain& chain, const Buffers& b, const float* numbers, int64_t width, float* line,
                    int64_t count, int64_t at, int64_t channel) {
    for (const Follower& follower : chain.followers) {
        StepArgs args = follower.on(line, count);
        if (follower.kind == Follower::Kind::kNumber) {
            args.b = numbers;
        } else if (follower.kind != Follower::Kind::kFunction) {
            args.b = b.in<float>(static_cast<size_t>(follower.operand)) +
                     (follower.kind == Follower::Kind::kTensor ? at : channel);
        }
        numbers += width;
        follower.function(args);
    }
}

} // namespace tenon::cpu
