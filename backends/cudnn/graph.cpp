#include "backends/cudnn/graph_builder.h"

#include <algorithm>
#include <functional>

namespace tenon::cudnn {

using kernels::Dims;
using kernels::refuse;
using nvidia::Step;
using nvidia::StepKind;

namespace {

bool isChannelsLast(const TnFormat& format) { return !module::isLinear(format); }

void addConvolution(Builder& builder, const CudnnApi& api, const Operation& operation, const Geometry& geometry,
                    const Descriptor* x, const Descriptor* w, const Descriptor* y) {
    Descriptor& how = *builder.keep(std::make_unique<Descriptor>(api, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const kernels::Window& window = geometry.window;
    how.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &math);
    how.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, &mode);
    how.setInt(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, static_cast<int64_t>(window.rank()));
    how.setInts(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, window.padBegin);
    how.setInts(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, window.padEnd);
    how.setInts(CUDNN_ATTR_CONVOLUTION_DILATIONS, window.dilations);
    how.setInts(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, window.strides);
    how.finalize();
    const float one = 1;
    const float zero = 0;
    const bool forward = operation.kind == Kind::kConvolution;
    auto made =
        std::make_unique<Descriptor>(api, forward ? CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
                                                  : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
    if (forward) {
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, *x);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, *w);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, *y);
        made->set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, &one);
        made->set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, &zero);
    } else {
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, how);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, *x);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, *w);
        made->setDescriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, *y);
        made->set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, &one);
        made->set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, &zero);
    }
    made->finalize();
    builder.add(std::move(made));
}

// Number of operations that a step is; hard swish and its kind are several.
struct Activation {
    cudnnPointwiseMode_t mode = CUDNN_POINTWISE_RELU_FWD;
    Builder::Clip clip;
    bool hard = false;  // max(0, min(1, alpha * x + beta))
    bool gated = false; // x * that
    double alpha = 0;
    double beta = 0;
};

Activation activationOf(const Step& step) {
    Activation activation;
    const std::string& op = step.op;
    activation.clip.alpha = step.alpha;
    if (op == "activation.clip") {
        if (step.beta < 3e38) {
            activation.clip.upper = step.beta;
        }
    } else if (op == "activation.leaky_relu") {
        activation.clip.slope = step.alpha;
    } else if (op == "activation.sigmoid") {
        activation.mode = CUDNN_POINTWISE_SIGMOID_FWD;
    } else if (op == "activation.tanh") {
        activation.mode = CUDNN_POINTWISE_TANH_FWD;
    } else if (op == "activation.elu") {
        activation.mode = CUDNN_POINTWISE_ELU_FWD;
    } else if (op == "activation.gelu_erf") {
        activation.mode = CUDNN_POINTWISE_GELU_FWD;
    } else if (op == "activation.gelu_tanh") {
        activation.mode = CUDNN_POINTWISE_GELU_APPROX_TANH_FWD;
    } else if (op == "activation.silu" || op == "gate:activation.sigmoid") {
        activation.mode = CUDNN_POINTWISE_SWISH_FWD;
        activation.clip.alpha = op == "activation.silu" ? step.alpha : 1;
    } else if (op == "activation.softplus") {
        activation.mode = CUDNN_POINTWISE_SOFTPLUS_FWD;
    } else if (op != "activation.relu") {
        activation.hard = true;
        activation.gated = op != "activation.hard_sigmoid";
        activation.alpha = op == "activation.hard_swish" ? 1.0 / 6 : step.alpha;
        activation.beta = op == "activation.hard_swish" ? 0.5 : step.beta;
        activation.clip.upper = 1;
    }
    return activation;
}

