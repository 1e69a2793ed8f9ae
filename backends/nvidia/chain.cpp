#include "backends/nvidia/chain.h"

#include "backends/common/elements.h"
#include "backends/common/ports.h"

#include <cstring>
#include <limits>

namespace tenon::nvidia {

using kernels::refuse;

namespace {

Step activationOf(const module::NodeView& node) {
    Step step;
    step.op = std::string(node.op());
    if (step.op == "activation.clip") {
        step.alpha = node.floatOr("min", -std::numeric_limits<double>::infinity());
        step.beta = node.floatOr("max", std::numeric_limits<double>::infinity());
    } else if (step.op == "activation.hard_sigmoid") {
        step.alpha = node.floatOr("alpha", 0.2);
        step.beta = node.floatOr("beta", 0.5);
    } else {
        step.alpha = node.floatOr("alpha", step.op == "activation.leaky_relu" ? 0.01 : 1);
    }
    return step;
}

// All extents are 1, but for the channel's, which may be the result's.
bool isPerChannel(const module::ValueView& value, const module::ValueView& result, int32_t channelAxis) {
    const int32_t shift = result.rank() - value.rank();
    for (int32_t d = 0; d < value.rank(); ++d) {
        const bool one = module::isStatic(value.dim(d)) && value.dim(d).min == 1;
        if (!one && (d + shift != channelAxis || !sameExtent(value.dim(d), result.dim(channelAxis)))) {
            return false;
        }
    }
    return shift >= 0;
}

Step binaryOf(const module::GraphView& body, const module::NodeView& node, int32_t value,
              const module::ValueView& result, int32_t channelAxis, size_t n) {
    const bool first = node.inputIndex(0) == value;
    const int32_t other = node.inputIndex(first ? 1 : 0);
    const int32_t port = other == value ? -1 : kernels::portOf(body.inputs(), other);
    if ((!first && node.inputIndex(1) != value) || port < 0) {
        refuse("node ", n, " of the region does not continue its chain");
    }
    const module::ValueView operand = body.value(other);
    if (!operand.hasRank()) {
        refuse("node ", n, " has an operand of unknown rank");
    }
    Step step;
    step.port = port;
    if (node.op() == "binary.mul") {
        if (operand.maxElements() != 1) {
            refuse("node ", n, " multiplies by a tensor; one number is possible");
        }
        step.kind = StepKind::kScale;
    } else if (isPerChannel(operand, result, channelAxis)) {
        step.kind = StepKind::kBias;
    } else if (sameExtents(operand, result)) {
        step.kind = StepKind::kResidual;
    } else {
        refuse("node ", n, " adds a tensor that is neither one number per channel nor of the result's shape");
    }
    return step;
}

} // namespace

bool sameExtent(const TnDim& a, const TnDim& b) {
    return (a.expr >= 0 && a.expr == b.expr) || (module::isStatic(a) && module::isStatic(b) && a.min == b.min);
}

bool sameExtents(const module::ValueView& a, const module::ValueView& b) {
    if (a.rank() != b.rank()) {
        return false;
    }
    for (int32_t d = 0; d < a.rank(); ++d) {
        if (!sameExtent(a.dim(d), b.dim(d))) {
            return false;
        }
    }
    return a.hasRank();
}

bool numberOfConstant(const module::ValueView& value, double& number) {
    if (value.maxElements() != 1 || !value.hasData() || !kernels::contains(kernels::kFloats, value.dtype()) ||
        value.bytes().size() * 8 != static_cast<size_t>(module::bitsOf(value.dtype()))) {
        return false;
    }
    kernels::dispatchFloat(value.dtype(), [&](auto tag) {
        typename decltype(tag)::Type stored{};
        std::memcpy(&stored, value.bytes().data(), sizeof stored);
        number = kernels::widen(stored);
    });
    return true;
}

Chain readChain(const module::GraphView& body, int32_t channelAxis) {
    if (body.nodeCount() == 0 || body.outputs().size() != 1) {
        refuse("a region with ", body.outputs().size(), " outputs; one is possible");
    }
    Chain chain;
    chain.head = body.node(0);
    for (int32_t i = 0; i < chain.head.inputCount(); ++i) {
        const int32_t value = chain.head.inputIndex(i);
        chain.operands.push_back(value < 0 ? -1 : kernels::portOf(body.inputs(), value));
        if (value >= 0 && chain.operands.back() < 0) {
            refuse("an operand of ", chain.head.op(), " is no input of the region");
        }
    }
    int32_t value = chain.head.outputIndex(0);
    const module::ValueView result = body.value(value);
    if (!result || !result.hasRank()) {
        refuse(chain.head.op(), " of unknown rank");
    }
    const int32_t axis = channelAxis < 0 ? channelAxis + result.rank() : channelAxis;
    for (size_t n = 1; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        const std::string_view op = node.op();
        if (node.outputCount() != 1 || !sameExtents(body.value(node.outputIndex(0)), result)) {
            refuse("node ", n, " of the region (", op, ") changes the shape of the result");
        }
        if (op == "binary.mul" && n >= 1 && !chain.steps.empty() && node.inputCount() == 2) {
            // x * f(x): the step before was f, and both factors come from here.
            const module::NodeView function = body.node(n - 1);
            const int32_t made = function.outputIndex(0);
            const int32_t given = function.inputCount() == 1 ? function.inputIndex(0) : -1;
            const bool gate = given >= 0 && made == value && kernels::portOf(body.inputs(), given) < 0 &&
                              ((node.inputIndex(0) == made && node.inputIndex(1) == given) ||
                               (node.inputIndex(0) == given && node.inputIndex(1) == made));
            if (gate && chain.steps.back().kind == StepKind::kActivation) {
                chain.steps.back().op = "gate:" + chain.steps.back().op;
                value = node.outputIndex(0);
                continue;
            }
        }
        if (op == "binary.add" || op == "binary.mul") {
            chain.steps.push_back(binaryOf(body, node, value, result, axis, n));
        } else {
            if (node.inputCount() != 1 || node.inputIndex(0) != value) {
                refuse("node ", n, " of the region (", op, ") does not continue its chain");
            }
            chain.steps.push_back(activationOf(node));
        }
        value = node.outputIndex(0);
    }
    if (value != body.outputs()[0]) {
        refuse("the region's output is not the end of its chain");
    }
    return chain;
}

} // namespace tenon::nvidia
