#include "backends/cpu/depthwise.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/depthwise_rows.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

namespace {

// Operands of the kernel: x, the weights, then those of the chain.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;

Chain chainOf(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    const module::ValueView weights = node.input(1);
    const int32_t x = kernels::portOf(body.inputs(), node.inputIndex(0));
    const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
    if (x < 0 || w < 0 || x == w || !weights.isConstant() || !weights.isStatic() || weights.rank() != 4 ||
        weights.dim(1).opt != 1 || weights.dim(0).opt != node.intOr("group", 1)) {
        refuse("a convolution that is not depthwise over images, with constant weights");
    }
    const int64_t channels = weights.dim(0).opt;
    const module::ValueView input = node.input(0);
    if (channels < depthwiseLanes() || !input.isStatic(1) || input.dim(1).opt != channels) {
        refuse("a depthwise convolution of ", channels, " channels");
    }
    std::vector<int32_t> ports{x, w};
    int32_t bias = -1;
    if (node.hasInput(2)) {
        bias = static_cast<int32_t>(ports.size());
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(2)));
    }
    Chain chain = readChain(body, std::move(ports), bias, 1, channels);
    for (const Follower& follower : chain.followers) {
        if (follower.kind == Follower::Kind::kPerChannel) {
            refuse("a depthwise convolution followed by something for each channel that is no bias");
        }
    }
    return chain;
}

struct Depthwise {
    Chain chain;
    std::optional<Cut> cut;
    Window window;
    bool isBrain = false; // x and the result are bf16
    int64_t batches = 0;
    int64_t channels = 0;
    int threads = 1;

    int64_t line() const { return window.output[1] * channels; }
    int64_t inputLine() const { return window.input[1] * channels; }
    int64_t rows() const { return batches * window.output[0]; }
    int64_t team() const { return teamFor(threads, rows(), line() * (window.taps() + 4) / 8 + 1); }

    int64_t numbers() const { return static_cast<int64_t>(chain.followers.size()) * line(); }
    // Lines of results in bf16 that are made together, at most: their windows' lines should stay near as f32.
    static constexpr int64_t kBrainRows = 2;
    // Lines of the image that a thread has as f32: as many as the windows of these meet.
    int64_t ring() const {
        const int64_t reach = (window.kernel[0] - 1) * window.dilations[0] + 1;
        return std::min(reach + (kBrainRows - 1) * window.strides[0], window.input[0]);
    }
    int64_t perThread() const { return isBrain ? ring() * inputLine() + kBrainRows * line() : 0; }
    int64_t workspace() const { return (numbers() + threads * perThread()) * static_cast<int64_t>(sizeof(float)); }

    // The lines of an image that are there as f32.
    struct Ring {
        float* lines;
        int64_t batch = -1;
        int64_t next = 0; // the first line that is not there yet
    };

    void run(const Buffers& b) const {
        auto* const values = static_cast<float*>(b.workspace);
        repeatNumbers(chain, b, line(), values);
        parallelTeam(team(), rows(), [&](int64_t member, int64_t begin, int64_t end) {
            float* const own = values + numbers() + member * perThread();
            Ring lines{own};
            for (int64_t row = begin, some = 0; row < end; row += some) {
                const int64_t batch = row / window.output[0];
                const int64_t outputRow = row % window.output[0];
                const int64_t most = std::min(end - row, isBrain ? kBrainRows : kDepthwiseRows);
                some = depthwiseRowsTogether(window, outputRow, std::min(outputRow + most, window.output[0]),
                                             window.input[0]);
                if (!isBrain) {
                    const float* const image = b.in<float>(kX) + batch * window.input[0] * inputLine();
                    runRows(b, values, image, std::numeric_limits<int64_t>::max(), outputRow, some, row * line(),
                            b.out<float>() + row * line());
                    continue;
                }
                widen(b, lines, batch, outputRow, outputRow + some - 1);
                float* const y = own + ring() * inputLine();
                runRows(b, values, lines.lines, ring(), outputRow, some, row * line(), y);
                finishRow(TN_BF16, b.outputs[0], row * line(), some * line(), y);
            }
        });
    }

    // What the windows of rows `firstRow` to `lastRow` of results meet.
    void widen(const Buffers& b, Ring& to, int64_t batch, int64_t firstRow, int64_t lastRow) const {
        const int64_t top = firstRow * window.strides[0] - window.padBegin[0];
        const int64_t bottom = lastRow * window.strides[0] - window.padBegin[0];
        const int64_t last = std::min(bottom + (window.kernel[0] - 1) * window.dilations[0] + 1, window.input[0]);
        to.next = std::max({to.batch == batch ? to.next : 0, top, int64_t{0}});
        to.batch = batch;
        for (; to.next < last; ++to.next) {
            readRow(TN_BF16, b.inputs[kX], (batch * window.input[0] + to.next) * inputLine(), inputLine(),
                    to.lines + to.next % ring() * inputLine());
        }
    }