void appendActivation(Builder& builder, const Step& step, size_t rank, const Descriptor* from, const Descriptor* to,
                      const std::function<const Descriptor*()>& between) {
    const Activation activation = activationOf(step);
    if (!activation.hard) {
        builder.pointwise(activation.mode, from, nullptr, to, activation.clip);
        return;
    }
    const Descriptor* scaled = between();
    builder.pointwise(CUDNN_POINTWISE_MUL, from, builder.scalar(activation.alpha, rank), scaled, {});
    const Descriptor* shifted = between();
    builder.pointwise(CUDNN_POINTWISE_ADD, scaled, builder.scalar(activation.beta, rank), shifted, {});
    const Descriptor* clipped = activation.gated ? between() : to;
    builder.pointwise(CUDNN_POINTWISE_RELU_FWD, shifted, nullptr, clipped, activation.clip);
    if (activation.gated) {
        builder.pointwise(CUDNN_POINTWISE_MUL, clipped, from, to, {});
    }
}

} // namespace

cudnnDataType_t cudnnTypeOf(TnDataType type) {
    switch (type) {
    case TN_F32:
        return CUDNN_DATA_FLOAT;
    case TN_F16:
        return CUDNN_DATA_HALF;
    case TN_BF16:
        return CUDNN_DATA_BFLOAT16;
    default: // an int32_t from the other side: any number may come
        refuse("cudnn computes f32, f16 and bf16, not ", module::nameOf(type));
    }
}

Dims stridesOf(const Dims& planes, bool channelsLast) {
    Dims strides(planes.size(), 1);
    int64_t step = channelsLast ? planes[1] : 1;
    for (size_t d = planes.size(); d-- > 2;) {
        strides[d] = step;
        step *= planes[d];
    }
    strides[1] = channelsLast ? 1 : step;
    strides[0] = channelsLast ? step : step * planes[1];
    return strides;
}

Descriptor describeDevice(const CudnnApi& api, const std::string& json) {
    Descriptor device(api, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, json.c_str(),
               static_cast<int64_t>(json.size()) + 1);
    device.finalize();
    return device;
}

bool fitsPixelFormat(const Operation& operation, int64_t channels) {
    return operation.kind == Kind::kConvolution && channels < kPixelChannels && operation.head.intOr("group", 1) == 1;
}

Graph buildGraph(const Place& place, const Operation& operation, const std::vector<Step>& steps,
                 const Geometry& geometry, const std::vector<Dims>& inputs, const Ports& ports) {
    Graph graph;
    Builder builder(place, graph);
    const size_t rank = geometry.y.size();
    const TnPortFormat& output = ports.outputs[0];
    const bool last = isChannelsLast(output.format);
    const auto input = [&](int32_t port, const Dims& planes) {
        const TnPortFormat& format = ports.inputs[static_cast<size_t>(port)];
        graph.ports.push_back(port);
        return builder.tensor(inputUid(port), cudnnTypeOf(format.dtype), planes,
                              stridesOf(planes, isChannelsLast(format.format)));
    };
    const Dims strides = stridesOf(geometry.y, last);
    const auto between = [&] { return builder.next(geometry.y, strides); };
    const Descriptor* result = builder.tensor(outputUid(0), cudnnTypeOf(output.dtype), geometry.y, strides);
    const Descriptor* value = steps.empty() ? result : between();
    const Descriptor* x = input(operation.x, geometry.x);
    addConvolution(builder, *place.api, operation, geometry, x, input(operation.w, geometry.w), value);
    for (size_t i = 0; i < steps.size(); ++i) {
        const Step& step = steps[i];
        const Descriptor* made = i + 1 == steps.size() ? result : between();
        if (step.kind == StepKind::kActivation) {
            appendActivation(builder, step, rank, value, made, between);
        } else {
            const Dims& dims = inputs[static_cast<size_t>(step.port)];
            Dims planes(rank, 1);
            if (step.kind == StepKind::kResidual) {
                planes = asPlanes(dims);
            } else if (step.kind == StepKind::kBias) {
                planes[1] = kernels::product(dims);
            }
            const Descriptor* operand = input(step.port, planes);
            builder.pointwise(step.kind == StepKind::kScale ? CUDNN_POINTWISE_MUL : CUDNN_POINTWISE_ADD, value, operand,
                              made, {});
        }
        value = made;
    }
    builder.finish();
    return graph;
}

} // namespace tenon::cudnn
