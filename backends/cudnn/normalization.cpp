#include "backends/cudnn/normalization.h"

#include "backends/common/ports.h"
#include "backends/cudnn/graph_builder.h"

#include <algorithm>

namespace tenon::cudnn {

using kernels::Dims;
using kernels::refuse;

namespace {

// A mean of equal elements may be off by the rounding of their sum. What is left of them is not to be divided by its own size, which a smaller
// epsilon would let happen.
constexpr double kLeastEpsilon = 1e-8;
constexpr double kDefaultEpsilon = 1e-5; // as in the ops' definitions

bool isPerChannel(const module::NodeView& norm) { return norm.op() == "instance_norm"; }
bool isNorm(const module::NodeView& node) {
    return node.op() == "layer_norm" || node.op() == "rms_norm" || isPerChannel(node);
}

cudnnBackendNormMode_t modeOf(const module::NodeView& norm) {
    if (isPerChannel(norm)) {
        return CUDNN_INSTANCE_NORM;
    }
    return norm.op() == "rms_norm" ? CUDNN_RMS_NORM : CUDNN_LAYER_NORM;
}

// The port of a node's operand; -1: it is left out.
int32_t operandOf(const module::GraphView& body, const module::NodeView& node, int32_t i) {
    const int32_t port = node.hasInput(i) ? kernels::portOf(body.inputs(), node.inputIndex(i)) : -1;
    if (port < 0 && node.hasInput(i)) {
        refuse("operand ", i, " of ", node.op(), " is made in the region");
    }
    return port;
}

// The first dimension that is normalised.
size_t axisOf(const module::NodeView& norm, size_t rank) {
    const int64_t axis = norm.intOr("axis", -1);
    const auto dims = static_cast<int64_t>(rank);
    if (axis < -dims || axis >= dims) {
        refuse(norm.op(), " along dimension ", axis, " of a tensor of rank ", rank);
    }
    return static_cast<size_t>(axis < 0 ? axis + dims : axis);
}

// One element for each that is normalised, dimensions of one element in front of them.
bool isPerElement(const Dims& parameter, const Dims& x, size_t axis) {
    const size_t inner = x.size() - axis;
    return parameter.size() >= inner && parameter.size() <= x.size() &&
           std::equal(parameter.end() - static_cast<std::ptrdiff_t>(inner), parameter.end(),
                      x.begin() + static_cast<std::ptrdiff_t>(axis)) &&
           std::all_of(parameter.begin(), parameter.end() - static_cast<std::ptrdiff_t>(inner),
                       [](int64_t extent) { return extent == 1; });
}

} // namespace

bool isNormalization(const module::GraphView& body) {
    return isNorm(body.node(0)) || (body.nodeCount() == 2 && body.node(0).op() == "binary.add" && isNorm(body.node(1)));
}

Operation readNormalization(const module::GraphView& body) {
    const bool sums = body.node(0).op() == "binary.add";
    const module::NodeView norm = body.node(sums ? 1 : 0);
    if (body.nodeCount() != (sums ? 2 : 1) ||
        (sums && (isPerChannel(norm) || norm.inputIndex(0) != body.node(0).outputIndex(0)))) {
        refuse("cudnn fuses nothing with a normalisation but the sum in front of one over the last dimensions");
    }
    Operation operation;
    operation.kind = Kind::kNormalization;
    operation.head = norm;
    operation.x = operandOf(body, body.node(0), 0);
    operation.addend = sums ? operandOf(body, body.node(0), 1) : -1;
    operation.scale = operandOf(body, norm, 1);
    operation.bias = operandOf(body, norm, 2);
    operation.result = kernels::portOf(body.outputs(), norm.outputIndex(0));
    operation.sum = sums ? kernels::portOf(body.outputs(), body.node(0).outputIndex(0)) : -1;
    std::vector<int32_t> read;
    for (const int32_t port : {operation.x, operation.addend, operation.scale, operation.bias}) {
        if (port >= 0 && std::find(read.begin(), read.end(), port) != read.end()) {
            refuse("a normalisation with an operand in two places");
        }
        read.push_back(port);
    }
    if (operation.x < 0 || (sums && operation.addend < 0) || operation.result < 0 ||
        body.outputs().size() != (operation.sum >= 0 ? 2U : 1U)) {
        refuse(norm.op(), " without its operands, or whose result nobody reads");
    }
    if (operation.scale < 0 && operation.bias >= 0) {
        refuse("cuDNN adds a bias only where it multiplies by a scale");
    }
    if (const double epsilon = norm.floatOr("epsilon", kDefaultEpsilon); !(epsilon >= kLeastEpsilon)) {
        refuse("an epsilon of ", epsilon, ": below ", kLeastEpsilon, " the rounding of a mean of equal elements shows");
    }
    return operation;
}

NormalizedShape normalizedShapeOf(const Operation& operation, const std::vector<Dims>& inputs, const Dims& output) {
    const module::NodeView& norm = operation.head;
    const Dims& x = inputs[static_cast<size_t>(operation.x)];
    if (output != x) {
        refuse(norm.op(), " whose result has another shape");
    }
    if (operation.addend >= 0 && inputs[static_cast<size_t>(operation.addend)] != x) {
        refuse("the sum in front of ", norm.op(), " is of two tensors of its own shape");
    }
    const bool perChannel = isPerChannel(norm);
    if (x.size() < (perChannel ? 3U : 1U)) {
        refuse(norm.op(), " of a tensor of rank ", x.size());
    }
    const size_t axis = perChannel ? 2 : axisOf(norm, x.size());
    for (const int32_t port : {operation.scale, operation.bias}) {
        if (port < 0) {
            continue;
        }
        const Dims& parameter = inputs[static_cast<size_t>(port)];
        if (perChannel ? parameter != Dims{x[1]} : !isPerElement(parameter, x, axis)) {
            refuse("cuDNN has a parameter of ", norm.op(), " for each ",
                   perChannel ? "channel" : "element that is normalised", ", not one that is broadcast");
        }
    }
    const auto at = x.begin() + static_cast<std::ptrdiff_t>(axis);
    const int64_t inner = kernels::product(Dims(at, x.end()));
    if (perChannel) {
        return {{x[0], x[1], inner, 1}, {1, x[1], 1, 1}};
    }
    return {{kernels::product(Dims(x.begin(), at)), inner, 1, 1}, {1, inner, 1, 1}};
}

Graph buildNormalization(const Place& place, const Operation& operation, const std::vector<Dims>& inputs,
                         const Dims& output, const Ports& ports) {
    const NormalizedShape shape = normalizedShapeOf(operation, inputs, output);
    const auto stridesIn = [&](const Dims& dims, const TnPortFormat& port) {
        return stridesOf(dims, !module::isLinear(port.format));
    };
    Graph graph;
    Builder builder(place, graph);
    const auto input = [&](int32_t port, const Dims& dims) {
        const TnPortFormat& format = ports.inputs[static_cast<size_t>(port)];
        graph.ports.push_back(port);
        return builder.tensor(inputUid(port), cudnnTypeOf(format.dtype), dims, stridesIn(dims, format));
    };
    const auto result = [&](int32_t port) {
        const TnPortFormat& format = ports.outputs[static_cast<size_t>(port)];
        return builder.tensor(outputUid(port), cudnnTypeOf(format.dtype), shape.x, stridesIn(shape.x, format));
    };
    const Descriptor* x = input(operation.x, shape.x);
    if (operation.addend >= 0) {
        const Descriptor* sum =
            operation.sum >= 0 ? result(operation.sum) : builder.next(shape.x, stridesOf(shape.x, false));
        builder.pointwise(CUDNN_POINTWISE_ADD, x, input(operation.addend, shape.x), sum, {});
        x = sum;
    }
    const cudnnBackendNormMode_t mode = modeOf(operation.head);
    const cudnnBackendNormFwdPhase_t phase = CUDNN_NORM_FWD_INFERENCE;
    auto norm = std::make_unique<Descriptor>(*place.api, CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR);
    norm->set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_TYPE_NORM_MODE, &mode);
    norm->set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_TYPE_NORM_FWD_PHASE, &phase);
    norm->setDescriptor(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, *x);
    if (operation.scale >= 0) {
        norm->setDescriptor(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, *input(operation.scale, shape.parameters));
    }
    if (operation.bias >= 0) {
        norm->setDescriptor(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, *input(operation.bias, shape.parameters));
    }
    const double epsilon = operation.head.floatOr("epsilon", kDefaultEpsilon);
    norm->setDescriptor(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, *builder.scalar(epsilon, shape.x.size()));
    norm->setDescriptor(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, *result(operation.result));
    norm->finalize();
    builder.add(std::move(norm));
    builder.finish();
    return graph;
}

} // namespace tenon::cudnn
