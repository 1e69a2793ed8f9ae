#include "backends/cuda/excite_region.h"

#include "backends/common/excite.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"
#include "backends/cuda/pointwise.h"
#include "backends/cuda/source.h"

#include <algorithm>

namespace tenon::cuda {

namespace {

using kernels::Excite;
using kernels::ExciteLayer;

// Floats of a block's memory.
constexpr int64_t kMostFloats = 10 * 1024;
constexpr int64_t kExciteThreads = 512;
// Blocks that a small batch is spread over, and positions that a block should have at least.
constexpr int64_t kWantedBlocks = 96;
constexpr int64_t kMostChunks = 48;
constexpr int64_t kFewestPositions = 16;

// Elements that a thread reads at once where lines are a multiple of them.
int64_t vectorOf(TnDataType type, int64_t length) {
    const int64_t most = 16 / bytesOf(type);
    return length % most == 0 ? most : 1;
}

bool isChannelsLast(const TnFormat& format) {
    return format.rank >= 3 && module::equal(format, module::channelsLastFormat(format.rank));
}

std::string activationOf(const module::GraphView& body, const ExciteLayer& layer, std::string_view name) {
    const module::NodeView node = body.node(static_cast<size_t>(layer.activation));
    return module::text("__device__ inline float ", name, "(float ", pointwiseName(node.inputIndex(0)),
                        ") { return (float)(", pointwiseExpression(node), "); }\n");
}

} // namespace

bool isExciteRegion(const module::GraphView& body) { return kernels::readExcite(body).has_value(); }

int32_t imageOfExcite(const module::GraphView& body) { return kernels::readExcite(body)->x; }

void checkExciteRegion(const Task& task) {
    const std::optional<Excite> excite = kernels::readExcite(task.body);
    if (!excite || excite->scales) {
        refuse("squeeze-and-excite with its multiplication, which is a pointwise kernel of its own");
    }
    for (const ExciteLayer& layer : excite->layers) {
        const module::NodeView node = task.body.node(static_cast<size_t>(layer.activation));
        if (!isPointwise(node.op()) || !contains(kFloats, node.input(0).dtype()) ||
            node.input(0).dtype() != node.output(0).dtype()) {
            refuse("squeeze-and-excite with ", node.op(), " for an activation");
        }
        OpTable::instance().require(node);
    }
    if (excite->layers[0].inputs + excite->layers[0].outputs > kMostFloats) {
        refuse("squeeze-and-excite of ", excite->layers[0].inputs, " channels; at most ", kMostFloats, " fit");
    }
    const auto checkType = [](const TnPortFormat& port, const module::ValueView& value) {
        const bool known = port.dtype == TN_F32 || port.dtype == TN_F16 || port.dtype == TN_BF16;
        if (!known || (port.dtype != value.dtype() && value.dtype() != TN_F32) || port.format.rank != value.rank()) {
            refuse("squeeze-and-excite with ", nameOf(value.dtype()), " as ", nameOf(port.dtype));
        }
    };
    const TnFormat& image = task.inputs[static_cast<size_t>(excite->x)].format;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        checkType(task.inputs[i], task.body.value(task.body.inputs()[i]));
        if (i != static_cast<size_t>(excite->x) && !module::isLinear(task.inputs[i].format)) {
            refuse("squeeze-and-excite with weights in the layout ", module::describe(task.inputs[i].format));
        }
    }
    checkType(task.outputs[0], task.body.value(task.body.outputs()[0]));
    const TnFormat& result = task.outputs[0].format;
    if ((!module::isLinear(image) && !isChannelsLast(image)) ||
        (!module::isLinear(result) && !isChannelsLast(result))) {
        refuse("squeeze-and-excite from the layout ", module::describe(image), " to ", module::describe(result));
    }
}

