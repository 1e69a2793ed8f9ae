#include "backends/cpu/byte_chain.h"

#include "backends/common/ports.h"
#include "backends/cpu/program_compiler.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// The weights' dimension of the result's channels.
int32_t channelsAt(const module::NodeView& head) {
    return head.op() == "conv" || head.intOr("trans_b", 0) != 0 ? 0 : 1;
}

// Scales of the weights, one for all or one for each output channel, which dimension `at` counts; empty where they are none of the two.
std::vector<float> weightScales(const module::NodeView& node, int32_t at, int64_t channels) {
    if (node.input(0).dtype() != TN_I8 || node.input(1).dtype() != TN_F32) {
        return {};
    }
    const auto scales = node.input(1).data<float>();
    if (scales.size() == 1) {
        return std::vector<float>(static_cast<size_t>(channels), scales[0]);
    }
    int64_t axis = node.intOr("axis", 1);
    axis += axis < 0 ? node.input(0).rank() : 0;
    if (axis != at || scales.size() != static_cast<size_t>(channels)) {
        return {};
    }
    return {scales.begin(), scales.end()};
}

// Zero points of the weights, for each output channel; empty where they are all zero, nothing where they are not shown.
std::optional<std::vector<int32_t>> weightZeros(const module::NodeView& node, int64_t channels) {
    if (node.inputCount() <= 2 || !node.hasInput(2)) {
        return std::vector<int32_t>();
    }
    const auto zeros = node.input(2).data<int8_t>();
    if (node.input(2).dtype() != TN_I8 || (zeros.size() != 1 && zeros.size() != static_cast<size_t>(channels))) {
        return std::nullopt;
    }
    if (std::all_of(zeros.begin(), zeros.end(), [](int8_t zero) { return zero == 0; })) {
        return std::vector<int32_t>();
    }
    return zeros.size() == 1 ? std::vector<int32_t>(static_cast<size_t>(channels), zeros[0])
                             : std::vector<int32_t>(zeros.begin(), zeros.end());
}

// Where the row of numbers comes from that `sum` adds to `value`, one for each column: a product's bias. -1: it adds something else.
int32_t rowBeside(const module::GraphView& body, const module::NodeView& sum, int32_t value, int64_t columns) {
    const int32_t other = sum.inputIndex(0) == value ? 1 : 0;
    const module::ValueView row = sum.input(other);
    const bool isRow = sum.inputIndex(1 - other) == value && row.dtype() == TN_F32 && row.isStatic() &&
                       row.rank() > 0 && row.dim(row.rank() - 1).opt == columns && row.optElements() == columns;
    return isRow ? portOf(body.inputs(), sum.inputIndex(other)) : -1;
}

} // namespace

void ByteChain::finish(const kernels::Buffers& b, int64_t row, int64_t column, int64_t width, float* shift,
                       ByteResult& result) const {
    result.columns = std::min(width, channels - column);
    const float* const reals = bias < 0 ? nullptr : b.in<float>(static_cast<size_t>(bias)) + column;
    for (int64_t c = 0; c < width; ++c) {
        shift[c] = (reals != nullptr && c < result.columns ? reals[c] : 0.0F) / to.scale + to.zero;
    }
    result.factor = factors.data() + column;
    result.shift = shift;
    result.low = low;
    result.high = high;
    result.c = b.out<uint8_t>() + row * channels + column;
    result.cRow = channels;
    result.isSignedResult = to.isSigned;
}

std::optional<ByteChain> readByteChain(const module::GraphView& body) {
    const size_t count = body.nodeCount();
    if (count < 4 || body.outputs().size() != 1 || body.node(0).op() != "dequantize" ||
        body.node(1).op() != "dequantize" || body.node(count - 1).op() != "quantize") {
        return std::nullopt;
    }
    ByteChain chain;
    chain.head = 2;
    const module::NodeView head = body.node(chain.head);
    const bool isConv = head.op() == "conv";
    if (!isConv && (head.op() != "matmul" || head.intOr("trans_a", 0) != 0 || head.input(0).rank() < 2)) {
        return std::nullopt;
    }
    const size_t image = body.node(0).outputIndex(0) == head.inputIndex(0) ? 0 : 1;
    const module::NodeView x = body.node(image);
    const module::NodeView weights = body.node(1 - image);
    const module::NodeView last = body.node(count - 1);
    if (x.outputIndex(0) != head.inputIndex(0) || weights.outputIndex(0) != head.inputIndex(1) ||
        !weights.input(0).isConstant() || !weights.input(0).isStatic() || weights.input(0).rank() != (isConv ? 4 : 2)) {
        return std::nullopt;
    }
    chain.x = portOf(body.inputs(), x.inputIndex(0));
    chain.weights = portOf(body.inputs(), weights.inputIndex(0));
    if (isConv && head.inputCount() > 2 && head.hasInput(2)) {
        chain.bias = portOf(body.inputs(), head.inputIndex(2));
        if (chain.bias < 0 || head.input(2).dtype() != TN_F32) {
            return std::nullopt;
        }
    }
    const auto from = byteScaleOf(x, x.input(0).dtype());
    const auto to = byteScaleOf(last, last.output(0).dtype());
    chain.channels = weights.input(0).dim(channelsAt(head)).opt;
    chain.factors = weightScales(weights, channelsAt(head), chain.channels);
    const auto zeros = weightZeros(weights, chain.channels);
    if (chain.x < 0 || chain.weights < 0 || chain.x == chain.weights || !from || !to || chain.factors.empty() ||
        !zeros) {
        return std::nullopt;
    }
    chain.weightZeros = *zeros;
    chain.from = *from;
    chain.to = *to;
    for (float& factor : chain.factors) {
        factor *= from->scale / to->scale;
    }
    chain.low = to->isSigned ? -128.0F : 0.0F;
    chain.high = to->isSigned ? 127.0F : 255.0F;
    size_t next = chain.head + 1;
    if (!isConv && body.node(next).op() == "binary.add") {
        chain.bias = rowBeside(body, body.node(next), head.outputIndex(0), chain.channels);
        if (chain.bias < 0) {
            return std::nullopt;
        }
        ++next;
    }
    for (size_t n = next; n < count; ++n) {
        const module::NodeView node = body.node(n);
        if (node.inputIndex(0) != body.node(n - 1).outputIndex(0)) {
            return std::nullopt;
        }
        if (n + 1 == count) {
            break;
        }
        const auto step = node.inputCount() == 1 ? floatStep(node) : std::nullopt;
        const bool isClip = step && step->step == Step::kClip && step->p0 <= step->p1;
        if (!isClip && (!step || step->step != Step::kRelu)) {
            return std::nullopt;
        }
        const float least = isClip ? step->p0 : 0.0F;
        chain.low = std::clamp(least / to->scale + to->zero, chain.low, chain.high);
        if (isClip) {
            chain.high = std::clamp(step->p1 / to->scale + to->zero, chain.low, chain.high);
        }
    }
    return chain;
}

} // namespace tenon::cpu