    // `image` has line n at n % ring; results are elements `at` and on.
    void runRows(const Buffers& b, const float* numbersOfLine, const float* image, int64_t ringLines, int64_t outputRow,
                 int64_t count, int64_t at, float* y) const {
        DepthwiseRows row = depthwiseRowsOf(window, outputRow, count, ringLines, b.in<float>(kWeights), channels);
        row.x = image;
        row.xPixel = channels;
        row.xLine = inputLine();
        row.start = biasOf(chain, b);
        row.y = y;
        row.yPixel = channels;
        row.channels = channels;
        if (cut) {
            row.low = cut->low;
            row.high = cut->high;
        }
        depthwiseRows(row);
        if (!cut) {
            for (int64_t i = 0; i < count * line(); i += line()) {
                applyFollowers(chain, b, numbersOfLine, line(), y + i, line(), at + i, 0);
            }
        }
    }
};

} // namespace

WindowLines linesInside(const Window& window, int64_t top) {
    int64_t first = 0;
    while (first < window.kernel[0] && top + first * window.dilations[0] < 0) {
        ++first;
    }
    int64_t last = window.kernel[0];
    while (last > first && top + (last - 1) * window.dilations[0] >= window.input[0]) {
        --last;
    }
    return {first, last};
}

int64_t depthwiseRowsTogether(const Window& window, int64_t outputRow, int64_t end, int64_t inputEnd) {
    const int64_t reach = (window.kernel[0] - 1) * window.dilations[0] + 1;
    const int64_t top = outputRow * window.strides[0] - window.padBegin[0];
    const int64_t last = std::min(inputEnd, window.input[0]);
    if (top < 0 || top + reach > last) {
        return 1;
    }
    return std::min({end - outputRow, (last - top - reach) / window.strides[0] + 1, kDepthwiseRows});
}

DepthwiseRows depthwiseRowsOf(const Window& window, int64_t outputRow, int64_t rows, int64_t ring, const float* weights,
                              int64_t channels) {
    const int64_t top = outputRow * window.strides[0] - window.padBegin[0];
    const auto [first, last] = linesInside(window, top);
    DepthwiseRows row{};
    row.first = first < last ? (top + first * window.dilations[0]) % ring : 0; // an image without lines has no ring
    row.apart = window.dilations[0];
    row.ring = ring;
    row.width = window.input[1];
    row.wPixel = channels;
    row.wLine = window.kernel[1] * channels;
    row.w = weights + first * row.wLine;
    row.lines = last - first;
    row.columns = window.kernel[1];
    row.stride = window.strides[1];
    row.dilation = window.dilations[1];
    row.pad = window.padBegin[1];
    row.outputs = window.output[1];
    row.rows = rows;
    row.down = window.strides[0];
    return row;
}

bool isDepthwise(const module::NodeView& node) {
    if (node.op() != "conv" || !node.hasInput(1)) {
        return false;
    }
    const module::ValueView weights = node.input(1);
    return weights.isConstant() && weights.isStatic() && weights.rank() == 4 && weights.dim(1).opt == 1 &&
           node.intOr("group", 1) > 1 && node.intOr("group", 1) == weights.dim(0).opt;
}

bool beginsWithDepthwise(const module::GraphView& body) { return body.nodeCount() > 0 && isDepthwise(body.node(0)); }

TnFormat depthwiseWeights() { return module::permutedFormat({2, 3, 1, 0}); }

std::vector<TnFormat> depthwiseLayouts(const module::GraphView& body) {
    const Chain chain = chainOf(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < chain.ports.size(); ++i) {
        if (i == kX || chain.isTensor[i]) {
            layouts[static_cast<size_t>(chain.ports[i])] = module::channelsLastFormat(4);
        }
    }
    layouts[static_cast<size_t>(chain.ports[kWeights])] = depthwiseWeights();
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkDepthwise(const Task& task) {
    const Chain chain = chainOf(task.body);
    Task wide = task;
    TnPortFormat& x = wide.inputs[static_cast<size_t>(chain.ports[kX])];
    if (x.dtype == TN_BF16 && wide.outputs[0].dtype == TN_BF16) {
        const bool hasTensors = std::find(chain.isTensor.begin(), chain.isTensor.end(), true) != chain.isTensor.end();
        if (hasTensors) {
            refuse("a depthwise convolution in bf16 followed by something of its result's shape");
        }
        x.dtype = wide.outputs[0].dtype = TN_F32;
    }
    checkLayouts(wide, depthwiseLayouts(task.body), "a depthwise convolution");
}

TaskPlan planDepthwise(const Task& task, const PortShapes& shapes) {
    Depthwise kernel;
    kernel.chain = chainOf(task.body);
    kernel.cut = cutOf(kernel.chain);
    const Shape& x = shapes.inputs[static_cast<size_t>(kernel.chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(kernel.chain.ports[kWeights])];
    const Call call(task.body.node(0), shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    kernel.window = windowOf(call, {weights.dims[2], weights.dims[3]});
    kernel.batches = x.dims[0];
    kernel.channels = weights.dims[0];
    kernel.threads = shapes.threads;
    kernel.isBrain = task.outputs[0].dtype == TN_BF16;
    TaskPlan result;
    result.inputPorts = kernel.chain.ports;
    result.outputPorts = {0};
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
