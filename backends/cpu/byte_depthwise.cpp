#include "backends/cpu/byte_depthwise.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/depthwise_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace tenon::cpu {

namespace {

// Of what stands before a rounding: an activation that cuts.
struct Range {
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
};

// From bytes that stand for numbers to other bytes.
struct Again {
    ByteScale from;
    Range range;
    std::optional<ByteScale> to; // nothing until its quantize was met
};

struct Region {
    module::NodeView conv;
    int32_t x = -1; // ports
    int32_t weights = -1;
    int32_t bias = -1;
    ByteScale from;
    std::vector<float> weightScales; // one, or one for each channel
    std::vector<float> weightZeros;
    bool weightsAreSigned = true;
    Range range;
    std::optional<ByteScale> to;
    std::optional<Again> again;
};

class Reader {
public:
    explicit Reader(const module::GraphView& body) : mBody(body) {}

    std::optional<Region> run() {
        if (mBody.outputs().size() != 1) {
            return std::nullopt;
        }
        for (size_t n = 0; n < mBody.nodeCount(); ++n) {
            if (!read(mBody.node(n))) {
                return std::nullopt;
            }
        }
        const bool isWhole = mRegion.to && (!mRegion.again || mRegion.again->to) && mValue == mBody.outputs()[0];
        return isWhole ? std::optional<Region>(std::move(mRegion)) : std::nullopt;
    }

private:
    bool read(const module::NodeView& node) {
        if (mValue < 0) {
            if (node.op() == "dequantize") {
                mOperands.push_back(node);
                return true;
            }
            return isDepthwiseOfBytes(node) && readConvolution(node);
        }
        if (node.op() == "binary.add") {
            return addBias(node);
        }
        const bool follows = node.inputIndex(0) == mValue;
        mValue = node.outputIndex(0);
        return follows && (node.op() == "quantize"     ? readQuantize(node)
                           : node.op() == "dequantize" ? readDequantize(node)
                                                       : readActivation(node));
    }

    const module::NodeView* operand(int32_t value) const {
        const auto found = std::find_if(mOperands.begin(), mOperands.end(),
                                        [&](const module::NodeView& node) { return node.outputIndex(0) == value; });
        return found == mOperands.end() ? nullptr : &*found;
    }

    bool isDepthwiseOfBytes(const module::NodeView& node) const {
        const module::NodeView* const w = node.op() == "conv" ? operand(node.inputIndex(1)) : nullptr;
        if (w == nullptr || operand(node.inputIndex(0)) == nullptr) {
            return false;
        }
        const module::ValueView weights = w->input(0);
        const module::ValueView image = node.input(0);
        return weights.isConstant() && weights.isStatic() && weights.rank() == 4 && weights.dim(1).opt == 1 &&
               weights.dim(0).opt == node.intOr("group", 1) && weights.dim(0).opt >= depthwiseLanes() &&
               image.isStatic(1) && image.dim(1).opt == weights.dim(0).opt;
    }

    bool readConvolution(const module::NodeView& node) {
        const module::NodeView& x = *operand(node.inputIndex(0));
        const module::NodeView& w = *operand(node.inputIndex(1));
        const auto from = byteScaleOf(x, x.input(0).dtype());
        const auto scales = w.input(1).data<float>();
        const auto channels = static_cast<size_t>(w.input(0).dim(0).opt);
        if (mOperands.size() != 2 || !from || !isByte(w.input(0).dtype()) || w.input(1).dtype() != TN_F32 ||
            (scales.size() != 1 && (scales.size() != channels || w.intOr("axis", 1) != 0))) {
            return false;
        }
        mRegion.conv = node;
        mRegion.from = *from;
        mRegion.x = portOf(mBody.inputs(), x.inputIndex(0));
        mRegion.weights = portOf(mBody.inputs(), w.inputIndex(0));
        mRegion.weightScales.assign(scales.begin(), scales.end());
        mRegion.weightsAreSigned = w.input(0).dtype() == TN_I8;
        mRegion.weightZeros.assign(scales.size(), 0);
        if (w.inputCount() > 2 && w.hasInput(2)) {
            const auto zeros = w.input(2).bytes();
            if (zeros.size() != scales.size()) {
                return false;
            }
            std::transform(zeros.begin(), zeros.end(), mRegion.weightZeros.begin(), [&](std::byte zero) {
                const auto byte = static_cast<uint8_t>(zero);
                return mRegion.weightsAreSigned ? static_cast<float>(static_cast<int8_t>(byte))
                                                : static_cast<float>(byte);
            });
        }
        mValue = node.outputIndex(0);
        if (node.inputCount() > 2 && node.hasInput(2)) {
            mRegion.bias = portOf(mBody.inputs(), node.inputIndex(2));
            return mRegion.bias >= 0 && node.input(2).dtype() == TN_F32;
        }
        return mRegion.x >= 0 && mRegion.weights >= 0;
    }