std::string printExciteRegion(const Task& task, bool wideIndex) {
    const Excite excite = *kernels::readExcite(task.body);
    const TnPortFormat& image = task.inputs[static_cast<size_t>(excite.x)];
    const int64_t channels = excite.layers[0].inputs;
    const int64_t hidden = excite.layers[0].outputs;
    const auto type = [&](int32_t port) { return task.inputs[static_cast<size_t>(port)].dtype; };
    // As many lanes for a row of the second product as read about four of its weights each.
    int64_t lanes = 1;
    while (lanes < 32 && lanes * 4 < hidden) {
        lanes *= 2;
    }
    Source source(wideIndex);
    if (excite.squeezes) {
        source.define("SQUEEZES");
    }
    if (isChannelsLast(image.format) && excite.squeezes) {
        source.define("CHANNELS_LAST");
    }
    source.define("CHANNELS", std::to_string(channels)).define("HIDDEN", std::to_string(hidden));
    source.define("OUTPUTS", std::to_string(excite.layers[1].outputs)).define("LANES2", std::to_string(lanes));
    source.define("IMAGE_VECTOR", std::to_string(vectorOf(image.dtype, channels)));
    source.define("WEIGHTS1_VECTOR",
                  std::to_string(excite.layers[0].transposed ? vectorOf(type(excite.layers[0].weights), channels) : 1));
    source.type("Image", cudaName(image.dtype)).type("Result", cudaName(task.outputs[0].dtype));
    for (size_t i = 0; i < 2; ++i) {
        const ExciteLayer& layer = excite.layers[i];
        const std::string number = std::to_string(i + 1);
        source.define("TRANSPOSED" + number, layer.transposed ? "true" : "false");
        source.define("HAS_BIAS" + number, layer.bias >= 0 ? "1" : "0");
        source.type("Weights" + number, cudaName(type(layer.weights)));
        if (layer.bias >= 0) {
            source.type("Bias" + number, cudaName(type(layer.bias)));
        }
    }
    const std::string activations = activationOf(task.body, excite.layers[0], "activation1") +
                                    activationOf(task.body, excite.layers[1], "activation2");
    return source.text({kFunctionsText, activations, kExciteText});
}

void planExciteRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan) {
    const Excite excite = *kernels::readExcite(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(excite.x)];
    ExciteArgs args{};
    std::fill(std::begin(args.operands.in), std::end(args.operands.in), static_cast<signed char>(-1));
    std::fill(std::begin(args.operands.out), std::end(args.operands.out), static_cast<signed char>(-1));
    args.operands.in[0] = static_cast<signed char>(excite.x);
    for (size_t i = 0; i < 2; ++i) {
        args.operands.in[1 + 2 * i] = static_cast<signed char>(excite.layers[i].weights);
        args.operands.in[2 + 2 * i] = static_cast<signed char>(excite.layers[i].bias);
    }
    args.operands.out[0] = 0;
    if (x.dims.size() < 2 || x.dims[1] != excite.layers[0].inputs) {
        invalid("squeeze-and-excite of shape ", shapeText(x.dims), " with weights for ", excite.layers[0].inputs,
                " channels");
    }
    args.batch = x.dims[0];
    args.positions = product(x.dims, 2, x.dims.size());
    args.chunks = 1;
    if (excite.squeezes && args.batch > 0) {
        const bool last = isChannelsLast(task.inputs[static_cast<size_t>(excite.x)].format);
        if (last) {
            args.chunks = std::clamp<int64_t>(std::min(kWantedBlocks / args.batch, args.positions / kFewestPositions),
                                              1, kMostChunks);
        }
        // Enough for every batch and number of positions, so that it does not fall when either rises.
        plan.workspace =
            (args.batch + std::max(kWantedBlocks, kMostChunks)) * x.dims[1] * static_cast<int64_t>(sizeof(float));
        plan.launch("squeeze", last ? args.batch * args.chunks * kBlock : args.batch * x.dims[1] * 32, args);
    }
    if (Launch* const launch = plan.launch("excite", args.batch * kBlock, args)) {
        launch->block = kExciteThreads;
    }
}

} // namespace tenon::cuda
