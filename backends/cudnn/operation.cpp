#include "backends/cudnn/operation.h"

#include "backends/cudnn/attention.h"
#include "backends/cudnn/normalization.h"

#include <algorithm>
#include <utility>

namespace tenon::cudnn {

using kernels::Dims;
using kernels::refuse;
using nvidia::Step;
using nvidia::StepKind;

namespace {

bool isKnownActivation(const std::string& op) {
    for (const char* known : {"activation.relu", "activation.clip", "activation.leaky_relu", "activation.sigmoid",
                              "activation.tanh", "activation.elu", "activation.gelu_erf", "activation.gelu_tanh",
                              "activation.silu", "activation.softplus", "activation.hard_swish",
                              "activation.hard_sigmoid", "gate:activation.sigmoid", "gate:activation.hard_sigmoid"}) {
        if (op == known) {
            return true;
        }
    }
    return false;
}

} // namespace

Operation readOperation(const module::GraphView& body) {
    if (body.nodeCount() == 0) {
        refuse("an empty region");
    }
    Operation operation;
    const std::string_view op = body.node(0).op();
    if (op == "attention") {
        return readAttention(body);
    }
    if (isNormalization(body)) {
        return readNormalization(body);
    }
    if (op == "conv") {
        operation.kind = Kind::kConvolution;
    } else if (op == "deconv") {
        operation.kind = Kind::kDeconvolution;
    } else {
        // Pooling too: engine 3 of 9.19 writes behind its output or its workspace, in every layout and element type.
        refuse("cudnn computes attention, normalisations, and conv and deconv with what follows them, not ", op);
    }
    if (body.node(0).outputCount() > 1 && body.outputs().size() > 1) {
        refuse(op, " with a second output");
    }
    const nvidia::Chain chain = nvidia::readChain(body, 1);
    operation.head = chain.head;
    operation.x = chain.operand(0);
    operation.w = chain.operand(1);
    if (chain.operand(2) >= 0) {
        Step bias;
        bias.kind = StepKind::kBias;
        bias.port = chain.operand(2);
        operation.steps.push_back(bias);
    }
    operation.steps.insert(operation.steps.end(), chain.steps.begin(), chain.steps.end());
    if (operation.x < 0 || operation.w < 0 || operation.w == operation.x) {
        refuse(op, " without its operands, or with one in two places");
    }
    for (const Step& step : operation.steps) {
        if (step.kind == StepKind::kActivation && !isKnownActivation(step.op)) {
            refuse("cuDNN has no epilogue for ", step.op);
        }
        if (step.op == "activation.clip" && step.alpha != 0) {
            refuse("cuDNN clips from 0 on; this clip begins at ", step.alpha);
        }
        if (step.port == operation.x || (step.port >= 0 && step.port == operation.w)) {
            refuse("an operand of the head that is added again");
        }
    }
    return operation;
}

Dims asPlanes(const Dims& dims) {
    Dims planes = dims;
    if (planes.size() == 3) {
        planes.insert(planes.begin() + 2, 1);
    }
    return planes;
}

Geometry geometryOf(const Operation& operation, const std::vector<Dims>& inputs, const Dims& output) {
    const auto shape = [](const Dims& dims) {
        kernels::Shape out;
        out.present = true;
        out.dims = dims;
        out.elements = kernels::product(dims);
        return out;
    };
    const Dims& x = inputs[static_cast<size_t>(operation.x)];
    if (x.size() < 3 || x.size() > 5 || output.size() != x.size()) {
        refuse("cuDNN slides windows over 1 to 3 dimensions, not over a tensor of rank ", x.size());
    }
    Geometry geometry;
    const Dims& w = inputs[static_cast<size_t>(operation.w)];
    if (w.size() != x.size()) {
        refuse("weights of rank ", w.size(), " for a tensor of rank ", x.size());
    }
    const Dims kernel(w.begin() + 2, w.end());
    geometry.w = asPlanes(w);
    const kernels::Call call(operation.head, {}, {shape(x)}, {shape(output)}, 1);
    const bool deconv = operation.kind == Kind::kDeconvolution;
    kernels::Window window = deconv ? kernels::deconvWindowOf(call, kernel) : kernels::windowOf(call, kernel);
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
        // Of a deconvolution, the convolution that it undoes: from its output to its input.
        const int64_t large = deconv ? window.output[d] : window.input[d];
        const int64_t small = deconv ? window.input[d] : window.output[d];
        const int64_t needed = (small - 1) * window.strides[d] + reach - large - window.padBegin[d];
        window.padEnd[d] = std::max<int64_t>(needed, 0);
        const int64_t windows = (large + window.padBegin[d] + window.padEnd[d] - reach) / window.strides[d] + 1;
        if (window.padBegin[d] < 0 || windows != small || large + window.padBegin[d] + window.padEnd[d] < reach) {
            refuse("cuDNN pads with zeros or more, and windows must end where the result does");
        }
    }
    if (window.rank() == 1) {
        for (Dims* each : {&window.input, &window.output, &window.kernel, &window.strides, &window.dilations}) {
            each->insert(each->begin(), 1);
        }
        window.padBegin.insert(window.padBegin.begin(), 0);
        window.padEnd.insert(window.padEnd.begin(), 0);
    }
    geometry.window = std::move(window);
    geometry.x = asPlanes(x);
    geometry.y = asPlanes(output);
    return geometry;
}

void foldPatches(const Operation& operation, Geometry& geometry) {
    kernels::Window& window = geometry.window;
    const int64_t columns = window.kernel.back();
    if (operation.kind != Kind::kConvolution || operation.head.intOr("group", 1) != 1 || columns == 1 ||
        window.strides.back() != columns || window.dilations.back() != 1 || window.padBegin.back() != 0 ||
        window.padEnd.back() != 0 || window.input.back() != columns * window.output.back()) {
        return;
    }
    for (Dims* dims : {&geometry.x, &geometry.w}) {
        (*dims)[1] *= columns;
        dims->back() /= columns;
    }
    window.input.back() = window.output.back();
    window.kernel.back() = 1;
    window.strides.back() = 1;
}

std::vector<Step> swappedSteps(const std::vector<Step>& steps) {
    std::vector<Step> swapped = steps;
    for (size_t i = 0; i + 1 < swapped.size(); ++i) {
        const bool sums = (swapped[i].kind == StepKind::kBias || swapped[i].kind == StepKind::kResidual) &&
                          (swapped[i + 1].kind == StepKind::kBias || swapped[i + 1].kind == StepKind::kResidual);
        if (sums && swapped[i].kind != swapped[i + 1].kind) {
            std::swap(swapped[i], swapped[i + 1]);
            return swapped;
        }
    }
    return {};
}

} // namespace tenon::cudnn