    // A constant for each channel, right behind the convolution.
    bool addBias(const module::NodeView& node) {
        const size_t mine = node.inputIndex(0) == mValue ? 0 : 1;
        const module::ValueView other = node.input(static_cast<int32_t>(1 - mine));
        const int64_t channels = mRegion.conv.intOr("group", 1);
        const int32_t channelDim = other.rank() - 3;
        if (node.inputIndex(static_cast<int32_t>(mine)) != mValue || mRegion.bias >= 0 || mRegion.to ||
            std::isfinite(mRegion.range.low) || std::isfinite(mRegion.range.high) || !other.isConstant() ||
            other.dtype() != TN_F32 || !other.isStatic() || other.optElements() != channels || channelDim < 0 ||
            other.dim(channelDim).opt != channels) {
            return false;
        }
        mRegion.bias = portOf(mBody.inputs(), node.inputIndex(static_cast<int32_t>(1 - mine)));
        mValue = node.outputIndex(0);
        return mRegion.bias >= 0;
    }

    bool readActivation(const module::NodeView& node) {
        Range& range = mRegion.again ? mRegion.again->range : mRegion.range;
        const bool isFirst = !std::isfinite(range.low) && !std::isfinite(range.high);
        if (node.op() == "activation.relu") {
            range.low = 0;
        } else if (node.op() == "activation.clip") {
            range.low = static_cast<float>(node.floatOr("min", static_cast<double>(range.low)));
            range.high = static_cast<float>(node.floatOr("max", static_cast<double>(range.high)));
        } else {
            return false;
        }
        const bool isOpen = mRegion.again ? !mRegion.again->to : !mRegion.to;
        return isFirst && isOpen && range.low <= range.high;
    }

    bool readQuantize(const module::NodeView& node) {
        std::optional<ByteScale>& to = mRegion.again ? mRegion.again->to : mRegion.to;
        const bool isOpen = !to;
        to = byteScaleOf(node, node.output(0).dtype());
        return isOpen && to;
    }

    bool readDequantize(const module::NodeView& node) {
        const auto from = byteScaleOf(node, node.input(0).dtype());
        if (!from || !mRegion.to || mRegion.again) {
            return false;
        }
        mRegion.again = Again{*from, {}, {}};
        return true;
    }

    module::GraphView mBody;
    Region mRegion;
    std::vector<module::NodeView> mOperands;
    int32_t mValue = -1; // the end of the chain so far
};

using Table = std::array<uint8_t, 256>;

// What becomes of each byte of the first rounding.
Table tableOf(const Again& again) {
    Table codes{};
    std::array<float, 256> numbers{};
    Table table{};
    for (size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<uint8_t>(i);
    }
    byteRows().dequantize(codes.data(), 256, again.from, numbers.data());
    for (float& number : numbers) {
        number = std::clamp(number, again.range.low, again.range.high);
    }
    byteRows().quantize(numbers.data(), 256, *again.to, table.data());
    return table;
}

constexpr int64_t kLineNumbers = 1 << 15; // that a thread keeps at least: half of a second-level cache, or less

struct Kernel {
    Region region;
    std::optional<Table> table;
    Window window;
    int64_t batches = 0;
    int64_t channels = 0;
    int64_t team = 1;
    int64_t rowsAtOnce = 1;

    int64_t inputLine() const { return window.input[1] * channels; }
    int64_t line() const { return window.output[1] * channels; }
    // Lines of the image that `rows` rows of results read.
    int64_t linesOf(int64_t rows) const {
        return std::min((rows - 1) * window.strides[0] + (window.kernel[0] - 1) * window.dilations[0] + 1,
                        window.input[0]);
    }
    int64_t numbersOfWeights() const { return window.taps() * channels; }
    int64_t numbersOfLines() const { return std::max(kLineNumbers, linesOf(1) * inputLine()); }
    int64_t numbersOfMember() const { return numbersOfLines() + line(); }
    int64_t workspace() const {
        return (numbersOfWeights() + team * numbersOfMember()) * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const weights = static_cast<float*>(b.workspace);
        readWeights(b.in<uint8_t>(1), weights);
        const int64_t rows = window.output[0];
        const int64_t pieces = (rows + rowsAtOnce - 1) / rowsAtOnce;
        parallelTeam(team, batches * pieces, [&](int64_t member, int64_t begin, int64_t end) {
            float* const numbers = weights + numbersOfWeights() + member * numbersOfMember();
            for (int64_t piece = begin; piece < end; ++piece) {
                const int64_t first = piece % pieces * rowsAtOnce;
                runRows(b, weights, numbers, piece / pieces, first, std::min(first + rowsAtOnce, rows));
            }
        });
    }

    void readWeights(const uint8_t* bytes, float* to) const {
        const bool many = region.weightScales.size() > 1;
        for (int64_t tap = 0; tap < window.taps(); ++tap) {
            for (int64_t c = 0; c < channels; ++c) {
                const size_t which = many ? static_cast<size_t>(c) : 0;
                const uint8_t byte = bytes[tap * channels + c];
                const auto code =
                    region.weightsAreSigned ? static_cast<float>(static_cast<int8_t>(byte)) : static_cast<float>(byte);
                to[tap * channels + c] = (code - region.weightZeros[which]) * region.weightScales[which];
            }
        }
    }

    void runRows(const Buffers& b, const float* weights, float* numbers, int64_t batch, int64_t first,
                 int64_t last) const {
        const int64_t reach = (window.kernel[0] - 1) * window.dilations[0] + 1;
        const int64_t top = std::max<int64_t>(first * window.strides[0] - window.padBegin[0], 0);
        const int64_t bottom = std::min((last - 1) * window.strides[0] - window.padBegin[0] + reach, window.input[0]);
        if (bottom > top) {
            byteRows().dequantize(b.in<uint8_t>(0) + (batch * window.input[0] + top) * inputLine(),
                                  (bottom - top) * inputLine(), region.from, numbers);
        }
        float* const result = numbers + numbersOfLines();
        for (int64_t row = first; row < last; ++row) {
            DepthwiseRows how = depthwiseRowsOf(window, row, 1, window.input[0], weights, channels);
            how.x = numbers;
            how.xPixel = channels;
            how.xLine = inputLine();
            how.first = how.lines > 0 ? how.first - top : 0; // the first line that is there is the image's line `top`
            how.start = region.bias >= 0 ? b.in<float>(2) : nullptr;
            how.y = result;
            how.yPixel = channels;
            how.channels = channels;
            how.low = region.range.low;
            how.high = region.range.high;
            depthwiseRows(how);
            uint8_t* const y = b.out<uint8_t>() + (batch * window.output[0] + row) * line();
            byteRows().quantize(result, line(), *region.to, y);
            if (table) {
                byteRows().lookup(table->data(), y, line(), y);
            }
        }
    }
};

} // namespace

bool isByteDepthwise(const module::GraphView& body) { return Reader(body).run().has_value(); }

std::vector<TnFormat> byteDepthwiseLayouts(const module::GraphView& body) {
    const Region region = *Reader(body).run();
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    layouts[static_cast<size_t>(region.x)] = module::channelsLastFormat(4);
    layouts[static_cast<size_t>(region.weights)] = depthwiseWeights();
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkByteDepthwise(const Task& task) {
    checkFormats(task, byteDepthwiseLayouts(task.body), "a depthwise convolution of bytes");
}

TaskPlan planByteDepthwise(const Task& task, const PortShapes& shapes) {
    Kernel kernel;
    kernel.region = *Reader(task.body).run();
    const Region& region = kernel.region;
    if (region.again) {
        kernel.table = tableOf(*region.again);
    }
    const Shape& x = shapes.inputs[static_cast<size_t>(region.x)];
    const Shape& weights = shapes.inputs[static_cast<size_t>(region.weights)];
    const Call call(region.conv, shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    kernel.window = windowOf(call, {weights.dims[2], weights.dims[3]});
    kernel.batches = x.dims[0];
    kernel.channels = weights.dims[0];
    const int64_t rows = kernel.window.output[0];
    const int64_t cost = kernel.line() * (kernel.window.taps() + 8) / 8 + 1;
    kernel.team = teamFor(shapes.threads, kernel.batches * rows, cost);
    const int64_t share = (kernel.batches * rows + kernel.team - 1) / kernel.team;
    const int64_t lines = kLineNumbers / std::max<int64_t>(kernel.inputLine(), 1);
    const int64_t fits = (lines - kernel.linesOf(1)) / kernel.window.strides[0] + 1;
    kernel.rowsAtOnce = std::clamp<int64_t>(std::min(fits, share), 1, std::max<int64_t>(rows, 1));
    TaskPlan result;
    result.inputPorts = {region.x, region.weights, region.bias};
    result.outputPorts = {0};
    result.plan = planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
